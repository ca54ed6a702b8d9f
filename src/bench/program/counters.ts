/** How long reading all counters takes: memory alone, no system call. */

import { round, spreadOf } from '../report/statistics.js';
import { benchDirector } from './setup.js';

/** Milliseconds for one reading of all counters, summed over the CPUs. */
export interface CountersReport {
  readonly destinations: number;
  /** Median over the readings. */
  readonly ms: number;
  readonly min: number;
  readonly max: number;
}

/** Of each of the bench's four services, which the size does not count: IPv4 and IPv6, TCP and UDP. */
const EACH = 256;
const SERVICES = 4;
const READINGS = 2000;
/** Until V8 has compiled what it will compile. */
const WARM_UP = 500;

/** Reads the counters of 1,024 destinations again and again. */
export async function benchCounters(): Promise<CountersReport> {
  using director = await benchDirector({ services: 1, destinations: EACH });
  const times: number[] = [];
  for (let i = 0; i < WARM_UP + READINGS; i += 1) {
    const started = performance.now();
    director.counters();
    const took = performance.now() - started;
    if (i >= WARM_UP) {
      times.push(took);
    }
  }
  const { median, min, max } = spreadOf(times);
  return { destinations: SERVICES * EACH, ms: round(median, 4), min: round(min, 4), max: round(max, 4) };
}
