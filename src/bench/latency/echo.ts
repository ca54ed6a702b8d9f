/** The real servers' side of `beeline bench latency`: sends back what it gets. Arguments: port, name, a file to make. */

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

const [port, name, readyFile] = process.argv.slice(2);

const server = createServer({ noDelay: true }, (socket) => {
  // Tells who answers, so that requests through the director are compared with requests to the same real server.
  socket.write(`${name ?? ''}\n`);
  socket.on('data', (bytes) => {
    socket.write(bytes);
  });
  // A client that goes away in the middle of a request is not the server's trouble.
  socket.on('error', () => {
    socket.destroy();
  });
});

server.listen(Number(port), '0.0.0.0', () => {
  if (readyFile !== undefined) {
    writeFileSync(readyFile, '');
  }
});
