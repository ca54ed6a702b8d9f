/** Measures how long reading all counters takes. They are read from memory, without a system call. */

import { round, spreadOf } from '../measure/statistics.js';
import { benchDirector } from './director.js';

/** Milliseconds for reading all counters once, summed over the CPUs. */
export interface CountersReport {
  readonly destinations: number;
  /** Median over the readings. */
  readonly ms: number;
  readonly min: number;
  readonly max: number;
}

/** Destinations of each of the four services that a size of one makes: IPv4 and IPv6, TCP and UDP. */
const EACH = 256;
const SERVICES = 4;
const READINGS = 2000;
/** Readings until V8 has compiled the code. */
const WARM_UP = 500;

/** Reads the counters of 1,024 destinations repeatedly. */
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
