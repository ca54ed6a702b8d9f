/**
 * A UDP server and client for tests.
 *
 *   serve ADDRESS PORT NAME DELAY_MS READY    answers each datagram with its name and the length of the datagram
 *   ask ADDRESS PORT BYTES COUNT              sends datagrams, each from another port, and prints the answers
 *   shout ADDRESS PORT BYTES COUNT            sends datagrams and closes their ports before the answers arrive
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const [mode, address, port, ...rest] = process.argv.slice(2) as [string, string, string, ...string[]];
const type = address.includes(':') ? 'udp6' : 'udp4';

if (mode === 'serve') {
  const [name, delayMs, ready] = rest as [string, string, string];
  const server = createSocket(type);
  server.on('message', (message, from) => {
    setTimeout(() => {
      server.send(`${name} ${message.length}`, from.port, from.address);
    }, Number(delayMs));
  });
  // A closed port of a client raises an error on the socket. The server goes on.
  server.on('error', () => undefined);
  server.bind(Number(port), address, () => {
    writeFileSync(ready, '');
  });
} else {
  const [bytes, count] = rest.map(Number) as [number, number];
  for (let i = 0; i < count; i += 1) {
    const socket = createSocket(type);
    socket.send(Buffer.alloc(bytes), Number(port), address);
    if (mode === 'ask') {
      const [answer] = (await Promise.race([once(socket, 'message'), sleep(3000, ['no answer'])])) as [Buffer | string];
      process.stdout.write(`${answer.toString()}\n`);
    } else {
      await sleep(20);
    }
    socket.close();
  }
  process.exit();
}
