/** Keys of flows in patterns that networks and attackers make, and how crowded a random function's buckets are. */

import { randomBytes } from 'node:crypto';

import * as layout from '../../src/layout/index.js';

/** A set of flows that have most bits in common. */
export interface KeySet {
  readonly name: string;
  readonly keys: readonly FlowKey[];
}

export interface FlowKey {
  /** 4 or 16 bytes. */
  readonly client: Uint8Array;
  readonly port: number;
  /** The service's number. */
  readonly service: number;
}

/** The flows of a set: a square of 64 by 64 where two things vary. */
export const SET_SIZE = 4096;
const SIDE = 64;

/** One client of each family; neither it nor those around it are addresses that cannot be a client's. */
const CLIENT = { 4: 0x2d32_0001n, 6: 0x2001_0db8_0000_0000_0000_0000_0000_0001n } as const;

/** Returns an entry without its data: flow4_key(), or the words of a flow6. */
export function keyBytes({ client, port, service }: FlowKey): Uint8Array {
  const [length, portAt, serviceAt] = client.length === 4 ? [8, 4, 6] : [24, 16, 18];
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set(client);
  view.setUint16(portAt, port);
  view.setUint16(serviceAt, service, true);
  return bytes;
}

/** Draws a secret as the director does. */
export function drawSecret(): BigUint64Array {
  return new BigUint64Array(new Uint8Array(randomBytes(layout.control.hashSecret.size)).buffer);
}

/**
 * Returns a number of keys that a random function puts into one of its buckets once in 10^12 times at most. All of
 * `crowd` given keys are in a given bucket with probability buckets^-crowd, and there are C(keys, crowd) such crowds and
 * `buckets` buckets: the sum bounds the probability that there is any.
 */
export function crowdBound(keys: number, buckets: number): number {
  let logarithm = Math.log(buckets);
  for (let crowd = 1; ; crowd += 1) {
    logarithm += Math.log((keys - crowd + 1) / crowd) - Math.log(buckets);
    if (crowd >= keys || logarithm < Math.log(1e-12)) {
      return crowd;
    }
  }
}

/** Returns all sets of a family. Port and service are the same but where the name says otherwise. */
export function keySets(family: 4 | 6): KeySet[] {
  const bytes = Array.from({ length: family === 4 ? 4 : 16 }, (_, i) => i);
  const bits = bytes.length * 8;
  const unit = (byte: number): bigint => 1n << BigInt(bits - 8 - byte * 8);
  const sets: KeySet[] = [];
  const add = (name: string, keyOf: (i: number) => [offset: bigint, port?: number, service?: number]): void => {
    const keys = Array.from({ length: SET_SIZE }, (_, i): FlowKey => {
      const [offset, port = 40_000, service = 1] = keyOf(i);
      return { client: bytesOf(CLIENT[family] + offset, bits), port, service };
    });
    sets.push({ name: `IPv${family} ${name}`, keys });
  };
  for (const one of bytes) {
    for (const other of bytes.slice(one + 1)) {
      add(`byte ${one} by byte ${other}`, (i) => [unit(one) * row(i) + unit(other) * column(i)]);
    }
    add(`byte ${one} by ports`, (i) => [unit(one) * row(i), 1024 + (i % SIDE)]);
    add(`byte ${one} by ports 256 apart`, (i) => [unit(one) * row(i), (1 + (i % SIDE)) * 256]);
    add(`byte ${one} by services`, (i) => [unit(one) * row(i), 40_000, 1 + (i % SIDE)]);
  }
  add('ports', (i) => [0n, 1024 + i]);
  for (const step of [1n, 3n, 255n, 256n, 257n, 65_535n, 65_536n, 65_537n]) {
    for (
      let shift = 0n;
      (step * BigInt(SET_SIZE)) << shift < 1n << BigInt(bits - 4);
      shift += family === 4 ? 6n : 28n
    ) {
      add(`addresses ${step << shift} apart`, (i) => [(step << shift) * BigInt(i)]);
    }
  }
  if (family === 6) {
    // What persistence by networks of clients remembers.
    add('/64s of a campus', (i) => [BigInt(i) << 64n, 0]);
    add('/56s of a provider', (i) => [BigInt(i) << 72n, 0]);
    add('both halves alike', (i) => [(BigInt(i) << 64n) + BigInt(i)]);
    add('all four words alike', (i) => [BigInt(i) * ((1n << 96n) + (1n << 64n) + (1n << 32n) + 1n)]);
    add('interfaces of one vendor', (i) => [(row(i) << 64n) + 0x0200_5eff_fe00_0000n + column(i)]);
  }
  return sets;
}

function row(i: number): bigint {
  return BigInt(Math.floor(i / SIDE));
}

function column(i: number): bigint {
  return BigInt(i % SIDE);
}

function bytesOf(address: bigint, bits: number): Uint8Array {
  return Buffer.from(address.toString(16).padStart(bits / 4, '0'), 'hex');
}
