/** The real servers' web server: one page for every request. Arguments: port, page, a file to create when it listens. */

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [port, page, readyFile] = process.argv.slice(2);

const server = createServer((request, response) => {
  // /bytes/N is a download of N bytes, slow enough to be interrupted, and /slow/N a very slow one. Everything else is the
  // page.
  const [, kind, number] = /^\/(bytes|slow)\/(\d+)$/.exec(request.url ?? '') ?? [];
  const size = Number(number ?? 0);
  if (size === 0) {
    response.setHeader('content-type', 'text/html').end(`${page ?? ''}\n`);
    return;
  }
  response.setHeader('content-length', size);
  let sent = 0;
  const timer = setInterval(
    () => {
      const chunk = Math.min(1000, size - sent);
      response.write('x'.repeat(chunk));
      sent += chunk;
      if (sent === size) {
        clearInterval(timer);
        response.end();
      }
    },
    kind === 'slow' ? 250 : 10,
  );
  response.on('close', () => {
    clearInterval(timer);
  });
});

// "::" takes IPv4 too.
server.listen({ port: Number(port), host: '::', backlog: 4096 }, () => {
  if (readyFile !== undefined) {
    writeFileSync(readyFile, '');
  }
});
