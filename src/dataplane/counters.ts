/** Counters: the sums of the CPUs' counters in the BPF maps. Exact up to 2^53, nine petabytes, and rounded above. */

import {
  type CompiledService,
  highestNumbers,
  type Image,
  type Numbering,
  type ServiceNumbers,
} from '../image/index.js';
import * as layout from '../layout/index.js';
import { type VerdictName, VERDICTS } from '../layout/index.js';
import type { IpAddress } from '../model/index.js';
import type { MapMemory } from './maps/memory.js';

export interface DestinationCounters {
  readonly address: IpAddress;
  readonly packets: number;
  /** The sum of the lengths of IP packets. */
  readonly bytes: number;
  /** TCP connections begun (SYNs). */
  readonly flows: number;
}

export interface ServiceCounters {
  readonly name: string;
  /** In the image's order. */
  readonly destinations: readonly DestinationCounters[];
  /** Those of destinations that were removed, as long as their numbers rest: they go on when the destination is back. */
  readonly resting?: readonly DestinationCounters[];
  /** Packets that were not sent, by the reason; only reasons that occurred. */
  readonly verdicts: Readonly<Partial<Record<VerdictName, number>>>;
}

export interface Counters {
  readonly services: readonly ServiceCounters[];
  /** Packets for a VIP that are for none of its services. */
  readonly noService: Readonly<Partial<Record<VerdictName, number>>>;
}

type Counted = Pick<Image, 'services' | 'markEntries'>;

/** The last reading, and all that it follows from. */
interface LastReading {
  readonly of: Counted;
  readonly numbering: Numbering;
  readonly destinations: Float64Array;
  readonly verdicts: Float64Array;
  readonly counters: Counters;
}

/** Reads all counters, without a system call. */
export class CounterReader {
  #last: LastReading | undefined;

  /** Returns the same object as before if nothing was counted since: thousands of real servers may have nothing to do. */
  read(memory: MapMemory, of: Counted = { services: [], markEntries: [] }, numbering: Numbering): Counters {
    const highest = highestNumbers(numbering);
    const destinations = sumCounters(memory, 'destinationCounters', highest.destination + 1);
    const verdicts = sumCounters(memory, 'serviceVerdicts', highest.service + 1);
    const last = this.#last;
    const same =
      last !== undefined && isSameSum(last.destinations, destinations) && isSameSum(last.verdicts, verdicts)
        ? last
        : undefined;
    if (same?.of.services === of.services && same.of.markEntries === of.markEntries && same.numbering === numbering) {
      return same.counters;
    }
    const counters = countersFrom(of, numbering, destinations, verdicts, same && reusable(same, of));
    this.#last = { of, numbering, destinations, verdicts, counters };
    return counters;
  }
}

/** A loop, since there may be a hundred thousand sums. */
function isSameSum(a: Float64Array, b: Float64Array): boolean {
  if (a.length !== b.length) {
    return false;
  }
  for (let i = 0; i < a.length; i += 1) {
    if (a[i] !== b[i]) {
      return false;
    }
  }
  return true;
}

/** Returns what there was in a reading of the same sums of a service with these destinations' addresses and numbers. */
type Reuse = (compiled: CompiledService, numbers: ServiceNumbers) => ServiceCounters | undefined;

/** @param last has the same sums */
function reusable(last: LastReading, { markEntries }: Counted): Reuse | undefined {
  if (last.of.markEntries !== markEntries) {
    return undefined;
  }
  const before = new Map(last.of.services.map(({ name, destinations }, i) => [name, { destinations, i }]));
  return ({ name, destinations }, numbers) => {
    const then = before.get(name);
    return then !== undefined && sameAddresses(then.destinations, destinations) && last.numbering.get(name) === numbers
      ? last.counters.services[then.i]
      : undefined;
  };
}

/** An edit of one real server makes another list of thousands. */
function sameAddresses(a: CompiledService['destinations'], b: CompiledService['destinations']): boolean {
  return a === b || (a.length === b.length && a.every(({ address }, i) => address === b[i]!.address));
}

