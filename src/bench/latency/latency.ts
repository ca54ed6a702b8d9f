/** `beeline bench latency`: round trips of small requests, straight to a real server and through the director. */

import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { hostNamed, isAlive, Lab, NIC, start, VIP4 } from '../../lab/index.js';
import { BeelineError, type IpAddress } from '../../model/index.js';
import { requireDuration } from '../measure/limits.js';
import { percentile, round, spreadOf } from '../measure/statistics.js';

const LAB_NAME = 'bench';
const ECHO = fileURLToPath(new URL('./echo.js', import.meta.url));
const PING = fileURLToPath(new URL('./ping.js', import.meta.url));
/** IANA's port for echo. */
const PORT = 7;
const WARM_UP = 200;
const START_TIMEOUT_MS = 10_000;
const POLL_MS = 20;
/** The most that a pair of requests takes, for the estimate of the duration. */
const PAIR_MS = 1;
const REAL_SERVERS = ['real1', 'real2'] as const;

/** The measurement that src/bench/latency/ping.ts makes. */
export interface PingJob {
  readonly vip: IpAddress;
  readonly port: number;
  /** Addresses by the name that the echo server sends. */
  readonly realServers: Readonly<Record<string, IpAddress>>;
  readonly rounds: number;
  readonly requests: number;
  readonly warmUp: number;
  /** The length of a request and of its answer. */
  readonly bytes: number;
}

/** A round's times in microseconds. Requests with the same index followed each other. */
export interface PingRound {
  readonly server: string;
  readonly direct: number[];
  readonly director: number[];
}

/** Microseconds from a request to its answer. */
export interface LatencyRow {
  readonly path: 'direct' | 'director';
  readonly requests: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** The lowest and the highest of the rounds' medians. */
  readonly p50Min: number;
  readonly p50Max: number;
}

export interface LatencyReport {
  readonly rows: readonly LatencyRow[];
  /** Microseconds that the director adds: the median of the differences of requests that followed each other, by round. */
  readonly addedUs: number;
  readonly addedMin: number;
  readonly addedMax: number;
  readonly rounds: number;
  readonly bytes: number;
}

export interface LatencyOptions {
  readonly rounds: number;
  /** Requests of each round and path. */
  readonly requests: number;
  readonly bytes: number;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Builds a lab, measures in it, and removes it.
 *
 * @throws BeelineError `LAB`, `BENCH_TOO_LARGE`, `BENCH_FAILED`, `INTERRUPTED`
 */
export async function benchLatency(options: LatencyOptions): Promise<LatencyReport> {
  const { rounds, requests, bytes, signal } = options;
  requireDuration((rounds * (requests + WARM_UP) * PAIR_MS) / 1000, 'BenchSize for fewer --rounds or --requests.');
  const lab = new Lab(LAB_NAME);
  if (lab.exists) {
    throw new BeelineError('LAB', `the lab "${LAB_NAME}" is up already`, {
      hint: `Another "beeline bench latency" may be running. If none is: beeline lab down ${LAB_NAME}`,
    });
  }
  try {
    await lab.up(signal);
    await startServers(lab, signal);
    writeFileSync(lab.configPath, configuration());
    await lab.startDirector([], signal);
    const realServers = Object.fromEntries(REAL_SERVERS.map((host) => [host, hostNamed(host).ipv4]));
    const job: PingJob = { vip: VIP4, port: PORT, realServers, rounds, requests, warmUp: WARM_UP, bytes };
    return summarize(await ping(lab, job, options), bytes);
  } catch (error) {
    if (signal?.aborted === true) {
      throw new BeelineError('INTERRUPTED', 'interrupted', { cause: error });
    }
    throw error;
  } finally {
    await lab.down();
  }
}

function configuration(): string {
  const servers = REAL_SERVERS.map((host) => hostNamed(host).ipv4).join(', ');
  return `interfaces: [${NIC}]\nservices:\n  - { address: ${VIP4}, port: ${PORT}, realServers: [${servers}] }\n`;
}

async function startServers(lab: Lab, signal: AbortSignal | undefined): Promise<void> {
  for (const host of REAL_SERVERS) {
    const ready = join(lab.directory, `echo-${host}.ready`);
    const identity = lab.startProcess(host, `echo-${host}`, [process.execPath, ECHO, String(PORT), host, ready]);
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!existsSync(ready)) {
      if (!isAlive(identity) || performance.now() > deadline) {
        throw new BeelineError('BENCH_FAILED', `the echo server on ${host} did not start`);
      }
      await sleep(POLL_MS, undefined, signal && { signal });
    }
  }
}

async function ping(lab: Lab, job: PingJob, { signal, onProgress }: LatencyOptions): Promise<PingRound[]> {
  const command = [process.execPath, PING, JSON.stringify(job)];
  const child = start(lab.namespace('client'), command, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && { signal, killSignal: 'SIGKILL' }),
  });
  let stderr = '';
  child.stderr!.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  const results: PingRound[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => {
    results.push(JSON.parse(line) as PingRound);
    onProgress?.(results.length, job.rounds);
  });
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0 || results.length !== job.rounds) {
    throw new BeelineError('BENCH_FAILED', `the client ended with ${String(status)}: ${stderr.trim()}`);
  }
  return results;
}

/** Computes percentiles over all requests and the time that the director adds. Pure. */
export function summarize(results: readonly PingRound[], bytes: number): LatencyReport {
  const added = spreadOf(
    results.map(({ direct, director }) => spreadOf(director.map((us, i) => us - direct[i]!)).median),
  );
  return {
    rows: (['direct', 'director'] as const).map((path) =>
      toRow(
        path,
        results.map((each) => each[path]),
      ),
    ),
    addedUs: round(added.median, 1),
    addedMin: round(added.min, 1),
    addedMax: round(added.max, 1),
    rounds: results.length,
    bytes,
  };
}

function toRow(path: LatencyRow['path'], results: readonly (readonly number[])[]): LatencyRow {
  const sorted = Float64Array.from(results.flat()).sort();
  const at = (share: number): number => round(percentile(sorted, share), 1);
  const medians = spreadOf(results.map((each) => spreadOf(each).median));
  return {
    path,
    requests: sorted.length,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    max: at(1),
    p50Min: round(medians.min, 1),
    p50Max: round(medians.max, 1),
  };
}
