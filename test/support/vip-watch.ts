/**
 * Watches a VIP from a client until SIGTERM: a UDP probe every 5 ms, one HTTP request after another, and six slow downloads.
 * Prints the result as JSON. Arguments: the VIP, the port of the UDP probe, a file to create when all downloads run.
 */

import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface VipResult {
  readonly udp: { readonly sent: number; readonly lost: number; readonly longestGapMs: number };
  readonly http: { readonly requests: number; readonly failures: readonly string[]; readonly slowestMs: number };
  /** `alive`: those that got something in the last seconds. */
  readonly downloads: { readonly alive: number; readonly failures: readonly string[] };
}

const PROBE_MS = 5;
const DOWNLOADS = 6;
const HTTP_TIMEOUT_MS = 5_000;
/** Long enough for TCP to send again what a gap of some seconds swallowed. */
const ALIVE_MS = 4_000;
/** How long answers may be under way. */
const LATE_MS = 500;

const [vip, port, ready] = process.argv.slice(2) as [string, string, string];
const url = vip.includes(':') ? `http://[${vip}]` : `http://${vip}`;
const stop = new AbortController();
const isStopping = (): boolean => stop.signal.aborted;

/** Sends the number of each datagram, and notes when its answer came. */
async function probe(): Promise<VipResult['udp']> {
  const socket = createSocket(vip.includes(':') ? 'udp6' : 'udp4');
  let sent = 0;
  let answers = 0;
  let last: number | undefined;
  let longestGapMs = 0;
  const note = (now: number): void => {
    longestGapMs = Math.max(longestGapMs, now - (last ?? now));
    last = now;
  };
  socket.on('message', () => {
    answers += 1;
    note(performance.now());
  });
  // A closed port, if the host of a VIP that nobody forwards answers: counted as lost.
  socket.on('error', () => undefined);
  const began = performance.now();
  while (!isStopping()) {
    socket.send(String(sent), Number(port), vip);
    sent += 1;
    await sleep(Math.max(0, began + sent * PROBE_MS - performance.now()));
  }
  const ended = performance.now();
  await sleep(LATE_MS);
  note(Math.max(last ?? began, ended));
  socket.close();
  return { sent, lost: sent - answers, longestGapMs: Math.round(longestGapMs) };
}

function get(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const call = request(`${url}/`, { agent: false, timeout: HTTP_TIMEOUT_MS }, (response) => {
      response.resume();
      response.on('end', () => {
        resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`);
      });
      response.on('error', (error) => {
        resolve(error.message);
      });
    });
    call.on('timeout', () => call.destroy(new Error('timeout')));
    call.on('error', (error) => {
      resolve(error.message);
    });
    call.end();
  });
}

async function requests(): Promise<VipResult['http']> {
  let count = 0;
  let slowestMs = 0;
  const failures: string[] = [];
  while (!isStopping()) {
    const began = performance.now();
    const failure = await get();
    slowestMs = Math.max(slowestMs, performance.now() - began);
    count += 1;
    if (failure !== undefined) {
      failures.push(failure);
    }
    await sleep(PROBE_MS);
  }
  return { requests: count, failures, slowestMs: Math.round(slowestMs) };
}

/** Downloads that do not end by themselves. */
class Downloads {
  readonly #heard: number[] = [];
  readonly #failures: string[] = [];
  readonly #calls = Array.from({ length: DOWNLOADS }, (_, i) => this.#start(i));

  #start(i: number): ReturnType<typeof request> {
    const call = request(`${url}/slow/1000000000`, { agent: false }, (response) => {
      response.on('data', () => {
        this.#heard[i] = performance.now();
      });
      response.on('end', () => {
        this.#fail('it ended');
      });
      response.on('error', (error) => {
        this.#fail(error.message);
      });
    });
    call.on('error', (error) => {
      this.#fail(error.message);
    });
    call.end();
    return call;
  }

  #fail(reason: string): void {
    if (!isStopping()) {
      this.#failures.push(reason);
    }
  }

  get areRunning(): boolean {
    return Array.from({ length: DOWNLOADS }, (_, i) => this.#heard[i]).every((at) => at !== undefined);
  }

  end(): VipResult['downloads'] {
    const now = performance.now();
    const alive = this.#heard.filter((at) => now - at < ALIVE_MS).length;
    this.#calls.forEach((call) => call.destroy());
    return { alive, failures: this.#failures };
  }
}

process.on('SIGTERM', () => {
  stop.abort();
});
const downloads = new Downloads();
const results = Promise.all([probe(), requests()]);
while (!downloads.areRunning && !isStopping()) {
  await sleep(20);
}
writeFileSync(ready, '');
while (!isStopping()) {
  await sleep(20);
}
const ended = downloads.end();
const [udp, http] = await results;
process.stdout.write(JSON.stringify({ udp, http, downloads: ended } satisfies VipResult), () => process.exit());