function countersFrom(
  { services, markEntries }: Counted,
  numbering: Numbering,
  destinations: Float64Array,
  verdicts: Float64Array,
  reuse: Reuse = () => undefined,
): Counters {
  const field = (number: number, { offset }: { offset: number }): number =>
    destinations[(number * layout.counter.byteLength + offset) / 8]!;
  return {
    services: services.map((compiled) => {
      const { name, destinations: ofService } = compiled;
      const numbers = numbering.get(name)!;
      const known = reuse(compiled, numbers);
      if (known !== undefined) {
        return known;
      }
      const countersOf = (address: IpAddress): DestinationCounters => {
        const number = numbers.destinations.get(address)!;
        return {
          address,
          packets: field(number, layout.counter.packets),
          bytes: field(number, layout.counter.bytes),
          flows: field(number, layout.counter.flows),
        };
      };
      return {
        name,
        destinations: ofService.map(({ address }) => countersOf(address)),
        ...(numbers.destinations.size > ofService.length && {
          resting: restingIn(numbers, ofService).map(countersOf),
        }),
        verdicts: verdictsOf(verdicts, [
          numbers.number,
          ...markEntries.filter(({ service }) => service === name).map((entry) => numbering.get(entry.name)!.number),
        ]),
      };
    }),
    noService: verdictsOf(verdicts, [0]),
  };
}

function restingIn({ destinations }: ServiceNumbers, live: readonly { readonly address: IpAddress }[]): IpAddress[] {
  const there = new Set(live.map(({ address }) => address));
  return [...destinations.keys()].filter((address) => !there.has(address));
}

/** The counters of the flow tables since they were made. */
export interface FlowTotals {
  readonly stored: number;
  /** Flows that gave way to others before they were over. */
  readonly evicted: number;
  /** Flows that found no room. */
  readonly refused: number;
}

export function readFlowTotals(memory: MapMemory): FlowTotals {
  const [stored = 0, evicted = 0, refused = 0] = sumRows(memory.readAll('flowCounters', layout.flowCounter.byteLength));
  return { stored, evicted, refused };
}

type CounterMap = 'destinationCounters' | 'serviceVerdicts';

/** The bytes of the counters of one number. */
const COUNTER_BYTES: Readonly<Record<CounterMap, number>> = {
  destinationCounters: layout.counter.byteLength,
  serviceVerdicts: layout.serviceVerdicts.byteLength,
};

/** Sums the counters of the first numbers over all CPUs. */
function sumCounters(memory: MapMemory, key: CounterMap, numbers: number): Float64Array {
  return sumRows(memory.readAll(key, numbers * COUNTER_BYTES[key]));
}

/** Adds up the counters of `from` in the last row of `to`, which no CPU counts in. Numbers not in `kept` begin at zero. */
export function carryCounters(
  key: CounterMap,
  from: MapMemory,
  to: MapMemory,
  numbers: number,
  kept: readonly number[],
): void {
  const bytes = COUNTER_BYTES[key];
  const sums = sumToRow(from.readAll(key, numbers * bytes));
  const row = new Uint8Array(sums.length);
  for (const number of kept) {
    row.set(sums.subarray(number * bytes, (number + 1) * bytes), number * bytes);
  }
  to.write(key, to.elements(key) - 1, 0, row);
}

function verdictsOf(sums: Float64Array, services: readonly number[]): Partial<Record<VerdictName, number>> {
  const bases = services.map((service) => (service * layout.serviceVerdicts.byteLength) / 8);
  const counted = VERDICTS.map(
    (name) => [name, bases.reduce((sum, base) => sum + sums[base + layout.verdict[name]]!, 0)] as const,
  );
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}

/** Adds rows of 64-bit counters, word by word. */
export function sumRows(rows: readonly Uint8Array[]): Float64Array {
  const sums = new Float64Array((rows[0]?.byteLength ?? 0) / 8);
  for (const row of rows) {
    const halves = new Uint32Array(row.buffer, row.byteOffset, row.byteLength / 4);
    for (let i = 0; i < sums.length; i += 1) {
      sums[i]! += halves[2 * i + 1]! * 2 ** 32 + halves[2 * i]!;
    }
  }
  return sums;
}

/** Adds rows to one row of 64-bit counters. */
export function sumToRow(rows: readonly Uint8Array[]): Uint8Array {
  const words = BigUint64Array.from(sumRows(rows), (sum) => BigInt(sum));
  return new Uint8Array(words.buffer);
}
