/** The handshake of TLS: a check of its own, and what checks over TLS begin with. */

import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';

import { DEFAULT_EXPIRY_DAYS, type TlsSettings } from '../../model/index.js';
import { failed, passed } from '../kinds/kind.js';
import { expiryWarning, judgeCertificate } from './certificate.js';
import { findingOfCut, withConnection } from './connection.js';
import type { Deadline } from './deadline.js';
import type { Finding, SlowContext } from './slow.js';
import { secureContextOf } from './tls-contexts.js';
import { alpnWords, tlsFailure } from './tls-failure.js';

export function checkTls(check: TlsSettings, context: SlowContext, deadline: Deadline): Promise<Finding> {
  return withTls(check, context, deadline, (stream) => Promise.resolve({ judgement: passed('L6', spoken(stream)) }));
}

/** "TLSv1.3 h2" */
function spoken(stream: TLSSocket): string {
  const { alpnProtocol } = stream;
  return [stream.getProtocol() ?? 'TLS', ...(typeof alpnProtocol === 'string' ? [alpnProtocol] : [])].join(' ');
}

/** @param use is given a stream whose certificate is valid, as far as that is asked for */
export async function withTls(
  settings: TlsSettings,
  context: SlowContext,
  deadline: Deadline,
  use: (stream: TLSSocket) => Promise<Finding>,
): Promise<Finding> {
  const secureContext = await deadline.race(secureContextOf(settings.ca));
  if (typeof secureContext === 'string') {
    return { trouble: `${settings.ca ?? 'TLS'}: cannot be read: ${secureContext}` };
  }
  return withConnection(context, deadline, async (socket) => {
    const { alpn = [], sni } = settings;
    const release = await placeFor(context, deadline);
    if (release === undefined) {
      return { trouble: 'this host has no time for it: too many handshakes wait' };
    }
    if (socket.destroyed) {
      return { judgement: failed('L4', 'reset') };
    }
    const stream = connect({
      socket,
      secureContext,
      ...(sni !== undefined && { servername: sni }),
      ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }),
      // Both are judged after the handshake, in people's words and before anything is said.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    try {
      const refusal = await shakeHands(stream, socket, alpn, deadline);
      release();
      const failure = refusal ?? judgePeer(stream, settings, context);
      if (failure?.judgement !== undefined || failure?.trouble !== undefined) {
        return failure;
      }
      return { ...failure, ...(await use(stream)) };
    } finally {
      stream.pause();
    }
  });
}

/** Returns what gives the place back that a handshake needs; undefined: the time was over before there was one. */
async function placeFor({ handshakes }: SlowContext, deadline: Deadline): Promise<(() => void) | undefined> {
  // Usually there is one at once: nothing is to come between the connection and the handshake.
  const free = handshakes === undefined ? (): void => undefined : handshakes.tryTake();
  if (free !== undefined) {
    return free;
  }
  const place = handshakes!.take();
  const taken = await deadline.race(place);
  if (typeof taken !== 'string') {
    return taken;
  }
  void place.then((release) => {
    release();
  });
  return undefined;
}

/** Returns why there is no TLS; undefined: there is. */
function shakeHands(
  stream: TLSSocket,
  socket: Socket,
  alpn: readonly string[],
  deadline: Deadline,
): Promise<Finding | undefined> {
  return new Promise((resolve) => {
    const stop = deadline.onCut((cut) => {
      resolve(findingOfCut(cut, failed('L6', 'timeout')));
    });
    const onError = (error: Error): void => {
      stop();
      resolve({ judgement: tlsFailure(error, alpn) });
    };
    // The stream's errors are heard as long as it lives: nobody else need be there.
    stream.on('error', onError).once('close', () => {
      onError(new Error('closed'));
    });
    socket.once('error', onError);
    stream.once('secureConnect', () => {
      stop();
      resolve(undefined);
    });
  });
}

/** Returns the failure, or no more than a warning. */
function judgePeer(stream: TLSSocket, settings: TlsSettings, { target }: SlowContext): Finding | undefined {
  const { alpn = [], sni, verify = true, expiryDays } = settings;
  const certificate = stream.getPeerCertificate();
  const now = Date.now();
  if (verify) {
    // Node has a code there, whatever its type says.
    const error = stream.authorized ? undefined : String(stream.authorizationError);
    const judgement = judgeCertificate({ certificate, error }, sni ?? target.address, now);
    if (judgement !== undefined) {
      return { judgement };
    }
  }
  if (alpn.length > 0 && !alpn.includes(String(stream.alpnProtocol))) {
    return { judgement: failed('L6', alpnWords(alpn)) };
  }
  // Who does not verify asks for warnings, or gets none.
  const warning = expiryWarning(certificate, expiryDays ?? (verify ? DEFAULT_EXPIRY_DAYS : 0), now);
  return warning === undefined ? undefined : { warning };
}
