/** Walks over VLAN tags, IPv4 options and IPv6 extension headers: the twin of bpf/walk.h. */

import type { Image } from '../image/index.js';
import type { VerdictName } from '../layout/index.js';
import type { Family, VlanTag } from '../model/index.js';
import { uses } from './maps.js';
import { addressesAt, type Addresses, ETHERNET_BYTES, ETHERTYPE, type Frame, IP_HEADER } from './parse.js';

export const TAG_BYTES = 4;
const MAX_TAGS = 2;
/** The id in a tag (IEEE 802.1Q, 9.6). */
const TAG_ID = 0xfff;
/** Next-header values of extension headers (RFC 8200). */
const NEXT = { hopByHop: 0, routing: 43, fragment: 44, authentication: 51, destinationOptions: 60 } as const;
/** Protocols of IPsec (RFC 4303, RFC 4302). In IPv6, AH is an extension header. */
const [ESP, AH] = [50, 51];
const MAX_EXTENSION_HEADERS = 6;

/** The outer IP header: where it is and what it says. */
export interface Header extends Addresses {
  readonly family: Family;
  readonly offset: number;
  readonly tags: number;
  /** Its VLAN's tags, the outermost first; none on the untagged LAN. Tags with id 0 name no VLAN (IEEE 802.1Q, 6.8). */
  readonly vlan: readonly VlanTag[];
  /** The length of the IP packet. */
  readonly bytes: number;
}

/** The payload behind an IP header and its options or extension headers. */
export interface Payload {
  readonly offset: number;
  readonly protocol: number;
  readonly fragment?: 'first' | 'later';
  /** Whether it is a later fragment, also where each is followed by itself, as those of IPsec. */
  readonly notFirst?: boolean;
  /** Tells the fragments of one packet from those of another. IPv4: protocol and id; IPv6: id. */
  readonly id: string;
}

/** Finds the IP header behind the tags; undefined when the frame has none that the director looks at. */
export function parseHeader(image: Image, frame: Frame): Header | undefined {
  const { bytes, view } = frame;
  if (bytes.length < ETHERNET_BYTES) {
    return undefined;
  }
  let type = view.getUint16(12);
  let tags = 0;
  const vlan: VlanTag[] = [];
  while (tags < MAX_TAGS && (type === ETHERTYPE.vlan || type === ETHERTYPE.service)) {
    const at = ETHERNET_BYTES + tags * TAG_BYTES;
    if (bytes.length < at + TAG_BYTES) {
      return undefined;
    }
    const id = view.getUint16(at) & TAG_ID;
    if (id !== 0) {
      vlan.push({ id, service: type === ETHERTYPE.service });
    }
    tags += 1;
    type = view.getUint16(at + 2);
  }
  const offset = ETHERNET_BYTES + tags * TAG_BYTES;
  const family = type === ETHERTYPE.ipv4 ? 4 : type === ETHERTYPE.ipv6 ? 6 : undefined;
  if (family === undefined || !uses(image, `ipv${family}`) || bytes.length < offset + IP_HEADER[family].bytes) {
    return undefined;
  }
  // IPv4 has the whole packet's length, IPv6 the length of what follows its header.
  const length = family === 4 ? view.getUint16(offset + 2) : IP_HEADER[6].bytes + view.getUint16(offset + 4);
  return { family, offset, tags, vlan, bytes: length, ...addressesAt(frame, family, offset) };
}

/** Walks from an IP header to its payload; a verdict when that cannot be reached. */
export function walk(frame: Frame, family: Family, offset: number): Payload | VerdictName {
  return family === 4 ? walkIpv4(frame, offset) : walkIpv6(frame, offset);
}

function walkIpv4({ view }: Frame, offset: number): Payload | VerdictName {
  const [version, words] = [view.getUint8(offset) >> 4, view.getUint8(offset) & 0xf];
  if (version !== 4 || words < 5) {
    return 'malformed';
  }
  const bits = view.getUint16(offset + 6);
  const protocol = view.getUint8(offset + 9);
  // Each fragment of IPsec finds its way by itself.
  const fragment = isIpsec(4, protocol)
    ? undefined
    : (bits & 0x1fff) !== 0
      ? 'later'
      : (bits & 0x2000) !== 0
        ? 'first'
        : undefined;
  const id = `${protocol} ${view.getUint16(offset + 4)}`;
  return { offset: offset + words * 4, protocol, id, ...(fragment && { fragment }), notFirst: (bits & 0x1fff) !== 0 };
}

function walkIpv6({ view }: Frame, start: number): Payload | VerdictName {
  if (view.getUint8(start) >> 4 !== 6) {
    return 'malformed';
  }
  let next = view.getUint8(start + 6);
  let offset = start + IP_HEADER[6].bytes;
  let fragment: 'first' | undefined;
  let id = '';
  for (let i = 0; i <= MAX_EXTENSION_HEADERS; i += 1) {
    if (!(Object.values(NEXT) as number[]).includes(next)) {
      return { offset, protocol: next, id, ...(fragment && !isIpsec(6, next) && { fragment }) };
    }
    if (view.byteLength < offset + 8) {
      return 'truncated';
    }
    if (next === NEXT.fragment) {
      const bits = view.getUint16(offset + 2);
      id = String(view.getUint32(offset + 4));
      // Offset 0 and no more to come is a whole packet (RFC 6946).
      fragment = bits === 1 ? 'first' : undefined;
      if ((bits & 0xfff8) !== 0) {
        const protocol = view.getUint8(offset);
        const part = { offset: offset + 8, protocol, id, notFirst: true };
        return isIpsec(6, protocol) ? part : { ...part, fragment: 'later' };
      }
      next = view.getUint8(offset);
      offset += 8;
    } else {
      // The VIP is only a stop on the packet's way (RFC 8200, 4.4).
      if (next === NEXT.routing && view.getUint8(offset + 3) !== 0) {
        return 'extension';
      }
      const length = view.getUint8(offset + 1);
      const bytes = next === NEXT.authentication ? (length + 2) * 4 : (length + 1) * 8;
      next = view.getUint8(offset);
      offset += bytes;
    }
  }
  return 'extension';
}

/** Whether a packet goes where the client's IKE goes, as in IPVS. */
export function isIpsec(family: Family, protocol: number): boolean {
  return protocol === ESP || (family === 4 && protocol === AH);
}
