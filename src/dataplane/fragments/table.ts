/** Reads the tables in which the program remembers first fragments (bpf/fragment.h). */

import * as layout from '../../layout/index.js';
import { type Family, PROTOCOL_NUMBERS, PROTOCOLS } from '../../model/index.js';
import { fragmentHash, type RecalledFragment } from '../../oracle/index.js';
import type { MapSet } from '../maps/map-set.js';

/** How many units of time a fragment is remembered, and the bits of its time. */
const { seconds: UNITS, 'time-mask': TIME_MASK, bits: BUCKET_BITS, ways: WAYS } = layout.fragmentTable;

/** Tells the fragments of one packet from those of another. */
export interface FragmentedPacket {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** As in the oracle. IPv4: protocol and id; IPv6: id. */
  readonly id: string;
}

export interface StoredFragment extends Omit<RecalledFragment, 'firstWent' | 'firstService'>, FragmentedPacket {
  readonly time: number;
  /** The number of the destination that it went to, where it was kept; else 0. */
  readonly went: number;
}

/** Returns the first fragment of a packet, unless it came too long ago. @param now the program's time */
export function findFirst(
  stored: Iterable<StoredFragment>,
  now: number,
  { source, destination, id }: FragmentedPacket,
): StoredFragment | undefined {
  for (const each of stored) {
    if (
      each.id === id &&
      (((now & TIME_MASK) - each.time) & TIME_MASK) <= UNITS &&
      Buffer.compare(each.source, source) === 0 &&
      Buffer.compare(each.destination, destination) === 0
    ) {
      return each;
    }
  }
  return undefined;
}

/** Yields the first fragments of a whole table, or of one bucket. */
export function storedFragments({ memory }: MapSet, family: Family, bucket?: number): Generator<StoredFragment> {
  const table = family === 4 ? 'fragments4' : 'fragments6';
  const bytes = WAYS * (family === 4 ? layout.fragment4 : layout.fragment6).byteLength;
  const read =
    bucket === undefined
      ? memory.read(table, 0, 0, layout[table].byteLength)
      : memory.read(table, 0, bucket * bytes, bytes);
  return family === 4 ? fragments4(read) : fragments6(read);
}

/** Returns the number of the bucket that a packet's first fragment is in. */
export function bucketOf(addresses: Uint8Array, rest: Uint8Array, secret: BigUint64Array): number {
  return Number(fragmentHash(addresses, rest, secret) >> BigInt(64 - BUCKET_BITS));
}

/** Decodes struct fragment4: source and destination, XORed with the two words that follow; then these. */
function* fragments4(bytes: Uint8Array<ArrayBuffer>): Generator<StoredFragment> {
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += layout.fragment4.byteLength) {
    const [second, third] = [view.getBigUint64(at + 8, true), view.getBigUint64(at + 16, true)];
    view.setBigUint64(at, view.getBigUint64(at, true) ^ second ^ third, true);
    const protocol = PROTOCOLS.find((name) => PROTOCOL_NUMBERS[name] === bytes[at + 20]);
    if (second !== 0n && protocol !== undefined) {
      yield {
        protocol,
        ports: { source: view.getUint16(at + 12), destination: view.getUint16(at + 14) },
        source: bytes.subarray(at, at + 4),
        destination: bytes.subarray(at + 4, at + 8),
        id: `${bytes[at + 10]!} ${view.getUint16(at + 8)}`,
        time: bytes[at + 11]!,
        byFirst: bytes[at + 22] === 1,
        went: view.getUint32(at + 16, true),
      };
    }
  }
}

/** Decodes struct fragment6: addresses; id and ports; protocol, time and kind; where it went; the XOR of all against tearing. */
function* fragments6(bytes: Uint8Array<ArrayBuffer>): Generator<StoredFragment> {
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += layout.fragment6.byteLength) {
    const sum = [0, 1, 2, 3, 4, 5, 6].reduce((xor, i) => xor ^ view.getBigUint64(at + i * 8, true), 0n);
    const protocol = PROTOCOLS.find((name) => PROTOCOL_NUMBERS[name] === bytes[at + 40]);
    if (protocol !== undefined && sum === view.getBigUint64(at + 56, true)) {
      yield {
        protocol,
        ports: { source: view.getUint16(at + 36), destination: view.getUint16(at + 38) },
        source: bytes.subarray(at, at + 16),
        destination: bytes.subarray(at + 16, at + 32),
        id: String(view.getUint32(at + 32)),
        time: bytes[at + 41]!,
        byFirst: bytes[at + 42] === 1,
        went: Number(view.getBigUint64(at + 48, true)),
      };
    }
  }
}
