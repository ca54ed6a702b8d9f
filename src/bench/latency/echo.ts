/** The real servers' program of `beeline bench latency`: an echo server. Arguments: port, name, a file to create when it listens. */

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

const [port, name, readyFile] = process.argv.slice(2);

const server = createServer({ noDelay: true }, (socket) => {
  // The client compares requests through the director with requests to the same real server, so it must know the name.
  socket.write(`${name ?? ''}\n`);
  socket.on('data', (bytes) => {
    socket.write(bytes);
  });
  // A client may disconnect in the middle of a request.
  socket.on('error', () => {
    socket.destroy();
  });
});

server.listen(Number(port), '0.0.0.0', () => {
  if (readyFile !== undefined) {
    writeFileSync(readyFile, '');
  }
});
