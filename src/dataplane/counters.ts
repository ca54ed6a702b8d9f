/** Sums of what the CPUs counted. Counts are exact up to 2^53, nine petabytes, and rounded beyond. */

import { VERDICTS, type VerdictName } from '../layout/index.js';
import { highestNumbers, type Image, type Numbering } from '../image/index.js';
import * as layout from '../layout/index.js';
import type { IpAddress } from '../model/index.js';

export interface DestinationCounters {
  readonly address: IpAddress;
  readonly packets: number;
  /** IP lengths. */
  readonly bytes: number;
  /** TCP connections begun (SYNs). */
  readonly flows: number;
}

export interface ServiceCounters {
  readonly name: string;
  /** In the image's order. */
  readonly destinations: readonly DestinationCounters[];
  /** Packets that were not sent, by the reason why; only reasons that occurred. */
  readonly verdicts: Readonly<Partial<Record<VerdictName, number>>>;
}

export interface Counters {
  readonly services: readonly ServiceCounters[];
  /** VIPs' packets that are for no service. */
  readonly noService: Readonly<Partial<Record<VerdictName, number>>>;
}

/** The part of MapSet that holds counters. */
export interface RowReader {
  /** Returns the first rows of a map, once for each CPU. */
  readRows(name: 'destinationCounters' | 'serviceVerdicts', count: number): Uint8Array[];
}

/** Reads all counters; no system call. */
export function readCounters(
  set: RowReader,
  { services, markEntries }: Pick<Image, 'services' | 'markEntries'> = { services: [], markEntries: [] },
  numbering: Numbering,
): Counters {
  const highest = highestNumbers(numbering);
  const destinations = sumRows(set.readRows('destinationCounters', highest.destination + 1));
  const verdicts = sumRows(set.readRows('serviceVerdicts', highest.service + 1));
  const field = (number: number, { offset }: { offset: number }): number =>
    destinations[(number * layout.counter.byteLength + offset) / 8]!;

  return {
    services: services.map(({ name, destinations: ofService }) => {
      const numbers = numbering.get(name)!;
      return {
        name,
        destinations: ofService.map(({ address }) => {
          const number = numbers.destinations.get(address)!;
          return {
            address,
            packets: field(number, layout.counter.packets),
            bytes: field(number, layout.counter.bytes),
            flows: field(number, layout.counter.flows),
          };
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

function verdictsOf(sums: Float64Array, services: readonly number[]): Partial<Record<VerdictName, number>> {
  const bases = services.map((service) => (service * layout.serviceVerdicts.byteLength) / 8);
  const counted = VERDICTS.map(
    (name) => [name, bases.reduce((sum, base) => sum + sums[base + layout.verdict[name]]!, 0)] as const,
  );
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}

/** Adds rows of 64-bit counts, word by word. */
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

/** The same sums as one row of 64-bit counts. */
export function sumToRow(rows: readonly Uint8Array[]): Uint8Array {
  const words = BigUint64Array.from(sumRows(rows), (sum) => BigInt(sum));
  return new Uint8Array(words.buffer);
}
