/** The sockets of the hand-over: TCP from and to the other director alone, by TLS if there are files for it. */

import { readFileSync } from 'node:fs';
import { connect as connectPlain, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type SecureContextOptions } from 'node:tls';

import { BeelineError, type FlowHandOver, type HandOverFiles, ip, isIp, type IpAddress } from '../../model/index.js';

/** How long a connection may take to come about. */
const CONNECT_MS = 3_000;
/** Connections that are there at once: one that ended without a word, and one in its place. */
const MOST_CONNECTIONS = 4;

export interface ListenerEvents {
  /** The other director is connected, and has shown a certificate if there are any. */
  readonly onConnection: (socket: Socket) => void;
  /** The other director was refused. */
  readonly onRefused: (error: Error) => void;
  /** Somebody else was. */
  readonly onStranger: (address: string) => void;
  /** It listens no more. */
  readonly onFailed: (error: Error) => void;
}

/** Connects. @throws Error why not; BeelineError `HAND_OVER_FILE` */
export async function connectTo({ listen, peer, port, tls }: FlowHandOver, signal: AbortSignal): Promise<Socket> {
  const from = { host: peer, port, localAddress: listen };
  const secure = tls && contextOf(tls);
  // Whoever has a certificate of the authority is a director: names need not be in it.
  const socket =
    secure === undefined
      ? connectPlain(from)
      : connectTls({ ...from, ...secure, minVersion: 'TLSv1.3', checkServerIdentity: () => undefined });
  await new Promise<void>((resolve, reject) => {
    const end = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    const stop = (): void => {
      end(new Error('it is not asked for any more'));
    };
    const timer = setTimeout(() => {
      end(new Error(`${peer} does not answer`));
    }, CONNECT_MS);
    signal.addEventListener('abort', stop);
    socket.once('error', end);
    socket.once(secure === undefined ? 'connect' : 'secureConnect', () => {
      socket.off('error', end);
      resolve();
    });
    socket.once('close', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      reject(new Error(`${peer} ended the connection`));
    });
    socket.once(secure === undefined ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer);
    });
  });
  return socket;
}

/** Listens for the other director, until `close`. Resolves when it does. @throws Error why it cannot */
export async function listenFor(
  { listen, peer, port, tls }: FlowHandOver,
  { onConnection, onRefused, onStranger, onFailed }: ListenerEvents,
): Promise<{ close: () => Promise<void> }> {
  const secure = tls && createTlsServer({ ...contextOf(tls), ...MUTUAL, handshakeTimeout: CONNECT_MS });
  secure?.on('secureConnection', onConnection);
  secure?.on('tlsClientError', onRefused);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    const from = addressOf(socket);
    if (from !== peer) {
      onStranger(from ?? 'nobody');
      socket.destroy();
    } else if (secure === undefined || tls === undefined) {
      onConnection(socket);
    } else {
      attempt(
        () => {
          // Certificates are renewed while the daemon runs.
          secure.setSecureContext({ ...contextOf(tls), minVersion: 'TLSv1.3' });
          secure.emit('connection', socket);
        },
        (error) => {
          onRefused(error);
          socket.destroy();
        },
      );
    }
  });
  server.maxConnections = MOST_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ host: listen, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', onFailed);
  return { close: () => closeServer(server, sockets) };
}

const MUTUAL = { requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const;

function closeServer(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    sockets.forEach((each) => {
      each.destroy();
    });
  });
}

function addressOf({ remoteAddress = '' }: Socket): IpAddress | undefined {
  return isIp(remoteAddress) ? ip(remoteAddress) : undefined;
}

function attempt(work: () => void, onError: (error: Error) => void): void {
  try {
    work();
  } catch (error) {
    onError(error instanceof Error ? error : new Error(String(error)));
  }
}

/** @throws BeelineError `HAND_OVER_FILE` */
function contextOf({ certificate, key, authority }: HandOverFiles): SecureContextOptions {
  return { cert: read(certificate), key: read(key), ca: read(authority) };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BeelineError('HAND_OVER_FILE', `flowHandOver: ${why}`, { cause: error });
  }
}
