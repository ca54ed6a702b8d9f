/**
 * Real servers that fail their checks when a test says so, and a stream of UDP packets to them.
 *
 *   serve NAME HTTP UDP SICK READY    HTTP at a port: status 503 while the file SICK exists, or SICK.N for the path /N, else
 *                                     200. UDP at ports: each datagram is answered with the name, or not ("silent:PORT")
 *   flows TARGETS COUNT PATH          UDP flows to each target, which send all the time. Writes PATH.begun when each has its
 *                                     answer, and on SIGTERM PATH.ended: by flow, the names that answered, in their order
 *   stream ADDRESS PORT RATE          sends so many datagrams a second, from sockets that are others every half second
 */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const FLOWS = 32;
const RENEW_MS = 500;

async function serve(name: string, httpPort: number, udpPorts: string, sick: string, ready: string): Promise<void> {
  const server = createServer(({ url = '/' }, response) => {
    const isSick = existsSync(sick) || existsSync(`${sick}.${url.slice(1)}`);
    response.writeHead(isSick ? 503 : 200, { 'x-path': url, 'content-length': 0 }).end();
  });
  server.keepAliveTimeout = 1000;
  server.listen({ port: httpPort, host: '::', backlog: 4096 });
  const sockets = udpPorts.split(',').flatMap((each) => {
    const port = Number(each.replace('silent:', ''));
    return (['udp4', 'udp6'] as const).map((type) => {
      const socket = createSocket({ type, ipv6Only: type === 'udp6' });
      if (!each.startsWith('silent:')) {
        socket.on('message', (_, from) => {
          socket.send(name, from.port, from.address);
        });
      }
      // A closed port of a client raises an error.
      socket.on('error', () => undefined);
      // At the VIP, since an answer comes from the address that the socket has.
      socket.bind(port, type === 'udp4' ? '192.168.1.100' : 'fd00::100');
      return socket;
    });
  });
  await Promise.all([once(server, 'listening'), ...sockets.map((socket) => once(socket, 'listening'))]);
  writeFileSync(ready, '');
}

function stream(address: string, port: number, rate: number): void {
  const type = address.includes(':') ? 'udp6' : 'udp4';
  const open = (): Socket[] =>
    Array.from({ length: FLOWS }, () => {
      const socket = createSocket(type);
      socket.on('error', () => undefined);
      socket.connect(port, address);
      return socket;
    });
  let sockets = open();
  const payload = Buffer.alloc(16);
  const started = performance.now();
  let sent = 0;
  setInterval(() => {
    const before = sockets;
    sockets = open();
    setTimeout(() => {
      before.forEach((socket) => socket.close());
    }, 50);
  }, RENEW_MS);
  setInterval(() => {
    for (const due = ((performance.now() - started) * rate) / 1000; sent < due; sent += 1) {
      try {
        sockets[sent % FLOWS]!.send(payload);
      } catch {
        // It is not connected yet.
      }
    }
  }, 1);
}

/** Names that follow each other are written once. */
async function flows(
  targets: readonly { address: string; port: number }[],
  count: number,
  path: string,
): Promise<void> {
  const answers: string[][][] = targets.map(() => Array.from({ length: count }, () => []));
  const sockets = targets.flatMap(({ address, port }, i) =>
    answers[i]!.map((names) => {
      const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
      socket.on('message', (message) => {
        const name = message.toString();
        if (names.at(-1) !== name) {
          names.push(name);
        }
      });
      socket.on('error', () => undefined);
      socket.connect(port, address);
      return socket;
    }),
  );
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const write = (suffix: string): void => {
    writeFileSync(`${path}.new`, JSON.stringify(answers));
    renameSync(`${path}.new`, `${path}.${suffix}`);
  };
  let hasBegun = false;
  setInterval(() => {
    sockets.forEach((socket) => {
      socket.send('?');
    });
    if (!hasBegun && answers.flat().every((names) => names.length > 0)) {
      hasBegun = true;
      write('begun');
    }
  }, 50);
  await once(process, 'SIGTERM');
  write('ended');
  process.exit();
}

const [mode, ...rest] = process.argv.slice(2) as [string, ...string[]];
if (mode === 'serve') {
  const [name, http, udp, sick, ready] = rest as [string, string, string, string, string];
  await serve(name, Number(http), udp, sick, ready);
} else if (mode === 'flows') {
  const [targets, count, path] = rest as [string, string, string];
  await flows(JSON.parse(targets) as { address: string; port: number }[], Number(count), path);
} else {
  const [address, port, rate] = rest as [string, string, string];
  stream(address, Number(port), Number(rate));
}
