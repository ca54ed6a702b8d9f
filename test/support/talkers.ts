/** TCP connections of the lab's client that last: those that send all the time, and silent ones. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type HostName, isAlive, type ProcessIdentity } from '../../src/lab/index.js';
import type { TestLab } from './lab.js';
import type { Talk, Talked, Target } from './talk.js';

export type { Talk, Talked, Target } from './talk.js';

const TALK = fileURLToPath(new URL('./talk.js', import.meta.url));

/** The command line of an upload, which prints how many bytes came back. */
export function uploading(address: string, port: number, bytes: number): string[] {
  return [process.execPath, TALK, 'upload', address, String(port), String(bytes)];
}

/** Starts a server that Talkers and uploads can talk to, on both real servers or on other hosts. */
export async function startTalkServers(
  lab: TestLab,
  ports: readonly number[],
  hosts: readonly HostName[] = ['real1', 'real2'],
): Promise<void> {
  for (const host of hosts) {
    const ready = join(lab.directory, `talk-${host}-${ports[0]!}.ready`);
    const command = [process.execPath, TALK, 'serve', host, ports.join(','), ready];
    lab.startProcess(host, `talk-${host}-${ports[0]!}`, command);
    await lab.until(`${host} listens`, () => existsSync(ready));
  }
}

/**
 * Opens connections at once, so many to each target, and returns the real servers' names; where there is none, "timeout" or
 * the code of an error.
 */
export async function serversOf(
  lab: TestLab,
  targets: readonly Target[],
  { count = 4, seconds = 15 }: { count?: number; seconds?: number } = {},
): Promise<string[][]> {
  const args = [JSON.stringify(targets), String(count), String(seconds)];
  return JSON.parse(await lab.exec('client', [process.execPath, TALK, 'ask', ...args])) as string[][];
}

/** Connections that are open. They end with the lab. */
export class Talkers {
  static #count = 0;
  readonly #lab: TestLab;
  readonly #path: string;
  readonly #process: ProcessIdentity;

  private constructor(lab: TestLab, path: string, identity: ProcessIdentity) {
    this.#lab = lab;
    this.#path = path;
    this.#process = identity;
  }

  /** Opens connections, and waits until each has its server. */
  static async start(lab: TestLab, talks: readonly Talk[]): Promise<Talkers> {
    const name = `talkers-${(Talkers.#count += 1)}`;
    const path = join(lab.directory, name);
    const identity = lab.startProcess('client', name, [process.execPath, TALK, 'talk', JSON.stringify(talks), path]);
    const talkers = new Talkers(lab, path, identity);
    await talkers.#wait('begun');
    return talkers;
  }

  async #wait(suffix: 'begun' | 'ended'): Promise<void> {
    const path = `${this.#path}.${suffix}`;
    await this.#lab.until(`the connections have ${suffix}`, () => existsSync(path) || !isAlive(this.#process));
  }

  #read(suffix: 'begun' | 'ended'): Talked[] {
    return JSON.parse(readFileSync(`${this.#path}.${suffix}`, 'utf8')) as Talked[];
  }

  /** The connections, as they were when they had begun: also their servers. */
  get begun(): Talked[] {
    return this.#read('begun');
  }

  /** Each connection sends once more and ends, when all that it sent is back. Returns what became of them. */
  async end(): Promise<Talked[]> {
    if (isAlive(this.#process)) {
      process.kill(this.#process.pid, 'SIGTERM');
    }
    await this.#wait('ended');
    return this.#read('ended');
  }

  /** Does the same, and returns those that failed. */
  async failures(): Promise<Talked[]> {
    return (await this.end()).filter(({ failure }) => failure !== undefined);
  }
}
