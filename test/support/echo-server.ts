/**
 * A real server that echoes, at one address alone: node echo-server.js NAME PORT ADDRESS… Over TCP whatever comes; over UDP
 * its name and what came, or as many letters as a number that came.
 */

import { createSocket } from 'node:dgram';
import { createServer, isIPv6 } from 'node:net';

const [name, port, ...addresses] = process.argv.slice(2);
for (const address of addresses) {
  createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  }).listen({ port: Number(port), host: address });
  const udp = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  udp.on('message', (data, { port: from, address: client }) => {
    const text = data.toString();
    udp.send(/^\d+$/.test(text) ? 'y'.repeat(Number(text)) : `${name} ${text}`, from, client);
  });
  udp.bind(Number(port), address);
}
