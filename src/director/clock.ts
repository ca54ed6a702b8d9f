/** The present moment, for files that outlive the daemon. */

import { bootName, bootTimeMs } from '../native/index.js';
import type { Moment } from '../store/index.js';

export function moment(): Moment {
  return { boot: bootName(), bootMs: bootTimeMs(), wallMs: Date.now() };
}

/** Returns when a time since boot is, by the wall clock: people and programs read that. Milliseconds since 1970. */
export function wallOf(bootMs: number): number {
  return Date.now() + bootMs - bootTimeMs();
}

/** The same in ISO 8601. */
export function isoOf(bootMs: number): string {
  return new Date(wallOf(bootMs)).toISOString();
}
