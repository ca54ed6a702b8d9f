/**
 * A real server for checks, in a network of its own, with a way of answering at each port.
 *
 *   unshare --net node real-server.js NAME      prints "there", waits for a line of commands for "ip -batch",
 *                                               prints "ready", ends with stdin
 */

import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { PORTS, RIP_ANSWERS_PORT } from './real-server-ports.js';

const name = process.argv[2]!;

/** What the server says of itself: the address that the check reached. */
const place = (socket: Socket): string => `${name} ${socket.localAddress!.replace('::ffff:', '')}`;

function respond(socket: Socket, body: string, head = ''): void {
  socket.write(`HTTP/1.1 200 OK\r\n${head}Content-Length: ${body.length}\r\n\r\n${body}`);
}

/** Calls back with each request. */
const onRequest =
  (answer: (socket: Socket, request: string) => void) =>
  (socket: Socket): void => {
    socket.on('data', (bytes) => {
      answer(socket, bytes.toString('latin1'));
    });
  };

async function drip(socket: Socket): Promise<void> {
  for (const byte of `HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n`.repeat(100)) {
    if (socket.destroyed) {
      return;
    }
    socket.write(byte);
    await sleep(20);
  }
}

async function flood(socket: Socket): Promise<void> {
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n');
  for (let i = 0; i < 3200 && !socket.destroyed; i += 1) {
    if (!socket.write(Buffer.alloc(65_536, 'x'))) {
      await new Promise((resolve) => {
        socket.once('drain', resolve).once('close', resolve);
      });
    }
  }
}

async function sendChunks(socket: Socket): Promise<void> {
  const text = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n, world\r\n.\r\n0\r\nTrailer: 1\r\n\r\n`;
  for (let at = 0; at < text.length; at += 7) {
    socket.write(text.slice(at, at + 7));
    await sleep(1);
  }
}

const SERVERS: Record<keyof typeof PORTS, (socket: Socket) => void> = {
  http: onRequest((socket) => {
    respond(socket, place(socket));
  }),
  hang: () => undefined,
  reset: onRequest((socket) => {
    socket.resetAndDestroy();
  }),
  drip: onRequest((socket) => void drip(socket)),
  flood: onRequest((socket) => void flood(socket)),
  half: onRequest((socket) => {
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf');
  }),
  chunks: onRequest((socket) => void sendChunks(socket)),
  untilClose: onRequest((socket) => {
    socket.end('HTTP/1.0 503 Gone for Lunch\r\nServer: x\r\n\r\nuntil the end');
  }),
  noBody: onRequest((socket, request) => {
    socket.write(
      request.startsWith('HEAD')
        ? 'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n'
        : 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    );
  }),
  ssh: (socket) => {
    socket.write('SSH-2.0-Test\r\n');
  },
  // A connection that is reset takes back nothing that was said on it.
  greetReset: (socket) => {
    socket.write('one\ntwo\n', () => setTimeout(() => socket.resetAndDestroy(), 20));
  },
  answerReset: onRequest((socket) => {
    setTimeout(() => {
      respond(socket, 'last words');
      setTimeout(() => socket.resetAndDestroy(), 20);
    }, 100);
  }),
  // Its greeting and the end of it come in pieces, and one answer together with the next.
  dialogue: (socket) => {
    socket.write('220-first\r\n220');
    setTimeout(() => {
      socket.write(' ready\r\n');
    }, 10);
    socket.on('data', (bytes) => {
      socket.write(bytes.toString().startsWith('EHLO') ? '250 hello\r\n250 more\r\n' : '221 bye\r\n');
    });
  },
};

async function listen(): Promise<void> {
  for (const [kind, serve] of Object.entries(SERVERS)) {
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => undefined);
      serve(socket);
    });
    await new Promise<void>((resolve) => {
      server.listen(PORTS[kind as keyof typeof PORTS], '::', 4096, resolve);
    });
  }
  for (const family of ['udp4', 'udp6'] as const) {
    const server = createSocket(family);
    server.on('message', (message, { port, address }) => {
      const text = message.toString();
      const delayMs = text === 'late' ? 300 : 0;
      if (text !== 'silent') {
        setTimeout(() => {
          server.send(text === 'empty' ? '' : `${name} ${text}`, port, address);
        }, delayMs);
      }
    });
    server.on('error', () => undefined);
    // To one address each, or the kernel would answer from the RIP.
    await new Promise<void>((resolve) => {
      server.bind({ port: PORTS.http, address: process.argv[family === 'udp4' ? 3 : 4]! }, resolve);
    });
    const fromRip = createSocket({ type: family, ipv6Only: family === 'udp6' });
    fromRip.on('message', (_message, { port, address }) => {
      fromRip.send('from the RIP', port, address);
    });
    await new Promise<void>((resolve) => {
      fromRip.bind(RIP_ANSWERS_PORT, resolve);
    });
  }
}

// Now that it has its network, it can get its cable.
process.stdout.write('there\n');
const input = createInterface({ input: process.stdin });
input.once('line', (line) => {
  execFileSync('ip', ['-batch', '-'], { input: line.replaceAll(';', '\n') });
  void listen().then(() => {
    process.stdout.write('ready\n');
  });
});
input.once('close', () => {
  process.exit(0);
});
