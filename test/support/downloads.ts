/** Runs many downloads at once, each on a separate connection, and prints their results. */

import { request } from 'node:http';

const [url, count, bytes] = process.argv.slice(2);
const TIMEOUT_MS = 10_000;

/** Resolves to undefined if the download was complete, otherwise to the reason. */
function download(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const call = request(url!, { agent: false, timeout: TIMEOUT_MS }, (response) => {
      let received = 0;
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      response.on('end', () => {
        resolve(received === Number(bytes) ? undefined : `${received} of ${bytes} bytes`);
      });
      response.on('error', (error) => {
        resolve(`after ${received} bytes: ${error.message}`);
      });
    });
    call.on('timeout', () => call.destroy(new Error('silent for 10 s')));
    call.on('error', (error) => {
      resolve(error.message);
    });
    call.end();
  });
}

const results = await Promise.all(Array.from({ length: Number(count) }, download));
const failures = results.filter((failure) => failure !== undefined);
process.stdout.write(JSON.stringify({ completed: results.length - failures.length, failures: [...new Set(failures)] }));
