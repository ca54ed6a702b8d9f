/** Summarizes frames for people: addresses, ports, flags, tags. Pure; decides nothing about them. */

import { type IpAddress, type MacAddress, PROTOCOL_NUMBERS } from '../model/index.js';
import { ICMP, TCP_FLAG } from './constants.js';
import { parseFrame, type ParsedPacket } from './parse.js';

const PROTOCOL_NAMES: Readonly<Partial<Record<number, string>>> = {
  [ICMP.ipv4]: 'icmp',
  [ICMP.ipv6]: 'icmp',
  [PROTOCOL_NUMBERS.tcp]: 'tcp',
  [PROTOCOL_NUMBERS.udp]: 'udp',
};

/** A frame's MACs, VLAN tags and addresses; of a TCP or UDP packet also ports and flags. */
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

/**
 * Summarizes a frame.
 *
 * @param frame with a whole Ethernet header
 */
export function summarizeFrame(frame: Uint8Array): FrameSummary {
  const { ip, ...ethernet } = parseFrame(frame);
  return { bytes: frame.length, ...ethernet, ...(ip && summarizePacket(ip)) };
}

function summarizePacket({
  source,
  destination,
  protocol,
  ports,
  tcpFlags,
  fragment,
}: ParsedPacket): Partial<FrameSummary> {
  return {
    source,
    destination,
    protocol: PROTOCOL_NAMES[protocol] ?? String(protocol),
    ...(ports && { sourcePort: ports.source, destinationPort: ports.destination }),
    ...(tcpFlags !== undefined && { flags: flagNames(tcpFlags) }),
    ...(fragment && { fragment }),
  };
}

function flagNames(bits: number): string[] {
  return Object.entries(TCP_FLAG)
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name.toUpperCase());
}
