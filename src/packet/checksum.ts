/** The checksum of IP, ICMP, TCP and UDP (RFC 1071). Pure. */

import type { Family } from '../model/index.js';
import { word } from './change.js';

/** Returns it as its two bytes, for bytes in which its own place is zero. */
export function checksum(bytes: readonly number[]): [number, number] {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
  }
  // The carries, added until there are none.
  sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return word(0xffff - sum);
}

/**
 * What the checksum of a transport header covers before it (RFC 9293, 3.1; RFC 8200, 8.1).
 *
 * @param addresses source and destination
 */
export function pseudoHeader(family: Family, addresses: readonly number[], protocol: number, length: number): number[] {
  return family === 4
    ? [...addresses, 0, protocol, ...word(length)]
    : [...addresses, 0, 0, ...word(length), 0, 0, 0, protocol];
}
