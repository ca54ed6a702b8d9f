/** Failures of TLS in people's words. Pure. */

import { failed, type Judgement } from '../kinds/kind.js';

/** By OpenSSL's reasons. What is not here is told in OpenSSL's own words. */
const WORDS: Readonly<Record<string, string>> = {
  // The first bytes are no record of TLS: plain HTTP, or a greeting.
  WRONG_VERSION_NUMBER: 'answers without TLS',
  PACKET_LENGTH_TOO_LONG: 'answers without TLS',
  HTTP_REQUEST: 'answers without TLS',
  UNSUPPORTED_PROTOCOL: 'protocol version',
  TLSV1_ALERT_PROTOCOL_VERSION: 'protocol version',
  NO_PROTOCOLS_AVAILABLE: 'protocol version',
  SSLV3_ALERT_HANDSHAKE_FAILURE: 'no common parameters (handshake failure)',
  NO_SHARED_CIPHER: 'no common cipher',
  TLSV1_UNRECOGNIZED_NAME: 'no certificate for this name (unrecognized name)',
  TLSV1_ALERT_INTERNAL_ERROR: 'internal error',
  TLSV13_ALERT_CERTIFICATE_REQUIRED: "wants a client's certificate",
  DH_KEY_TOO_SMALL: 'weak key',
  EE_KEY_TOO_SMALL: 'weak key',
};

/** The alert of a server that has none of the protocols that were offered. */
const NO_PROTOCOL = 'TLSV1_ALERT_NO_APPLICATION_PROTOCOL';

/** @param alpn the protocols that were offered */
export function tlsFailure(error: Error, alpn: readonly string[] = []): Judgement {
  const { code = '' } = error as NodeJS.ErrnoException;
  const reason = code.replace(/^ERR_SSL_/, '');
  // Node's word for an end amid the handshake, and OpenSSL's.
  if ((code === 'ECONNRESET' && error.message.includes('before secure TLS connection')) || isUnexpectedEnd(error)) {
    return failed('L6', 'closed early');
  }
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    return failed('L6', 'reset');
  }
  return failed('L6', reason === NO_PROTOCOL ? alpnWords(alpn) : (WORDS[reason] ?? plainWords(reason)));
}

export function alpnWords(alpn: readonly string[]): string {
  return `ALPN: none of ${alpn.join(', ')}`;
}

/** Returns whether the connection ended without TLS's own end, as careless servers do. */
export function isUnexpectedEnd(error: Error): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_SSL_UNEXPECTED_EOF_WHILE_READING';
}

function plainWords(reason: string): string {
  return reason === '' ? 'TLS failed' : reason.toLowerCase().replaceAll('_', ' ');
}
