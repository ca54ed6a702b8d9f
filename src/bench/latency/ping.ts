/**
 * The client's side of `beeline bench latency`: requests straight to the real servers and through the VIP, in turn.
 * Argument: what to measure, as JSON. Prints a JSON line for each round.
 */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import type { PingJob, PingRound } from './latency.js';

/** Longer than any answer takes, unless it is lost for good. */
const TIMEOUT_MS = 5_000;

/** One connection, with one request under way at a time. */
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

  /** Connects and learns who answers. */
  static async open(address: string, port: number, bytes: number): Promise<{ connection: Connection; server: string }> {
    const socket = connect({ host: address, port, noDelay: true });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`${address} does not answer`)));
    const [name] = (await once(socket, 'data')) as [Buffer];
    return { connection: new Connection(socket, bytes), server: name.toString().trim() };
  }

  /** Microseconds from a request to the whole answer. */
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

/** Asks by turns, so that whatever else the machine does meets both ways alike. */
async function measure({ vip, port, realServers, requests, bytes, warmUp }: PingJob): Promise<PingRound> {
  const { connection: via, server } = await Connection.open(vip, port, bytes);
  const { connection: direct } = await Connection.open(realServers[server]!, port, bytes);
  const result: PingRound = { server, direct: [], director: [] };
  for (let i = 0; i < warmUp + requests; i += 1) {
    const pair = { direct: 0, director: 0 };
    // Neither is always the first one after the other.
    for (const way of i % 2 === 0 ? (['direct', 'director'] as const) : (['director', 'direct'] as const)) {
      pair[way] = await (way === 'direct' ? direct : via).ask();
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

const job = JSON.parse(process.argv[2]!) as PingJob;
for (let round = 0; round < job.rounds; round += 1) {
  process.stdout.write(`${JSON.stringify(await measure(job))}\n`);
}
