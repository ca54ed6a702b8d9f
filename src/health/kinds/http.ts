/** HTTP checks: a request in HTTP/1.1, and what its response must be (RFC 9112). */

import { RE2JS } from 're2js';

import { type HttpRequest, type StatusRange, withDefaults } from '../../model/index.js';
import { httpBody } from '../wire/http.js';
import {
  type Ending,
  failed,
  type HttpHead,
  incomplete,
  type Judgement,
  passed,
  quoted,
  type Talk,
  type Target,
  type Turn,
} from './kind.js';

/** HAProxy's: what a browser would be content with. */
const USUAL_STATUS: readonly StatusRange[] = [{ first: 200, last: 399 }];

/** Returns the requests of a check. What one leaves out is what stands beside `requests`. */
export function requestsOf(
  check: HttpRequest & { readonly requests?: readonly HttpRequest[] | undefined },
): HttpRequest[] {
  const { requests = [{}], method, path, host, headers, status, body } = check;
  return requests.map((request) => withDefaults({ method, path, host, headers, status, body }, request));
}

export function httpTalk(check: HttpRequest, target: Target): () => Talk {
  const pattern = check.body === undefined ? undefined : RE2JS.compile(check.body);
  const first: Turn = {
    send: Buffer.from(requestOf(check, target), 'latin1'),
    // Where the status alone decides, a body need not end.
    until: pattern === undefined ? { on: 'http-headers' } : { on: 'http', head: check.method === 'HEAD' },
  };
  return () => ({
    transport: 'tcp',
    first,
    next: (received, ending, http) => {
      if (http === undefined) {
        return ending === 'complete' || ending === 'malformed' ? notHttp(received) : incomplete(ending, received);
      }
      // A status that is wrong is known before the body's end, and tells more than a timeout.
      const { status = USUAL_STATUS } = check;
      if (!status.some(({ first, last }) => http.status >= first && http.status <= last)) {
        return failed('L7', `status ${http.status}`);
      }
      return ending === 'malformed' ? notHttp(received) : judgeBody(http, pattern, ending, received);
    },
  });
}

function notHttp(received: Uint8Array): Judgement {
  return failed('L7', `not HTTP: ${quoted(Buffer.from(received).toString('latin1'))}`);
}

/** A body that is cut at the most that is read counts as far as it goes, as in HAProxy. It is read as UTF-8. */
function judgeBody(
  { status, bodyOffset }: HttpHead,
  pattern: RE2JS | undefined,
  ending: Exclude<Ending, 'malformed'>,
  received: Uint8Array,
): Judgement {
  const body = bodyOffset > 0 ? Buffer.from(httpBody(received, bodyOffset)).toString('utf8') : '';
  if (pattern?.matcher(body).find() === true) {
    return passed('L7', `status ${status}, body matches`);
  }
  if (ending === 'closed' || ending === 'timeout' || (ending === 'too-long' && bodyOffset === 0)) {
    return incomplete(ending, received);
  }
  return pattern === undefined
    ? passed('L7', `status ${status}`)
    : failed('L7', `status ${status}, body does not match`);
}

function requestOf(
  { method = 'GET', path = '/', host, headers = {} }: HttpRequest,
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
