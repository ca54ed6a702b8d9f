/**
 * The client of `beeline bench latency`: sends requests straight to the real servers and through the VIP, in turn.
 * Argument: the measurement, as JSON. Prints a JSON line for each round.
 */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import type { PingJob, PingRound } from './latency.js';

/** Longer than any answer takes that is not lost. */
const TIMEOUT_MS = 5_000;

/** A connection with at most one request under way. */
class Connection {
  readonly #socket: Socket;
  readonly #request: Buffer;
  #expected = 0;
  #onAnswer: () => void = () => undefined;

  private constructor(socket: Socket, bytes: number) {
    this.#socket = socket;
    this.#request = Buffer.alloc(bytes, 'x');
    socket.on('data', (answer: Buffer) => {
      this.#expected -= answer.length;
      if (this.#expected === 0) {
        this.#onAnswer();
      }
    });
  }

  /** Connects and reads the server's name. */
  static async open(address: string, port: number, bytes: number): Promise<{ connection: Connection; server: string }> {
    const socket = connect({ host: address, port, noDelay: true });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`${address} does not answer`)));
    const [name] = (await once(socket, 'data')) as [Buffer];
    return { connection: new Connection(socket, bytes), server: name.toString().trim() };
  }

  /** Sends a request and returns the microseconds until the whole answer has arrived. */
  ask(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#expected = this.#request.length;
      this.#socket.once('error', reject);
      const started = process.hrtime.bigint();
      this.#onAnswer = () => {
        const took = Number(process.hrtime.bigint() - started) / 1000;
        this.#socket.off('error', reject);
        resolve(took);
      };
      this.#socket.write(this.#request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Measures one round. Both paths take turns, so that other load on the machine affects them alike. */
async function measure({ vip, port, realServers, requests, bytes, warmUp }: PingJob): Promise<PingRound> {
  const { connection: via, server } = await Connection.open(vip, port, bytes);
  const { connection: direct } = await Connection.open(realServers[server]!, port, bytes);
  const result: PingRound = { server, direct: [], director: [] };
  for (let i = 0; i < warmUp + requests; i += 1) {
    const pair = { direct: 0, director: 0 };
    // Neither path is always the first of a pair.
    for (const path of i % 2 === 0 ? (['direct', 'director'] as const) : (['director', 'direct'] as const)) {
      pair[path] = await (path === 'direct' ? direct : via).ask();
    }
    if (i >= warmUp) {
      result.direct.push(pair.direct);
      result.director.push(pair.director);
    }
  }
  via.close();
  direct.close();
  return result;
}

// Not awaited: the bundle is CommonJS, which has no await outside of functions.
void main(JSON.parse(process.argv[2]!) as PingJob);

async function main(job: PingJob): Promise<void> {
  for (let round = 0; round < job.rounds; round += 1) {
    process.stdout.write(`${JSON.stringify(await measure(job))}\n`);
  }
}
