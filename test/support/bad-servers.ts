/**
 * Servers that misbehave, each at its port.
 *
 *   node bad-servers.js PEM WORDS      PEM: a certificate with its key; WORDS: a file with what the agent answers
 */

import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';

import { BAD_PORTS } from './bad-server-ports.js';

const [pemPath, wordsPath] = process.argv.slice(2) as [string, string];
const FLOOD_BYTES = 200 << 20;

async function repeat(socket: Socket, piece: string | Buffer, pauseMs = 0, most = FLOOD_BYTES): Promise<void> {
  for (let bytes = 0; bytes < most && !socket.destroyed; bytes += piece.length) {
    if (!socket.write(piece)) {
      await new Promise((resolve) => {
        socket.once('drain', resolve).once('close', resolve);
      });
    }
    if (pauseMs > 0) {
      await sleep(pauseMs);
    }
  }
}

async function drip(socket: Socket): Promise<void> {
  for (const byte of 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhey') {
    if (socket.destroyed) {
      return;
    }
    socket.write(byte);
    await sleep(1000);
  }
}

const requested =
  (answer: (socket: Socket) => void) =>
  (socket: Socket): void => {
    socket.once('data', () => {
      answer(socket);
    });
  };

const OK = 'HTTP/1.1 200 OK\r\n';
const HUGE_CHUNK = `${OK}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nok`;
const PLAIN: Partial<Record<keyof typeof BAD_PORTS, (socket: Socket) => void>> = {
  hang: () => undefined,
  closeAtOnce: (socket) => socket.end(),
  resetAtOnce: (socket) => socket.resetAndDestroy(),
  resetLater: requested((socket) => socket.resetAndDestroy()),
  halfHead: requested((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Le')),
  halfBody: requested((socket) => socket.end(`${OK}Content-Length: 1000\r\n\r\nhalf`)),
  drip: (socket) => void drip(socket),
  flood: (socket) => void repeat(socket, Buffer.alloc(65_536, 'x')),
  floodBody: requested((socket) => {
    socket.write(`${OK}Content-Length: ${FLOOD_BYTES}\r\n\r\n`);
    void repeat(socket, Buffer.alloc(65_536, 'x'));
  }),
  endlessHead: requested((socket) => {
    socket.write(OK);
    void repeat(socket, 'X-Header: value\r\n'.repeat(1000));
  }),
  endlessContinue: requested((socket) => void repeat(socket, 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000))),
  garbage: (socket) => socket.write(Buffer.from([0, 255, 1, 254, 10, 13, 10, 27, 91, 50, 74])),
  badLength: requested((socket) => socket.end(`${OK}Content-Length: -1\r\n\r\nx`)),
  manyHeaders: requested((socket) => socket.end(`${OK}${'A: b\r\n'.repeat(8000)}Content-Length: 2\r\n\r\nok`)),
  tooManyHeaders: requested((socket) => socket.end(`${OK}${'A: b\r\n'.repeat(100_000)}\r\nok`)),
  hugeChunk: requested((socket) => socket.end(HUGE_CHUNK)),
  hugeLength: requested((socket) => socket.end(`${OK}Content-Length: ${'9'.repeat(40)}\r\n\r\nok`)),
  // SETTINGS and GOAWAY.
  http2: (socket) => socket.end(Buffer.from('00000004000000000000000807000000000000000000000001', 'hex')),
  redirect: requested((socket) => socket.end('HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n')),
  // Before it was asked.
  tooSoon: (socket) => socket.end(`${OK}Content-Length: 2\r\n\r\nok`),
  agent: (socket) => socket.end(readFileSync(wordsPath)),
};

const TLS: Partial<Record<keyof typeof BAD_PORTS, (socket: Socket) => void>> = {
  tlsHang: () => undefined,
  tlsClose: (socket) => socket.end(),
  tlsDrip: (socket) => void drip(socket),
  tlsFlood: (socket) => {
    socket.write(`${OK}Content-Length: ${FLOOD_BYTES}\r\n\r\n`);
    void repeat(socket, Buffer.alloc(65_536, 'x'));
  },
  tlsHugeChunk: requested((socket) => socket.end(HUGE_CHUNK)),
  tlsChain: () => undefined,
  tlsLongChain: () => undefined,
};
/** So many certificates are sent beside the server's. */
const CHAINS: Partial<Record<keyof typeof BAD_PORTS, number>> = { tlsChain: 50, tlsLongChain: 1000 };

const UDP: Partial<Record<keyof typeof BAD_PORTS, (query: Buffer) => Buffer>> = {
  udpGarbage: () => Buffer.from('what?'),
  udpEmpty: () => Buffer.alloc(0),
  // The answer to another question.
  // The name of the answer is where it is itself.
  udpLoop: (query) => dnsReply(query, 1, Buffer.from([0xc0, query.length, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1])),
  // Said, and not there.
  udpManyAnswers: (query) => dnsReply(query, 65_535, Buffer.alloc(0)),
  udpTwice: (query) => Buffer.concat([dnsReply(query, 0, Buffer.alloc(0)), query]),
  udpOtherAddress: (query) => dnsReply(query, 1, Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1])),
  udpOtherId: (query) => Buffer.concat([Buffer.from([query[0]! ^ 1, query[1]!, 0x81, 0x80]), query.subarray(4)]),
};

/** An answer to a question, with what is said of its length. */
function dnsReply(query: Buffer, count: number, answers: Buffer): Buffer {
  const head = Buffer.from(query);
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(count, 6);
  return Buffer.concat([head, answers]);
}

type Kind = keyof typeof BAD_PORTS;

for (const [kind, serve] of Object.entries(PLAIN) as [Kind, (socket: Socket) => void][]) {
  createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    serve(socket);
  }).listen(BAD_PORTS[kind], '::');
}
const pem = readFileSync(pemPath, 'latin1');
for (const [kind, serve] of Object.entries(TLS) as [Kind, (socket: Socket) => void][]) {
  const [leaf] = /-----BEGIN CERT[^]*?-----END CERTIFICATE-----\n/.exec(pem)!;
  createTlsServer({ key: pem, cert: pem + leaf.repeat(CHAINS[kind] ?? 0) }, (socket) => {
    socket.on('error', () => undefined);
    serve(socket);
  })
    .on('tlsClientError', () => undefined)
    .listen(BAD_PORTS[kind], '::');
}
for (const [kind, answer] of Object.entries(UDP) as [Kind, (query: Buffer) => Buffer][]) {
  // At the VIP itself: Node.js cannot choose the source of an answer.
  for (const address of ['192.168.1.100', 'fd00::100']) {
    const isSix = address.includes(':');
    const socket = createSocket(isSix ? 'udp6' : 'udp4');
    const other = createSocket(isSix ? 'udp6' : 'udp4');
    if (kind === 'udpOtherAddress') {
      other.bind(BAD_PORTS[kind], isSix ? 'fd00::31' : '192.168.1.31');
    }
    socket.on('message', (query, { port, address: to }) => {
      (kind === 'udpOtherAddress' ? other : socket).send(answer(query), port, to);
    });
    socket.bind(BAD_PORTS[kind], address);
  }
}
