/** What a benchmark of some size would need, told before anything of it is made. Pure. */

import { BeelineError } from '../../model/index.js';

/** What a benchmark is asked to measure. */
export interface Ask {
  readonly services: number;
  /** A service. */
  readonly destinations: number;
  /** Different flows among the packets. */
  readonly flows: number;
}

/** What the machine has. */
export interface Room {
  /** Bytes that can be allocated. */
  readonly bytes: number;
  /** CPUs with counters of their own (possibleCpus). */
  readonly cpus: number;
}

/** Numbers of services, addresses of real servers and slots of rings have 16 bits; the bench adds four services. */
export const MOST_SERVICES = 65_500;
export const MOST_DESTINATIONS = 65_000;

/** bpf/layout.h: struct destination and struct egress (two copies), counter (a row each CPU and one more), identity. */
const DESTINATION_BYTES = 2 * (16 + 16);
const COUNTER_BYTES = 32;
const IDENTITY_BYTES = 24;
/** bpf/layout.h: struct service4 in tables that are at most 40 % full, the VIP's mark beside it, two copies. */
const SERVICE_BYTES = 2 * 2 * 32 * 2.5;
/** What the control plane keeps for a destination while it compiles, measured: objects, map entries, strings. */
const OBJECT_BYTES = 600;
/** An entry of a flow table (two words): the director of a machine that has no room for them could not track them. */
const FLOW_BYTES = 16;
/** Maps have sizes that are powers of two. */
const ROUNDING = 2;

/** Bytes of memory for tables, counters and the control plane's own objects; an upper estimate. */
export function bytesNeeded({ services, destinations, flows }: Ask, cpus: number): number {
  const each = DESTINATION_BYTES + COUNTER_BYTES * (cpus + 1) + IDENTITY_BYTES;
  return services * SERVICE_BYTES + services * destinations * (ROUNDING * each + OBJECT_BYTES) + flows * FLOW_BYTES;
}

/**
 * Refuses what the machine has no room for.
 *
 * @throws BeelineError `BENCH_TOO_LARGE` with what it would need and what there is
 */
export function requireRoom(ask: Ask, room: Room): void {
  const { services, destinations, flows } = ask;
  const need = bytesNeeded(ask, room.cpus);
  const what = `${count(services)} services of ${count(destinations)} destinations and ${count(flows)} flows`;
  if (need > room.bytes) {
    throw new BeelineError(
      'BENCH_TOO_LARGE',
      `${what} need about ${gigabytes(need)} of memory; ${gigabytes(room.bytes)} are available`,
      {
        hint: 'Ask for fewer --services, --destinations or --flows.',
      },
    );
  }
  for (const [name, asked, most] of [
    ['services', services, MOST_SERVICES],
    ['destinations', destinations, MOST_DESTINATIONS],
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

/** Flow numbers are masked. @throws BeelineError `USAGE` */
export function requirePowerOfTwo(flows: number): void {
  if (!Number.isInteger(Math.log2(flows))) {
    throw new BeelineError('USAGE', `${count(flows)} flows is not a power of two`, {
      hint: `The nearest are ${count(2 ** Math.floor(Math.log2(flows)))} and ${count(2 ** Math.ceil(Math.log2(flows)))}.`,
    });
  }
}

/** How long measurements take. Hours were hardly meant. @throws BeelineError `BENCH_TOO_LARGE` */
export function requireTime(seconds: number, hint: string): void {
  if (seconds > LONGEST_SECONDS) {
    throw new BeelineError(
      'BENCH_TOO_LARGE',
      `this would take about ${count(seconds / 60)} minutes; an hour is the most`,
      { hint },
    );
  }
}

const LONGEST_SECONDS = 3600;

function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toLocaleString('en-US', { maximumFractionDigits: 1 })} GB`;
}
