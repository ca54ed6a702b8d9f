/** Parses frames up to ports and TCP flags. Pure; for people and tests, and decides nothing about a frame. */

import {
  type Family,
  type IpAddress,
  ipFromBytes,
  type MacAddress,
  macFromBytes,
  PROTOCOL_NUMBERS,
} from '../model/index.js';
import {
  ETHER_TYPE,
  ETHERNET,
  IPV4,
  IPV4_FRAGMENT,
  IPV6,
  IPV6_EXTENSIONS,
  IPV6_FRAGMENT,
  MAC_BYTES,
  TAG_BYTES,
  TAG_TYPES,
  TCP,
  VLAN_ID_MASK,
} from './constants.js';

const MAX_EXTENSIONS = 7;
/** EtherTypes of frames that may hold an IP packet: the packet's, or a VLAN tag's. */
const IP_TYPES: readonly number[] = [ETHER_TYPE.ipv4, ETHER_TYPE.ipv6, ...TAG_TYPES];

export interface ParsedFrame {
  readonly destinationMac: MacAddress;
  readonly sourceMac: MacAddress;
  /** The ids of its VLAN tags, the outer one first. */
  readonly vlans: readonly number[];
  /** Undefined for a frame without an IP packet, and for one whose IP header is cut off. */
  readonly ip: ParsedPacket | undefined;
}

export interface ParsedPacket {
  readonly family: Family;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** Time to live, or hop limit. */
  readonly ttl: number;
  /** The protocol after the IP header and its extensions. */
  readonly protocol: number;
  /** The offset of that in the frame. It is past the end of a frame that is cut off. */
  readonly transport: number;
  readonly fragment?: 'first' | 'later' | undefined;
  /** From the IP header on, without the padding of short frames. */
  readonly bytes: Uint8Array;
  /** Ports of TCP and UDP, in all fragments but later ones. */
  readonly ports?: { readonly source: number; readonly destination: number } | undefined;
  /** TCP's flag byte. */
  readonly tcpFlags?: number | undefined;
}

/** A frame with a TCP packet. */
export type TcpFrame = ParsedFrame & { readonly ip: ParsedPacket };

type Payload = Pick<ParsedPacket, 'protocol' | 'transport' | 'fragment'>;
type Transport = Pick<ParsedPacket, 'ports' | 'tcpFlags'>;

/** Returns the EtherType after a frame's MACs: a packet's or a VLAN tag's. */
export function etherTypeOf(frame: Uint8Array): number {
  return (frame[ETHERNET.type]! << 8) | frame[ETHERNET.type + 1]!;
}

/** Returns whether the frame begins with an IP packet or a VLAN tag. */
export function mayHoldIp(frame: Uint8Array): boolean {
  return frame.length > ETHERNET.bytes && IP_TYPES.includes(etherTypeOf(frame));
}

export function isTcp(frame: ParsedFrame): frame is TcpFrame {
  return frame.ip?.protocol === PROTOCOL_NUMBERS.tcp;
}

/**
 * Parses a frame.
 *
 * @param frame with a whole Ethernet header
 */
export function parseFrame(frame: Uint8Array): ParsedFrame {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const macAt = (at: number): MacAddress => macFromBytes(frame.subarray(at, at + MAC_BYTES));
  const vlans: number[] = [];
  let at: number = ETHERNET.bytes;
  while (TAG_TYPES.includes(view.getUint16(at - 2)) && frame.length >= at + TAG_BYTES) {
    vlans.push(view.getUint16(at) & VLAN_ID_MASK);
    at += TAG_BYTES;
  }
  return {
    destinationMac: macAt(ETHERNET.destinationMac),
    sourceMac: macAt(ETHERNET.sourceMac),
    vlans,
    ip: parsePacket(frame, view, view.getUint16(at - 2), at),
  };
}

function parsePacket(frame: Uint8Array, view: DataView, type: number, at: number): ParsedPacket | undefined {
  const addressAt = (offset: number, bytes: number): IpAddress =>
    ipFromBytes(frame.subarray(at + offset, at + offset + bytes));
  if (type === ETHER_TYPE.ipv4 && frame.length >= at + IPV4.bytes) {
    const payload = ipv4Payload(view, at);
    return {
      family: 4,
      source: addressAt(IPV4.source, IPV4.addressBytes),
      destination: addressAt(IPV4.destination, IPV4.addressBytes),
      ttl: view.getUint8(at + IPV4.ttl),
      ...payload,
      ...parseTransport(view, payload),
      bytes: frame.subarray(at, at + view.getUint16(at + IPV4.length)),
    };
  }
  if (type === ETHER_TYPE.ipv6 && frame.length >= at + IPV6.bytes) {
    const payload = ipv6Payload(view, at);
    return {
      family: 6,
      source: addressAt(IPV6.source, IPV6.addressBytes),
      destination: addressAt(IPV6.destination, IPV6.addressBytes),
      ttl: view.getUint8(at + IPV6.hopLimit),
      ...payload,
      ...parseTransport(view, payload),
      bytes: frame.subarray(at, at + IPV6.bytes + view.getUint16(at + IPV6.length)),
    };
  }
  return undefined;
}

function ipv4Payload(view: DataView, at: number): Payload {
  const bits = view.getUint16(at + IPV4.fragment);
  const isLater = (bits & IPV4_FRAGMENT.offset) !== 0;
  const fragment = isLater ? 'later' : (bits & IPV4_FRAGMENT.more) !== 0 ? 'first' : undefined;
  return {
    protocol: view.getUint8(at + IPV4.protocol),
    transport: at + (view.getUint8(at) & 0xf) * 4,
    fragment,
  };
}

function ipv6Payload(view: DataView, at: number): Payload {
  let protocol = view.getUint8(at + IPV6.nextHeader);
  let transport = at + IPV6.bytes;
  let fragment: Payload['fragment'];
  for (
    let i = 0;
    i < MAX_EXTENSIONS && IPV6_EXTENSIONS.includes(protocol) && view.byteLength >= transport + 8;
    i += 1
  ) {
    const next = view.getUint8(transport);
    if (protocol === IPV6_FRAGMENT.header) {
      const bits = view.getUint16(transport + 2);
      fragment = (bits & IPV6_FRAGMENT.offset) !== 0 ? 'later' : bits === IPV6_FRAGMENT.more ? 'first' : undefined;
      transport += IPV6_FRAGMENT.bytes;
    } else {
      transport += 8 + view.getUint8(transport + 1) * 8;
    }
    protocol = next;
    if (fragment === 'later') {
      break;
    }
  }
  return { protocol, transport, fragment };
}

function parseTransport(view: DataView, { protocol, transport, fragment }: Payload): Transport {
  const isTcpPacket = protocol === PROTOCOL_NUMBERS.tcp;
  const hasPorts = isTcpPacket || protocol === PROTOCOL_NUMBERS.udp;
  if (!hasPorts || fragment === 'later' || view.byteLength < transport + 4) {
    return {};
  }
  const ports = { source: view.getUint16(transport), destination: view.getUint16(transport + 2) };
  const hasFlags = isTcpPacket && view.byteLength > transport + TCP.flags;
  return hasFlags ? { ports, tcpFlags: view.getUint8(transport + TCP.flags) } : { ports };
}
