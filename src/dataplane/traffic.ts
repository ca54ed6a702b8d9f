/** Whether packets came for a service, from readings of its counters. Pure. */

import type { IpAddress } from '../model/index.js';
import type { Counters, ServiceCounters } from './counters.js';

/** A reading of one service; undefined: there was none. */
export type Reading = ServiceCounters | undefined;

/** Returns whether packets came for a service between two readings, as far as its real servers are in both. */
export function cameBetween(before: Reading, after: Reading): boolean {
  if (before === undefined || after === undefined || before === after) {
    return false;
  }
  const then = packetsOf(before);
  return (
    after.destinations.some(({ address, packets }) => packets !== (then.get(address) ?? packets)) ||
    sum(after.verdicts) !== sum(before.verdicts)
  );
}

/** Returns the earlier of two readings, with the real servers that only the later one has. */
export function completed(before: Reading, after: Reading): Reading {
  if (before === undefined || after === undefined) {
    return after;
  }
  const then = packetsOf(before);
  return {
    ...before,
    destinations: [...before.destinations, ...after.destinations.filter(({ address }) => !then.has(address))],
  };
}

function packetsOf({ destinations }: ServiceCounters): Map<IpAddress, number> {
  return new Map(destinations.map(({ address, packets }) => [address, packets]));
}

function sum(verdicts: ServiceCounters['verdicts']): number {
  return Object.values(verdicts).reduce((total, count) => total + count, 0);
}

/** When packets last came for each service, as far as readings tell. */
export class Traffic {
  readonly #last = new Map<string, { readonly reading: ServiceCounters; readonly at: number }>();

  /** Takes a reading. The more often, the more exactly it is known when the last packet came. */
  note({ services }: Counters, now: number): void {
    for (const reading of services) {
      const { name } = reading;
      const last = this.#last.get(name);
      if (last?.reading === reading) {
        continue;
      }
      const isQuiet = last !== undefined && !cameBetween(last.reading, reading);
      this.#last.set(name, { reading, at: isQuiet ? last.at : now });
    }
  }

  /** Returns the time since which no packet came for a service, at the latest; undefined: not known. */
  quietSince(name: string): number | undefined {
    return this.#last.get(name)?.at;
  }

  forget(name: string): void {
    this.#last.delete(name);
  }
}
