/** Values of statements: numbers, times, addresses. Pure. */

import {
  addressBits,
  type Family,
  familyOf,
  type IpAddress,
  ipBytes,
  ipFromBytes,
  parseIp,
} from '../../model/index.js';

/** @returns undefined if the word is no whole number from `low` to `high` */
export function numberOf(word: string | undefined, low: number, high: number): number | undefined {
  const value = word !== undefined && /^[0-9]{1,15}$/.test(word) ? Number(word) : NaN;
  return value >= low && value <= high ? value : undefined;
}

/** The same for seconds with a fraction (read_timer). */
export function secondsOf(word: string | undefined, low = 0, high = Infinity): number | undefined {
  const value = word !== undefined && /^[0-9]{1,15}(?:\.[0-9]*)?$/.test(word) ? Number(word) : NaN;
  return value >= low && value <= high ? value : undefined;
}

/** A keyword without a word means yes. @returns undefined if the word means neither */
export function switchOf(word: string | undefined): boolean | undefined {
  switch (word) {
    case undefined:
    case 'true':
    case 'on':
    case 'yes':
      return true;
    case 'false':
    case 'off':
    case 'no':
      return false;
    default:
      return undefined;
  }
}

/** Addresses from one to another, both included. */
export interface AddressRange {
  readonly first: IpAddress;
  readonly count: number;
}

/**
 * Parses "ADDRESS", "ADDRESS-LAST" with the last byte, or the last group of hexadecimal digits, "ADDRESS-ADDRESS" and
 * "ADDRESS/LENGTH" (alloc_vsg_entry in check_data.c).
 *
 * @returns words about what is wrong if it is none
 */
export function rangeOf(word: string): AddressRange | string {
  const [start = '', ...more] = word.split(/[-/]/);
  const first = parseIp(start);
  const [end] = more;
  if (first === undefined || more.length > 1) {
    return `"${word}" is no address, and no range of addresses`;
  }
  if (end === undefined) {
    return { first, count: 1 };
  }
  return word.includes('/') ? networkOf(first, end) : endOf(first, end);
}

function networkOf(first: IpAddress, end: string): AddressRange | string {
  const bits = addressBits(familyOf(first));
  const length = numberOf(end, 1, bits);
  if (length === undefined) {
    return `"${end}" is no length of a prefix`;
  }
  const count = 2n ** BigInt(bits - length);
  return bigOf(first) % count === 0n
    ? rangeOfSize(first, count)
    : `${first} is not the first address of a network of ${length} bits, and keepalived refuses it`;
}

function endOf(first: IpAddress, end: string): AddressRange | string {
  const family = familyOf(first);
  const last = parseIp(end) ?? withEnd(first, family, end);
  if (last === undefined || familyOf(last) !== family) {
    return `"${end}" ends no range that begins with ${first}`;
  }
  const count = bigOf(last) - bigOf(first) + 1n;
  return count > 0n ? rangeOfSize(first, count) : `the range ends before its begin, ${first}`;
}

function withEnd(first: IpAddress, family: Family, end: string): IpAddress | undefined {
  const bytes = ipBytes(first);
  if (family === 4) {
    const byte = numberOf(end, 0, 255);
    return byte === undefined ? undefined : ipFromBytes(Uint8Array.of(...bytes.subarray(0, 3), byte));
  }
  const group = /^[0-9A-Fa-f]{1,4}$/.test(end) ? parseInt(end, 16) : undefined;
  return group === undefined
    ? undefined
    : ipFromBytes(Uint8Array.of(...bytes.subarray(0, 14), group >> 8, group & 0xff));
}

/** More addresses than these in one range are a slip, and would be as many services. */
const MOST_ADDRESSES = 4096n;

function rangeOfSize(first: IpAddress, count: bigint): AddressRange | string {
  return count <= MOST_ADDRESSES
    ? { first, count: Number(count) }
    : `the range has ${count} addresses; a service each for ${MOST_ADDRESSES} at most can be made of it`;
}

/** Returns the addresses of a range. */
export function addressesOf({ first, count }: AddressRange): IpAddress[] {
  const start = bigOf(first);
  const length = familyOf(first) === 4 ? 4 : 16;
  return Array.from({ length: count }, (_, i) => ipFromBytes(bytesOf(start + BigInt(i), length)));
}

function bigOf(address: IpAddress): bigint {
  return ipBytes(address).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
}

function bytesOf(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Number((value >> BigInt((length - 1 - i) * 8)) & 0xffn));
}
