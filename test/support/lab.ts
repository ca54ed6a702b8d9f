/** A lab for a test, with the actions of tests. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import {
  type Method,
  type Parameters,
  request,
  type Results,
  type ServiceReport,
  type StatusReport,
} from '../../src/control/index.js';
import {
  type Director,
  type HostName,
  inNamespace,
  Lab,
  type LabOptions,
  type ProcessIdentity,
  VIP4,
} from '../../src/lab/index.js';
import { BeelineError, instanceOf } from '../../src/model/index.js';

const LOAD = fileURLToPath(new URL('./load.js', import.meta.url));
const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));

/** Result of a program. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program on a host of the lab to its end, also if it fails. */
export function execute(lab: Lab, host: HostName, command: readonly string[]): Promise<Ended> {
  const [file, args] = inNamespace(lab.namespace(host), command);
  return collect(file, args);
}

/** Runs a program to its end, also if it fails. */
export async function collect(file: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (text: Buffer) => {
      output[stream] += text.toString();
    });
  }
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, ...output };
}

/** A lab that is removed with the test. */
export class TestLab extends Lab {
  static async build(context: TestContext, name: string, options: LabOptions = {}): Promise<TestLab> {
    const lab = new TestLab(`test-${name}`);
    // Remove the leftovers of a test that was killed.
    await lab.down();
    context.after(() => lab.down());
    await lab.up(undefined, options);
    return lab;
  }

  configure(text: string): void {
    writeFileSync(this.configPath, text);
  }

  /** Runs `beeline ARGS` on the director to its end, also if it fails. */
  run(...args: string[]): Promise<Ended> {
    return execute(this, 'director', [process.execPath, BEELINE, '--instance', this.name, ...args]);
  }

  /**
   * Asks a daemon without a command, which would take a quarter of a second of a CPU that other labs wait for. The result is
   * what the command prints as JSON.
   */
  async ask<Name extends Method>(
    method: Name,
    parameters: Parameters[Name],
    director: Director = 'director',
  ): Promise<Results[Name]> {
    const result = await request(instanceOf(this.instance(director)).socketPath, method, parameters);
    return JSON.parse(JSON.stringify(result)) as Results[Name];
  }

  status(director?: Director): Promise<StatusReport> {
    return this.ask('status', {}, director);
  }

  list(): Promise<ServiceReport[]> {
    return this.ask('list', {});
  }

  /** Requests pages from the client, each from another port. Throws if a request fails. */
  async pages(count: number, url = `http://${VIP4}/`): Promise<string[]> {
    const pages: string[] = [];
    for (let i = 0; i < count; i += 1) {
      const page = await this.exec('client', ['curl', '-sS', '--max-time', '3', url]);
      pages.push(page.trim());
    }
    return pages;
  }

  /**
   * Waits until a condition holds. Fails with its description. The default is long, because it costs nothing when the
   * condition comes to hold: ldirectord alone needs 8 s to begin, on a machine that does nothing else.
   */
  async until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await holds())) {
      if (performance.now() > deadline) {
        throw new BeelineError('LAB', `${what}: still not so after ${timeoutMs / 1000} s`);
      }
      await sleep(25);
    }
  }

  /** Waits until something is as expected: what a host or the daemon learns comes a moment later. Else it fails with the difference. */
  async becomes<Value>(expected: NoInfer<Value>, read: () => Value | Promise<Value>): Promise<void> {
    let found: Value | undefined;
    try {
      await this.until('it is as expected', async () => {
        found = await read();
        return isDeepStrictEqual(found, expected);
      });
    } catch (error) {
      if (found !== undefined) {
        assert.deepEqual(found, expected);
      }
      throw error;
    }
  }

  /** Kills a process as a crash would and waits until it is gone. */
  async kill(identity: ProcessIdentity): Promise<void> {
    process.kill(identity.pid, 'SIGKILL');
    // Its threads hold socket and lock for a moment after it has become a zombie. It is reaped when the last one has ended.
    await this.until('the process is gone', () => !existsSync(`/proc/${identity.pid}`));
  }
}

export interface LoadResult {
  readonly requests: number;
  /** Number of requests that did not get their page. */
  readonly failures: readonly string[];
  readonly slowestMs: number;
}

/** Small requests from the client, each on a separate connection, one after another, until it is stopped. */
export class Load {
  readonly #result: Promise<Ended>;
  readonly #stop: () => void;

  private constructor(result: Promise<Ended>, stop: () => void) {
    this.#result = result;
    this.#stop = stop;
  }

  static async start(lab: Lab, url: string): Promise<Load> {
    const [file, args] = inNamespace(lab.namespace('client'), [process.execPath, LOAD, url]);
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text: Buffer) => {
      stdout += text.toString();
    });
    child.stderr.on('data', (text: Buffer) => {
      stderr += text.toString();
    });
    const result = once(child, 'close').then(([status]): Ended => ({
      status: status as number | null,
      stdout,
      stderr,
    }));
    // It is ready, or has ended.
    await Promise.race([once(child.stdout, 'data'), result]);
    return new Load(result, () => child.kill('SIGTERM'));
  }

  async stop(): Promise<LoadResult> {
    this.#stop();
    const { status, stdout, stderr } = await this.#result;
    if (status !== 0) {
      throw new BeelineError('LAB', `the load ended with ${String(status)}: ${stderr}`);
    }
    return JSON.parse(stdout) as LoadResult;
  }
}

/** TCP segments through the director, counted since the hosts exist. */
export interface Segments {
  /** Segments that the client sent, retransmissions included. */
  readonly sent: number;
  /** Segments that the real servers received. */
  readonly arrived: number;
}

/**
 * Counts the segments that the client's TCP sent and those that the real servers received; the others are in flight or
 * lost. A retransmission alone would not prove a loss: on a busy machine TCP's probes also retransmit when
 * acknowledgements are late.
 */
export async function segments(lab: Lab): Promise<Segments> {
  const [client, real1, real2] = await Promise.all(
    (['client', 'real1', 'real2'] as const).map((host) => tcpCounters(lab, host)),
  );
  return {
    sent: client!('OutSegs') + client!('RetransSegs'),
    arrived: real1!('InSegs') + real2!('InSegs'),
  };
}

async function tcpCounters(lab: Lab, host: HostName): Promise<(name: string) => number> {
  const snmp = await lab.exec(host, ['cat', '/proc/net/snmp']);
  const [names, values] = snmp
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'))
    .map((line) => line.split(' '));
  return (name) => Number(values![names!.indexOf(name)]);
}
