/** The present moment, for files that outlive the daemon. */

import { readFileSync, readlinkSync } from 'node:fs';

import { bootTimeMs } from '../native/index.js';
import type { Moment } from '../store/index.js';

let boot: string | undefined;

export function moment(): Moment {
  return { boot: (boot ??= bootName()), bootMs: bootTimeMs(), wallMs: Date.now() };
}

/** Returns when a time since boot is, by the wall clock: people and programs read that. Milliseconds since 1970. */
export function wallOf(bootMs: number): number {
  return Date.now() + bootMs - bootTimeMs();
}

/** The same in ISO 8601. */
export function isoOf(bootMs: number): string {
  return new Date(wallOf(bootMs)).toISOString();
}

/** The clock since boot has another origin in another namespace of time (time_namespaces(7)). */
function bootName(): string {
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/time')}`;
}
