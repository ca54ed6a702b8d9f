/** IP and MAC addresses: strict parsing, one spelling of each, and their bytes. */

import { isIPv4, isIPv6, SocketAddress } from 'node:net';

declare const brand: unique symbol;

/** An IP address in its canonical spelling: dotted decimal, or RFC 5952. Only the parsers of this file make one. */
export type IpAddress = string & { readonly [brand]: 'IpAddress' };

/** A MAC address as six lower-case bytes with colons. Only the parsers of this file make one. */
export type MacAddress = string & { readonly [brand]: 'MacAddress' };

export type Family = 4 | 6;

const DOT = '.'.charCodeAt(0);
const ZERO = '0'.charCodeAt(0);

/**
 * Returns the canonical spelling, or undefined if the text is no address. Spellings that programs read differently are
 * none: `010.0.0.1` (octal to some), `127.1`, zones (`%eth0`) and IPv4 in IPv6 (`::ffff:10.0.0.1`).
 */
export function parseIp(text: string): IpAddress | undefined {
  const address = parseVip(text);
  return address === undefined || isMapped(address) ? undefined : address;
}

/**
 * The same for a VIP, which may be IPv4 in IPv6: ipvsadm and the kernel take it. It is an IPv6 address of its own, and packets to
 * the IPv4 address are not for it.
 */
export function parseVip(text: string): IpAddress | undefined {
  return isIPv4(text) ? (text as IpAddress) : parseIpv6(text);
}

/** Returns whether an address is IPv4 in IPv6. */
export function isMapped(address: IpAddress): boolean {
  return address.startsWith('::ffff:') && address.includes('.');
}

/** Returns the canonical spelling as inet_pton(3) reads it, IPv4 in IPv6 included; undefined for all else. */
export function parseIpv6(text: string): IpAddress | undefined {
  return isIPv6(text) && !text.includes('%')
    ? (new SocketAddress({ address: text, family: 'ipv6' }).address as IpAddress)
    : undefined;
}

/** Returns whether a text is an IP address in its canonical spelling. */
export function isIp(text: string): text is IpAddress {
  return parseVip(text) === text;
}

/**
 * Returns the address that a text spells, for texts that a program makes itself.
 *
 * @throws RangeError if it is no address in its canonical spelling
 */
export function ip(text: string): IpAddress {
  if (!isIp(text)) {
    throw new RangeError(`"${text}" is no IP address in its canonical spelling`);
  }
  return text;
}

export function familyOf(address: IpAddress): Family {
  return address.includes(':') ? 6 : 4;
}

/** Returns the length of an address, which is that of a prefix that one address has. */
export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** Returns the 4 or 16 bytes of an address in network order. */
export function ipBytes(address: IpAddress): Uint8Array {
  if (familyOf(address) === 4) {
    const number = ipv4Number(address);
    return Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number);
  }
  const [head = '', tail] = address.split('::');
  const words = (part: string): number[] =>
    part === ''
      ? []
      : part.split(':').flatMap((group) => (group.includes('.') ? dottedWords(group) : [parseInt(group, 16)]));
  const left = words(head);
  const right = tail === undefined ? [] : words(tail);
  const all = [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

/** Returns an IPv4 address as a number. Thousands are sorted and hashed: no text is split for that. */
function ipv4Number(address: IpAddress): number {
  let [number, byte] = [0, 0];
  for (let i = 0; i < address.length; i += 1) {
    const code = address.charCodeAt(i);
    if (code === DOT) {
      number = number * 256 + byte;
      byte = 0;
    } else {
      byte = byte * 10 + code - ZERO;
    }
  }
  return number * 256 + byte;
}

function dottedWords(dotted: string): number[] {
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number);
  return [(a << 8) | b, (c << 8) | d];
}

/** Returns the canonical spelling of 4 or 16 bytes. */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) {
    return `${bytes[0]!}.${bytes[1]!}.${bytes[2]!}.${bytes[3]!}` as IpAddress;
  }
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[i * 2]! << 8) | bytes[i * 2 + 1]!).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address as IpAddress;
}

/** Orders addresses: IPv4 before IPv6, then by their bytes. */
export function compareIp(a: IpAddress, b: IpAddress): number {
  const family = familyOf(a);
  if (family !== familyOf(b)) {
    return family - familyOf(b);
  }
  return family === 4 ? ipv4Number(a) - ipv4Number(b) : compareBytes(ipBytes(a), ipBytes(b));
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i += 1) {
    if (a[i] !== b[i]) {
      return a[i]! - b[i]!;
    }
  }
  return 0;
}

export function macFromBytes(bytes: Uint8Array): MacAddress {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':') as MacAddress;
}

/** Returns whether a text is a MAC address in the spelling of `macFromBytes`. */
export function isMac(text: string): text is MacAddress {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text);
}

/**
 * Returns the MAC address that a text spells, for texts that a program makes itself.
 *
 * @throws RangeError if it is no MAC address in its canonical spelling
 */
export function mac(text: string): MacAddress {
  if (!isMac(text)) {
    throw new RangeError(`"${text}" is no MAC address in its canonical spelling`);
  }
  return text;
}

export function macBytes(mac: MacAddress): Uint8Array {
  return Uint8Array.from(mac.split(':'), (byte) => parseInt(byte, 16));
}

/** Returns the first address of the network that an address is in. */
export function networkOf(address: IpAddress, prefixLength: number): IpAddress {
  return ipFromBytes(
    ipBytes(address).map((byte, i) => {
      const bits = Math.min(8, Math.max(0, prefixLength - i * 8));
      return byte & (0xff00 >> bits);
    }),
  );
}

/** Whether an address is in the network of another one. */
export function isInNetwork(address: IpAddress, other: IpAddress, prefixLength: number): boolean {
  return familyOf(address) === familyOf(other) && networkOf(address, prefixLength) === networkOf(other, prefixLength);
}
