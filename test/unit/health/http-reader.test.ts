/** The end of an HTTP response is found wherever the response is cut into pieces. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { HttpReader, type HttpReaderOptions } from '../../../src/health/slow/http-reader.js';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** What a reader says of a response that comes in pieces, and after how many bytes it is sure. */
function read(response: Uint8Array, cuts: readonly number[], options: HttpReaderOptions = {}): string {
  const reader = new HttpReader(options);
  const ends = [...cuts.map((cut) => cut % (response.length + 1)), response.length].sort((a, b) => a - b);
  let progress = 'more';
  for (const end of ends) {
    progress = reader.feed(response.subarray(0, end));
    if (progress !== 'more') {
      break;
    }
  }
  const { status = 0, bodyOffset = 0 } = reader.http ?? {};
  return `${progress} ${status} ${bodyOffset}${reader.endsByClose ? ' until close' : ''}`;
}

const OK = 'HTTP/1.1 200 OK\r\n';
const RESPONSES: [string, string, HttpReaderOptions?][] = [
  [`${OK}Content-Length: 5\r\n\r\nhello`, 'complete 200 38'],
  [`${OK}Content-Length: 5\r\n\r\nhell`, 'more 200 38'],
  [`${OK}content-length:0\r\n\r\n`, 'complete 200 37'],
  [`${OK}\r\nbody`, 'more 200 19 until close'],
  ['HTTP/1.0 200\n\nbody', 'more 200 14 until close'],
  [`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`, 'complete 200 47'],
  [`${OK}Transfer-Encoding: gzip, chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: x\r\n\r\n`, 'complete 200 53'],
  [`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n`, 'malformed 200 47'],
  [`${OK}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, 'malformed 200 47'],
  [`${OK}Transfer-Encoding: chunked\r\n\r\nffffffffffffff\r\n`, 'malformed 200 47'],
  [`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n`, 'more 200 47'],
  ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n', 'complete 204 52'],
  ['HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx', 'complete 200 69'],
  ['HTTP/1.1 101 Switch\r\n\r\n\x00\x01', 'complete 101 23'],
  ['HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n', 'complete 304 48'],
  [`${OK}Content-Length: 5\r\n\r\n`, 'complete 200 38', { head: true }],
  [`${OK}Content-Length: 5\r\n\r\n`, 'complete 200 38', { onlyHeaders: true }],
  [`${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`, 'malformed 200 0'],
  [`${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`, 'complete 200 57'],
  [`${OK}Content-Length: -5\r\n\r\n`, 'malformed 200 0'],
  [`${OK}Content-Length: 5, 5\r\n\r\n`, 'malformed 200 0'],
  [`${OK}Content-Length: ${'9'.repeat(400)}\r\n\r\nx`, 'more 200 437'],
  [`${OK}no colon\r\nContent-Length: 1\r\n\r\nx`, 'complete 200 48'],
  ['SSH-2.0-OpenSSH', 'malformed 0 0'],
  ['HTTP/2 200\r\n\r\n', 'malformed 0 0'],
  ['HTTP/1.1 2000 OK\r\n', 'malformed 0 0'],
  ['HTTP/1.1 099 OK\r\n', 'malformed 0 0'],
  ['HTTP/1.1 20\r\n', 'malformed 0 0'],
  ['HTT', 'more 0 0'],
  ['', 'more 0 0'],
];

test('each response ends where it ends', () => {
  for (const [response, expected, options] of RESPONSES) {
    assert.equal(read(bytes(response), [], options), expected, JSON.stringify(response.slice(0, 80)));
  }
});

test('a response that comes in pieces, byte by byte too, ends at the same place', () => {
  for (const [response, expected, options] of RESPONSES) {
    const every = Array.from({ length: response.length }, (_, i) => i);
    assert.equal(read(bytes(response), every, options), expected, JSON.stringify(response.slice(0, 80)));
  }
  fc.assert(
    fc.property(fc.constantFrom(...RESPONSES), fc.array(fc.nat()), ([response, expected, options], cuts) => {
      assert.equal(read(bytes(response), cuts, options), expected);
    }),
  );
});

test('what is no response, or broken anywhere, is read without an error, and the same in pieces', () => {
  const broken = fc
    .tuple(fc.constantFrom(...RESPONSES), fc.nat(), fc.uint8Array({ maxLength: 4 }))
    .map(([[response], at, wrong]) => {
      const whole = bytes(response);
      const place = at % (whole.length + 1);
      return Buffer.concat([whole.subarray(0, place), wrong, whole.subarray(place + wrong.length)]);
    });
  fc.assert(
    fc.property(fc.oneof(broken, fc.uint8Array()), fc.array(fc.nat()), (response, cuts) => {
      assert.equal(read(response, cuts), read(response, []));
    }),
    { numRuns: 500 },
  );
});
