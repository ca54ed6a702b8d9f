/** Requests a URL as fast as possible, a few at a time, each on a new connection, until SIGTERM. Prints the result. */

import { request } from 'node:http';

const CONCURRENCY = 8;
const TIMEOUT_MS = 5_000;

const [url] = process.argv.slice(2);
const failures: string[] = [];
let requests = 0;
let slowestMs = 0;
let stopping = false;

function once(): Promise<void> {
  return new Promise((resolve) => {
    const started = performance.now();
    const finish = (failure?: string): void => {
      requests += 1;
      slowestMs = Math.max(slowestMs, performance.now() - started);
      if (failure !== undefined) {
        failures.push(failure);
      }
      resolve();
    };
    const call = request(url!, { agent: false, timeout: TIMEOUT_MS }, (response) => {
      let body = '';
      response.on('data', (text: Buffer) => {
        body += text.toString();
      });
      response.on('end', () => {
        finish(body.startsWith('<h1>') ? undefined : `page: ${body}`);
      });
      response.on('error', (error) => {
        finish(error.message);
      });
    });
    call.on('timeout', () => call.destroy(new Error('timeout')));
    call.on('error', (error) => {
      finish(error.message);
    });
    call.end();
  });
}

async function worker(): Promise<void> {
  while (!stopping) {
    await once();
  }
}

process.on('SIGTERM', () => {
  stopping = true;
});
// Whoever started it may stop it from now on.
process.stdout.write('\n');
await Promise.all(Array.from({ length: CONCURRENCY }, worker));
process.stdout.write(JSON.stringify({ requests, failures: [...new Set(failures)], slowestMs }));
