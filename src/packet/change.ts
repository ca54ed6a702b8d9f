/** Makes frames of every shape that the data path knows from plain ones. Pure. */

import { ETHER_TYPE, ETHERNET, IPV4, IPV4_FRAGMENT, IPV6, IPV6_FRAGMENT } from './constants.js';
import { etherTypeOf } from './parse.js';

/** Offsets of fields of the IP header in an untagged frame. */
const IN_IPV4 = {
  length: ETHERNET.bytes + IPV4.length,
  id: ETHERNET.bytes + IPV4.id,
  fragment: ETHERNET.bytes + IPV4.fragment,
  ttl: ETHERNET.bytes + IPV4.ttl,
} as const;
const IN_IPV6 = {
  length: ETHERNET.bytes + IPV6.length,
  nextHeader: ETHERNET.bytes + IPV6.nextHeader,
  hopLimit: ETHERNET.bytes + IPV6.hopLimit,
} as const;

/** Returns the frame with some bytes changed. */
export function patched(original: Uint8Array, ...patches: [offset: number, ...bytes: number[]][]): Uint8Array {
  const copy = Uint8Array.from(original);
  for (const [offset, ...bytes] of patches) {
    copy.set(bytes, offset);
  }
  return copy;
}

function inserted(original: Uint8Array, offset: number, bytes: Iterable<number>): Uint8Array {
  const added = Uint8Array.from(bytes);
  const result = new Uint8Array(original.length + added.length);
  result.set(original.subarray(0, offset), 0);
  result.set(added, offset);
  result.set(original.subarray(offset), offset + added.length);
  return result;
}

/** Returns the two bytes of a 16-bit word in network order. */
export function word(value: number): [number, number] {
  return [value >> 8, value & 0xff];
}

function wordAt(frame: Uint8Array, offset: number): number {
  return (frame[offset]! << 8) | frame[offset + 1]!;
}

/**
 * Returns the frame with a VLAN tag after its MACs.
 *
 * @param control the tag's second word: priority and id
 */
export function tagged(
  original: Uint8Array,
  type: typeof ETHER_TYPE.vlan | typeof ETHER_TYPE.serviceVlan,
  control: number,
): Uint8Array {
  return inserted(original, ETHERNET.type, [...word(type), ...word(control)]);
}

/**
 * Returns an untagged IPv4 frame with IP options.
 *
 * @param options a multiple of four bytes, at most 40
 */
export function withOptions(original: Uint8Array, options: readonly number[]): Uint8Array {
  const frame = inserted(original, ETHERNET.bytes + IPV4.bytes, options);
  const length = wordAt(original, IN_IPV4.length) + options.length;
  return patched(frame, [ETHERNET.bytes, 0x45 + options.length / 4], [IN_IPV4.length, ...word(length)]);
}

/**
 * Returns an untagged IPv6 frame with extension headers before its transport header.
 *
 * @param headers each without its first byte, which is the number of the next header
 */
export function withExtensions(
  original: Uint8Array,
  headers: readonly { number: number; rest: readonly number[] }[],
): Uint8Array {
  const numbers = [...headers.map(({ number }) => number), original[IN_IPV6.nextHeader]!];
  const bytes = headers.flatMap(({ rest }, i) => [numbers[i + 1]!, ...rest]);
  const length = wordAt(original, IN_IPV6.length) + bytes.length;
  const frame = inserted(original, ETHERNET.bytes + IPV6.bytes, bytes);
  return patched(frame, [IN_IPV6.length, ...word(length)], [IN_IPV6.nextHeader, numbers[0]!]);
}

/**
 * Returns an IPv6 fragment header for `withExtensions`.
 *
 * @param offset in bytes
 * @param more whether more fragments follow
 */
export function fragmentHeader(offset: number, more: boolean, id: number): { number: number; rest: number[] } {
  const bits = (offset & IPV6_FRAGMENT.offset) | (more ? IPV6_FRAGMENT.more : 0);
  return { number: IPV6_FRAGMENT.header, rest: [0, ...word(bits), 0, 0, ...word(id)] };
}

/**
 * Returns an untagged IPv4 frame as a fragment.
 *
 * @param offset in bytes
 * @param more whether more fragments follow
 */
export function ipv4Fragment(original: Uint8Array, offset: number, more: boolean, id: number): Uint8Array {
  const bits = (more ? IPV4_FRAGMENT.more : 0) | (offset >> 3);
  return patched(original, [IN_IPV4.id, ...word(id)], [IN_IPV4.fragment, ...word(bits)]);
}

/** Returns an untagged frame with another TTL or hop limit. The header's checksum stays. */
export function withTtl(original: Uint8Array, ttl: number): Uint8Array {
  return patched(original, [isIpv4(original) ? IN_IPV4.ttl : IN_IPV6.hopLimit, ttl]);
}

/** Returns an untagged frame whose IP header has another length field. The frame itself stays as long as it was. */
export function withLengthField(original: Uint8Array, length: number): Uint8Array {
  return patched(original, [isIpv4(original) ? IN_IPV4.length : IN_IPV6.length, ...word(length)]);
}

function isIpv4(frame: Uint8Array): boolean {
  return etherTypeOf(frame) === ETHER_TYPE.ipv4;
}
