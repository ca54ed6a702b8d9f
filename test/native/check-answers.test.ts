/** Where a check finds the end of an HTTP response, however the response is cut into pieces. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import test, { before } from 'node:test';

import { httpBody, httpHeaders, httpReason } from '../../src/health/index.js';
import { ip as address } from '../../src/model/index.js';
import { Checker } from '../support/check-network.js';
import { ip, requireOwnNetwork } from '../support/isolation.js';

const LOCALHOST = address('127.0.0.1');

before(() => {
  requireOwnNetwork();
  ip('link', 'set', 'lo', 'up');
});

interface Case {
  readonly text: string;
  readonly head?: boolean;
  /** Whether the server closes the connection after it. */
  readonly closes?: boolean;
  readonly expected: string;
}

/** The expected outcome, status and body. */
const CASES: Record<string, Case> = {
  'a length': { text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', expected: 'ok 200 hello' },
  'a length of nothing': { text: 'HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n', expected: 'ok 404 ' },
  'line ends without a return': { text: 'HTTP/1.0 200 OK\nContent-Length: 2\n\nhi', expected: 'ok 200 hi' },
  'no reason': { text: 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', expected: 'ok 200 ' },
  chunks: {
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n00a;x\r\n0123456789\r\n0\r\n\r\n',
    expected: 'ok 200 abc0123456789',
  },
  'chunks and trailers': {
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nSum: 1\r\nMore: 2\r\n\r\n',
    expected: 'ok 200 a',
  },
  'an interim response': {
    text: 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx',
    expected: 'ok 200 x',
  },
  'a switch of protocols': { text: 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n', expected: 'ok 101 ' },
  'not modified': { text: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 70\r\n\r\n', expected: 'ok 304 ' },
  'a body until the close': { text: 'HTTP/1.0 500 Oh\r\n\r\nthe rest', closes: true, expected: 'ok 500 the rest' },
  'the same length twice': {
    text: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx',
    expected: 'ok 200 x',
  },
  'a header without a colon': {
    text: 'HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 1\r\n\r\nx',
    expected: 'ok 200 x',
  },
  'a close amid the headers': { text: 'HTTP/1.1 200 OK\r\nContent-', closes: true, expected: 'closed 200 ' },
  'a close amid the body': {
    text: 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf',
    closes: true,
    expected: 'closed 200 half',
  },
  'a close amid the chunks': {
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    closes: true,
    expected: 'closed 200 hello',
  },
  'a close at once': { text: '', closes: true, expected: 'closed  ' },
  'two lengths': {
    text: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
    expected: 'malformed 200 ',
  },
  'a length that is no number': { text: 'HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\nx', expected: 'malformed 200 ' },
  'a negative length': { text: 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx', expected: 'malformed 200 ' },
  'a length that no number holds': {
    text: `HTTP/1.1 200 OK\r\nContent-Length: ${'9'.repeat(40)}\r\n\r\n${'x'.repeat(70_000)}`,
    expected: 'too-long 200 ',
  },
  'a chunk of no size': {
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n',
    expected: 'malformed 200 ',
  },
  'a chunk that is longer than it says': {
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n',
    expected: 'malformed 200 a',
  },
  'a chunk that no number holds': {
    text: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'f'.repeat(30)}\r\n`,
    expected: 'malformed 200 ',
  },
  'no HTTP': { text: 'SSH-2.0-x', expected: 'malformed  ' },
  'no version': { text: 'HTTP/x', expected: 'malformed  ' },
  'HTTP/2': { text: 'HTTP/2 200\r\n\r\n', expected: 'malformed  ' },
  'a status of two digits': { text: 'HTTP/1.1 20 OK\r\n\r\n', expected: 'malformed  ' },
  'a status of four digits': { text: 'HTTP/1.1 2000 OK\r\n\r\n', expected: 'malformed  ' },
  'a TLS alert': { text: '\x15\x03\x03\x00\x02\x02\x28', expected: 'malformed  ' },
  'an endless line': { text: `HTTP/1.1 200 ${'x'.repeat(70_000)}`, expected: 'too-long  ' },
  HEAD: { text: 'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n', head: true, expected: 'ok 200 ' },
};

async function send(socket: Socket, { text, closes = false }: Case, pieceBytes: number): Promise<void> {
  for (let at = 0; at < text.length && !socket.destroyed; at += pieceBytes) {
    socket.write(Buffer.from(text.slice(at, at + pieceBytes), 'latin1'));
    // So that the next piece is a packet of its own.
    await new Promise(setImmediate);
  }
  if (closes) {
    socket.end();
  }
}

for (const pieceBytes of [1 << 20, 7, 1]) {
  test(`the end of an HTTP response is found in pieces of ${pieceBytes} bytes`, async (context) => {
    using checker = Checker.withoutVips();
    let current: Case;
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      void send(socket, current, pieceBytes);
    }).listen(0, LOCALHOST);
    await once(server, 'listening');
    context.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    for (const [what, one] of Object.entries(CASES)) {
      if (one.text.length / pieceBytes < 20_000) {
        current = one;
        const { outcome, http, bytes } = await checker.check({
          protocol: 'tcp',
          local: LOCALHOST,
          rip: LOCALHOST,
          port,
          timeoutMs: 10_000,
          until: { on: 'http', ...(one.head && { head: true }) },
          bytes: true,
        });
        const body = http && http.bodyOffset > 0 ? Buffer.from(httpBody(bytes, http.bodyOffset)).toString() : '';
        assert.equal(`${outcome} ${http?.status ?? ''} ${outcome === 'too-long' ? '' : body}`, one.expected, what);
      }
    }
  });
}

test('the head of a response is read without the heads before it', () => {
  const text =
    'HTTP/1.1 103 Early Hints\r\nLink: early\r\n\r\nHTTP/1.1 503 Out to Lunch\r\nVia: a\r\nvia:  b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n';
  const bytes = Buffer.from(text);
  const bodyOffset = text.indexOf('2\r\nhi');
  assert.equal(httpReason(bytes, bodyOffset), 'Out to Lunch');
  assert.deepEqual(
    [...httpHeaders(bytes, bodyOffset)],
    [
      ['via', 'a, b'],
      ['transfer-encoding', 'chunked'],
    ],
  );
  assert.equal(Buffer.from(httpBody(bytes, bodyOffset)).toString(), 'hi');
});

test('a head that was cut shows nothing of the answer behind it', () => {
  const memory = Buffer.from('HTTP/1.1 200 OK\r\nVia: a\r\n\r\nanother’s answer');
  const cut = memory.subarray(0, 20);
  assert.deepEqual([...httpHeaders(cut, memory.length)], []);
  assert.equal(httpBody(cut, memory.length).length, 0);
});
