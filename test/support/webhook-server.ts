/**
 * A server of a webhook. It refuses the first attempt of each event, as one that is busy, and takes the second.
 *
 *   node webhook-server.js PORT FILE      appends what was posted to FILE: a line of JSON for each attempt
 */

import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [port, file] = process.argv.slice(2) as [string, string];
const seen = new Set<unknown>();

createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (text: string) => {
    body += text;
  });
  request.on('end', () => {
    const { headers, method } = request;
    const id = headers['x-beeline-id'];
    appendFileSync(file, `${JSON.stringify({ method, headers, body })}\n`);
    response.writeHead(seen.has(id) ? 204 : 503).end();
    seen.add(id);
  });
}).listen(Number(port), '127.0.0.1');
