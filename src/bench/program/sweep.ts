/** Measures how long a sweep over all flows takes, and how long it keeps the event loop waiting. */

import { monitorEventLoopDelay } from 'node:perf_hooks';

import { round, spreadOf } from '../measure/statistics.js';
import { standardPaths } from './paths.js';
import { warmUp } from './costs.js';
import { benchDirector } from './director.js';

export interface SweepReport {
  /** Entries of the table. */
  readonly entries: number;
  /** Entries in use. */
  readonly flows: number;
  /** Size of the table. */
  readonly bytes: number;
  /** Milliseconds from the request to the result: median over the sweeps. */
  readonly ms: number;
  readonly min: number;
  readonly max: number;
  /** The longest delay of the event loop meanwhile. */
  readonly blockedMs: number;
}

const SWEEPS = 50;

/** Fills a table with a million flows and sweeps it repeatedly. */
export async function benchSweep(): Promise<SweepReport> {
  const path = standardPaths().find(({ path: name }) => name === 'tracked-flows-1048576')!;
  using director = await benchDirector(path.size, path.variant, path.entries);
  warmUp(director, path);
  await director.sweep([]);

  const times: number[] = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let used = 0;
  for (let i = 0; i < SWEEPS; i += 1) {
    const started = performance.now();
    const { tables } = (await director.sweep([]))!;
    times.push(performance.now() - started);
    used = tables.ipv4.used;
  }
  delay.disable();
  const { median, min, max } = spreadOf(times);
  return {
    entries: path.entries!,
    flows: used,
    bytes: director.set!.memory.mapping('flows4').byteLength,
    ms: round(median, 2),
    min: round(min, 2),
    max: round(max, 2),
    blockedMs: round(delay.max / 1e6, 2),
  };
}
