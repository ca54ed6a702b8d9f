/** HTTP checks: a request in HTTP/1.1, and what its response must be (RFC 9112). */

import { RE2JS } from 're2js';

import type { HttpCheck, StatusRange } from '../../model/index.js';
import { failed, incomplete, type Judgement, passed, quoted, type Talk, type Target } from './kind.js';

/** HAProxy's: what a browser would be content with. */
const USUAL_STATUS: readonly StatusRange[] = [{ first: 200, last: 399 }];

export function httpTalk(check: HttpCheck, target: Target): () => Talk {
  const pattern = check.body === undefined ? undefined : RE2JS.compile(check.body);
  const first = {
    send: Buffer.from(requestOf(check, target), 'latin1'),
    until: { what: 'http-response', hasBody: check.method !== 'HEAD' },
  } as const;
  return () => ({
    transport: 'tcp',
    first,
    next: (received, ending) => {
      const response = parseResponse(Buffer.from(received));
      if (response === undefined) {
        return ending === 'complete' || received.length > 0
          ? failed('L7', `not HTTP: ${quoted(Buffer.from(received).toString('latin1'))}`)
          : incomplete(ending, received);
      }
      // A status that is wrong is known before the body's end, and tells more than a timeout.
      const { status = USUAL_STATUS } = check;
      if (!status.some(({ first, last }) => response.status >= first && response.status <= last)) {
        return failed('L7', `status ${response.status}`);
      }
      return judgeBody(response, pattern, ending, received);
    },
  });
}

/** A body that is cut at the most that is read counts as far as it goes, as in HAProxy. */
function judgeBody(
  { status, body }: Response,
  pattern: RE2JS | undefined,
  ending: Parameters<Talk['next']>[1],
  received: Uint8Array,
): Judgement {
  if (pattern?.matcher(body).find() === true) {
    return passed('L7', `status ${status}, body matches`);
  }
  if (ending === 'closed' || ending === 'timeout') {
    return incomplete(ending, received);
  }
  return pattern === undefined
    ? passed('L7', `status ${status}`)
    : failed('L7', `status ${status}, body does not match`);
}

function requestOf(
  { method = 'GET', path = '/', host, headers = {} }: HttpCheck,
  { address, family, port }: Target,
): string {
  const name = host ?? `${family === 6 ? `[${address}]` : address}${port === 80 ? '' : `:${port}`}`;
  const usual = { Host: name, 'User-Agent': 'beeline', Accept: '*/*', Connection: 'close' };
  const given = new Set(Object.keys(headers).map((each) => each.toLowerCase()));
  const lines = [
    ...Object.entries(usual).filter(([key]) => !given.has(key.toLowerCase())),
    ...Object.entries(headers),
  ].map(([key, value]) => `${key}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

interface Response {
  readonly status: number;
  readonly body: string;
}

/** Undefined: it is no response, or not yet a status line. The body is read as UTF-8. */
export function parseResponse(bytes: Buffer): Response | undefined {
  let rest = bytes;
  for (;;) {
    const headEnd = rest.indexOf('\r\n\r\n');
    const head = rest.subarray(0, headEnd < 0 ? rest.length : headEnd).toString('latin1');
    const status = /^HTTP\/1\.[01] ([1-9]\d\d)(?: |\r\n|$)/.exec(head)?.[1];
    if (status === undefined) {
      return undefined;
    }
    const after = headEnd < 0 ? Buffer.alloc(0) : rest.subarray(headEnd + 4);
    // 100 Continue, 103 Early Hints: the response follows.
    if (status.startsWith('1') && status !== '101' && headEnd >= 0) {
      rest = after;
      continue;
    }
    const isChunked = /\r\ntransfer-encoding:[^\r]*\bchunked *(?:\r\n|$)/i.test(head);
    return { status: Number(status), body: (isChunked ? unchunked(after) : after).toString('utf8') };
  }
}

/** Returns the chunks' data, as far as it is there. */
function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const size = lineEnd < 0 ? NaN : parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16);
    // 0 ends the body; NaN: cut here, or no chunk.
    if (!(size > 0)) {
      return Buffer.concat(parts);
    }
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}
