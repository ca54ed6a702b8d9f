/** VRRP's advertisements, version 2 (RFC 3768) and version 3 (RFC 5798), as a director sends them. Pure. */

import { type Family, type IpAddress, ipFromBytes, type MacAddress } from '../model/index.js';
import { ETHERNET, IPV4, IPV6, PROTOCOL_VRRP } from './constants.js';
import { parseFrame } from './parse.js';

/** What is not of this link is worth nothing: a router would have counted it down (RFC 5798, 5.1.1.3). */
const TTL = 255;
const ADVERTISEMENT = 1;

/** Offsets of both versions (RFC 3768, 5.1; RFC 5798, 5.1). */
const VRRP = { bytes: 8, id: 1, priority: 2, count: 3, authentication: 4, interval: 5 } as const;
/** Of version 3: the low 12 bits of two bytes, in hundredths of a second. */
const INTERVAL_MASK = 0xfff;

/** Of version 2; RFC 3768 took them back, and programs send them still. */
const AUTHENTICATIONS = ['none', 'password', 'header'] as const;

export interface VrrpAdvertisement {
  readonly sourceMac: MacAddress;
  readonly family: Family;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly version: 2 | 3;
  /** The VRID. */
  readonly id: number;
  /** 0: the master gives up. 255: it owns the addresses. */
  readonly priority: number;
  /** Between two advertisements. */
  readonly intervalMs: number;
  readonly addresses: readonly IpAddress[];
  /** Of version 2. `password`: whoever listens can read it. */
  readonly authentication?: (typeof AUTHENTICATIONS)[number] | 'unknown' | undefined;
}

/** Reads a frame; undefined if it is no advertisement, or one that is cut off. Checksums are not looked at. */
export function parseVrrp(frame: Uint8Array): VrrpAdvertisement | undefined {
  if (frame.length < ETHERNET.bytes) {
    return undefined;
  }
  const { sourceMac, ip } = parseFrame(frame);
  if (ip?.protocol !== PROTOCOL_VRRP || ip.ttl !== TTL || ip.fragment === 'later') {
    return undefined;
  }
  // Without the padding of short frames.
  const end = ip.bytes.byteOffset - frame.byteOffset + ip.bytes.length;
  const message = frame.subarray(ip.transport, end);
  if (message.length < VRRP.bytes) {
    return undefined;
  }
  const version = message[0]! >> 4;
  const { family, source, destination } = ip;
  // Version 2 knows IPv4 alone.
  if ((message[0]! & 0xf) !== ADVERTISEMENT || !(version === 3 || (version === 2 && family === 4))) {
    return undefined;
  }
  const length = family === 4 ? IPV4.addressBytes : IPV6.addressBytes;
  const count = message[VRRP.count]!;
  if (message.length < VRRP.bytes + count * length) {
    return undefined;
  }
  const addressAt = (i: number): IpAddress =>
    ipFromBytes(message.subarray(VRRP.bytes + i * length, VRRP.bytes + (i + 1) * length));
  return {
    ...{ sourceMac, family, source, destination, version },
    id: message[VRRP.id]!,
    priority: message[VRRP.priority]!,
    intervalMs: version === 2 ? message[VRRP.interval]! * 1000 : centisecondsOf(message) * 10,
    addresses: Array.from({ length: count }, (_, i) => addressAt(i)),
    ...(version === 2 && { authentication: AUTHENTICATIONS[message[VRRP.authentication]!] ?? 'unknown' }),
  };
}

function centisecondsOf(message: Uint8Array): number {
  return (message[VRRP.authentication]! * 256 + message[VRRP.interval]!) & INTERVAL_MASK;
}
