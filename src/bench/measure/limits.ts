/** Limits of benchmarks, checked before anything is allocated. Pure. */

import { BeelineError } from '../../model/index.js';

/** The size of a benchmark. */
export interface BenchSize {
  readonly services: number;
  /** Real servers of each service. */
  readonly destinations: number;
  /** Different flows among the packets. */
  readonly flows: number;
}

/** Resources of the machine. */
export interface Resources {
  /** Bytes that can be allocated. */
  readonly bytes: number;
  /** CPUs that have counters (possibleCpus). */
  readonly cpus: number;
}

/** Numbers of services, addresses of real servers and slots of rings have 16 bits; the bench adds four services. */
export const MAX_SERVICES = 65_500;
export const MAX_DESTINATIONS = 65_000;

/** bpf/layout.h: struct destination and struct egress (two copies), counter (a row each CPU and one more), identity. */
const DESTINATION_BYTES = 2 * (16 + 16);
const COUNTER_BYTES = 32;
const IDENTITY_BYTES = 24;
/** bpf/layout.h: struct service4 in tables that are at most 40 % full, the VIP's mark beside it, two copies. */
const SERVICE_BYTES = 2 * 2 * 32 * 2.5;
/** Objects, map entries and strings that the control plane keeps for a destination while it compiles: measured. */
const OBJECT_BYTES = 600;
/** An entry of a flow table: two words. */
const FLOW_BYTES = 16;
const LONGEST_SECONDS = 3600;
/** Sizes of maps are powers of two. */
const ROUNDING = 2;

/** Estimates from above the memory for tables, counters and the control plane's objects, in bytes. */
export function bytesNeeded({ services, destinations, flows }: BenchSize, cpus: number): number {
  const each = DESTINATION_BYTES + COUNTER_BYTES * (cpus + 1) + IDENTITY_BYTES;
  return services * SERVICE_BYTES + services * destinations * (ROUNDING * each + OBJECT_BYTES) + flows * FLOW_BYTES;
}

/**
 * Refuses a benchmark that the machine has no memory for, or that the maps cannot number.
 *
 * @throws BeelineError `BENCH_TOO_LARGE` with the memory it would need and the memory there is
 */
export function requireResources(size: BenchSize, resources: Resources): void {
  const { services, destinations, flows } = size;
  const need = bytesNeeded(size, resources.cpus);
  const load = `${count(services)} services of ${count(destinations)} destinations and ${count(flows)} flows`;
  if (need > resources.bytes) {
    throw new BeelineError(
      'BENCH_TOO_LARGE',
      `${load} need about ${gigabytes(need)} of memory; ${gigabytes(resources.bytes)} are available`,
      {
        hint: 'Ask for fewer --services, --destinations or --flows.',
      },
    );
  }
  for (const [name, asked, most] of [
    ['services', services, MAX_SERVICES],
    ['destinations', destinations, MAX_DESTINATIONS],
  ] as const) {
    if (asked > most) {
      throw new BeelineError(
        'BENCH_TOO_LARGE',
        `${count(asked)} ${name} need numbers of more than 16 bits; ${count(most)} is the most`,
        {
          hint: `Ask for fewer --${name}.`,
        },
      );
    }
  }
}

/** Refuses a number of flows that no mask can draw. @throws BeelineError `USAGE` */
export function requirePowerOfTwo(flows: number): void {
  if (!Number.isInteger(Math.log2(flows))) {
    throw new BeelineError('USAGE', `${count(flows)} flows is not a power of two`, {
      hint: `The nearest are ${count(2 ** Math.floor(Math.log2(flows)))} and ${count(2 ** Math.ceil(Math.log2(flows)))}.`,
    });
  }
}

/** Refuses measurements of more than an hour. @throws BeelineError `BENCH_TOO_LARGE` */
export function requireDuration(seconds: number, hint: string): void {
  if (seconds > LONGEST_SECONDS) {
    throw new BeelineError(
      'BENCH_TOO_LARGE',
      `this would take about ${count(seconds / 60)} minutes; an hour is the most`,
      { hint },
    );
  }
}

function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toLocaleString('en-US', { maximumFractionDigits: 1 })} GB`;
}
