/** What a frame says of itself, as far as people want to read it. Pure; it decides nothing. */

import { ipFromBytes, macFromBytes, type IpAddress, type MacAddress } from '../model/index.js';

const ETHERNET_BYTES = 14;
const TAG_BYTES = 4;
const TAG_TYPES: readonly number[] = [0x8100, 0x88a8];
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const PROTOCOL_NAMES: Readonly<Partial<Record<number, string>>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp' };
/** IPv6's hop-by-hop options, routing, fragment and destination options (RFC 8200). */
const EXTENSIONS: readonly number[] = [0, 43, 44, 60];
const FRAGMENT_HEADER = 44;
const MAX_EXTENSIONS = 7;
const FLAG_NAMES = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG'] as const;

/** A frame's MACs, tags and addresses; of a TCP or UDP packet also ports and flags. */
export interface FrameSummary {
  readonly bytes: number;
  readonly destinationMac: MacAddress;
  readonly sourceMac: MacAddress;
  /** The ids of its VLAN tags, the outer one first. */
  readonly vlans: readonly number[];
  /** Undefined for a frame without an IP packet. */
  readonly source?: IpAddress | undefined;
  readonly destination?: IpAddress | undefined;
  /** "tcp", "udp", "icmp", or the protocol's number. */
  readonly protocol?: string | undefined;
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
  /** TCP flags: SYN, ACK, … */
  readonly flags?: readonly string[] | undefined;
  readonly fragment?: 'first' | 'later' | undefined;
}

interface Payload {
  readonly offset: number;
  readonly protocol: number;
  readonly fragment?: 'first' | 'later' | undefined;
}

/** @param frame with a whole Ethernet header */
export function summarizeFrame(frame: Uint8Array): FrameSummary {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const vlans: number[] = [];
  let at = ETHERNET_BYTES;
  while (TAG_TYPES.includes(view.getUint16(at - 2)) && frame.length >= at + TAG_BYTES) {
    vlans.push(view.getUint16(at) & 0xfff);
    at += TAG_BYTES;
  }
  const macs = { destinationMac: macFromBytes(frame.subarray(0, 6)), sourceMac: macFromBytes(frame.subarray(6, 12)) };
  return { bytes: frame.length, ...macs, vlans, ...summarizePacket(frame, view, view.getUint16(at - 2), at) };
}

function summarizePacket(frame: Uint8Array, view: DataView, type: number, at: number): Partial<FrameSummary> {
  if (type === IPV4 && frame.length >= at + 20) {
    const addresses = {
      source: ipFromBytes(frame.subarray(at + 12, at + 16)),
      destination: ipFromBytes(frame.subarray(at + 16, at + 20)),
    };
    return { ...addresses, ...summarizeTransport(frame, view, ipv4Payload(view, at)) };
  }
  if (type === IPV6 && frame.length >= at + 40) {
    const addresses = {
      source: ipFromBytes(frame.subarray(at + 8, at + 24)),
      destination: ipFromBytes(frame.subarray(at + 24, at + 40)),
    };
    return { ...addresses, ...summarizeTransport(frame, view, ipv6Payload(view, at)) };
  }
  return {};
}

function ipv4Payload(view: DataView, at: number): Payload {
  const bits = view.getUint16(at + 6);
  const fragment = (bits & 0x1fff) !== 0 ? 'later' : (bits & 0x2000) !== 0 ? 'first' : undefined;
  return { offset: at + (view.getUint8(at) & 0xf) * 4, protocol: view.getUint8(at + 9), fragment };
}

function ipv6Payload(view: DataView, at: number): Payload {
  let protocol = view.getUint8(at + 6);
  let offset = at + 40;
  let fragment: Payload['fragment'];
  for (let i = 0; i < MAX_EXTENSIONS && EXTENSIONS.includes(protocol) && view.byteLength >= offset + 8; i += 1) {
    const next = view.getUint8(offset);
    if (protocol === FRAGMENT_HEADER) {
      const bits = view.getUint16(offset + 2);
      fragment = (bits & 0xfff8) !== 0 ? 'later' : bits === 1 ? 'first' : undefined;
      offset += 8;
    } else {
      offset += 8 + view.getUint8(offset + 1) * 8;
    }
    protocol = next;
    if (fragment === 'later') {
      break;
    }
  }
  return { offset, protocol, fragment };
}

function summarizeTransport(
  frame: Uint8Array,
  view: DataView,
  { offset, protocol: number, fragment }: Payload,
): Partial<FrameSummary> {
  const protocol = PROTOCOL_NAMES[number] ?? String(number);
  const hasPorts = (protocol === 'tcp' || protocol === 'udp') && fragment !== 'later' && frame.length >= offset + 4;
  const ports = hasPorts
    ? { sourcePort: view.getUint16(offset), destinationPort: view.getUint16(offset + 2) }
    : undefined;
  const hasFlags = hasPorts && protocol === 'tcp' && frame.length >= offset + 14;
  const bits = hasFlags ? view.getUint8(offset + 13) : 0;
  return {
    protocol,
    ...ports,
    ...(hasFlags && { flags: FLAG_NAMES.filter((_, i) => ((bits >> i) & 1) === 1) }),
    ...(fragment && { fragment }),
  };
}
