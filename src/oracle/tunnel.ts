/** Tunnels: the outer headers of a packet to a real server behind one. The twin of bpf/tunnel.h. */

import type { TunnelRoute } from '../image/index.js';
import { type Family, familyOf, ipBytes } from '../model/index.js';
import { mix, ringHash } from './hash.js';
import { ETHERTYPE, IP_HEADER, type Packet } from './parse.js';

/** IANA's numbers of IPv4 and IPv6 in IP (RFC 2003, RFC 4213), UDP and GRE. */
const PROTOCOL = { 4: 4, 6: 41, udp: 17, gre: 47 } as const;
const DONT_FRAGMENT = 0x4000;
/** GRE's flag of a checksum (RFC 2784, 2.1). */
const GRE_CHECKSUM = 0x8000;
/** UDP's header, and GUE's. */
const GUE_BYTES = 8 + 4;
/** The first of the ports that GUE's packets come from (RFC 6335, 6). */
const FIRST_GUE_PORT = 0xc000;

/** The facts of the packet within that its outer headers take over. */
interface Inner {
  readonly family: Family;
  /** By its header. The frame may end before, and be padded. */
  readonly length: number;
  /** Without padding. */
  readonly bytes: Uint8Array;
  readonly tos: number;
  readonly ttl: number;
  readonly id: number;
  readonly fragmentation: number;
}

/** Returns the packet with its outer headers. @param within with the padding of its frame, and its TTL decremented if it is to be */
export function wrap(tunnel: TunnelRoute, within: Uint8Array, family: Family, packet: Packet): Uint8Array {
  const hash = Number(ringHash(packet.client, packet.ports.source) >> 48n);
  const inner = innerOf(within, family, hash);
  const [protocol, header] = headerOf(tunnel, inner, hash);
  const outer = familyOf(tunnel.destination) === 4 ? outer4 : outer6;
  return Uint8Array.from([...outer(tunnel, inner, protocol, header.length + inner.length), ...header, ...within]);
}

function innerOf(within: Uint8Array, family: Family, hash: number): Inner {
  const view = new DataView(within.buffer, within.byteOffset, within.byteLength);
  if (family === 6) {
    // The traffic class is in the middle of the first word.
    const tos = (view.getUint16(0) >> 4) & 0xff;
    // Some later fragments are that short.
    const payload = within.length < 48 ? BigInt(view.getUint16(4, true)) : mix(view.getBigUint64(40, true));
    const id = hash ^ Number(payload & 0xffffn);
    const length = IP_HEADER[6].bytes + view.getUint16(4);
    return { family, length, bytes: within.subarray(0, length), tos, ttl: within[7]!, id, fragmentation: 0 };
  }
  const fragmentation = view.getUint16(6) & DONT_FRAGMENT;
  // The program adds the two as they lie in memory.
  const id = fragmentation === 0 ? (view.getUint16(4, true) + hash) & 0xffff : 0;
  const length = view.getUint16(2);
  const bytes = within.subarray(0, length);
  return { family, length, bytes, tos: within[1]!, ttl: within[8]!, id, fragmentation };
}

function words(...all: readonly number[]): number[] {
  return all.flatMap((word) => [(word >> 8) & 0xff, word & 0xff]);
}

function swapped(word: number): number {
  return ((word & 0xff) << 8) | (word >> 8);
}

function outer4({ source, destination }: TunnelRoute, inner: Inner, protocol: number, payload: number): number[] {
  const before = words(
    ...[0x4500 | inner.tos, IP_HEADER[4].bytes + payload, swapped(inner.id), inner.fragmentation],
    (inner.ttl << 8) | protocol,
  );
  const addresses = [...ipBytes(source), ...ipBytes(destination)];
  return [...before, ...words(checksum([...before, ...addresses])), ...addresses];
}

function outer6({ source, destination }: TunnelRoute, inner: Inner, protocol: number, payload: number): number[] {
  const before = words(0x6000 | (inner.tos << 4), 0, payload, (protocol << 8) | inner.ttl);
  return [...before, ...ipBytes(source), ...ipBytes(destination)];
}

/** What stands between the outer IP header and the packet, and its protocol. */
function headerOf(tunnel: TunnelRoute, inner: Inner, hash: number): [protocol: number, header: number[]] {
  const protocol = PROTOCOL[inner.family];
  switch (tunnel.type) {
    case 'ipip':
      return [protocol, []];
    case 'gue':
      return [PROTOCOL.udp, gueHeader(tunnel, inner, protocol, hash)];
    case 'gre': {
      const flags = tunnel.checksum ? GRE_CHECKSUM : 0;
      const begin = words(flags, inner.family === 4 ? ETHERTYPE.ipv4 : ETHERTYPE.ipv6);
      const rest = tunnel.checksum ? words(checksum([...begin, ...inner.bytes]), 0) : [];
      return [PROTOCOL.gre, [...begin, ...rest]];
    }
  }
}

function gueHeader(tunnel: TunnelRoute, inner: Inner, protocol: number, hash: number): number[] {
  const length = GUE_BYTES + inner.length;
  const header = words(FIRST_GUE_PORT | (hash >> 2), tunnel.port, length, 0, protocol, 0);
  // Of a packet that says that it has no bytes there is nothing to sum.
  if (tunnel.checksum && inner.length > 0) {
    const pseudo = [...ipBytes(tunnel.source), ...ipBytes(tunnel.destination), ...words(length, PROTOCOL.udp)];
    // Zero says that there is none (RFC 768).
    const sum = checksum([...pseudo, ...header, ...inner.bytes]) || 0xffff;
    header.splice(6, 2, ...words(sum));
  }
  return header;
}

/** The checksum of IP, UDP and GRE (RFC 1071). */
function checksum(bytes: readonly number[]): number {
  let sum = bytes.reduce((total, byte, i) => total + (i % 2 === 0 ? byte << 8 : byte), 0);
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  }
  return ~sum & 0xffff;
}
