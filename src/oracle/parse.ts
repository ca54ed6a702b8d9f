/**
 * A frame's bytes, and what the oracle reads from them: the twin of bpf/parse.h. The oracle parses plain and unusual
 * packets alike, and shares no parser with src/packet on purpose.
 */

import { type Family, type IpAddress, type Protocol, PROTOCOL_NUMBERS } from '../model/index.js';
import { type FlowEvent, tcpEvent, udpEvent } from './state.js';

export const ETHERNET_BYTES = 14;
export const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd, vlan: 0x8100, service: 0x88a8 } as const;

/** Where the addresses are in an IP header without options, and how long both are (RFC 791, RFC 8200). */
export const IP_HEADER = {
  4: { bytes: 20, source: 12, destination: 16, addressBytes: 4 },
  6: { bytes: 40, source: 8, destination: 24, addressBytes: 16 },
} as const;

/** The shortest header (RFC 9293, RFC 768). */
const TRANSPORT_BYTES = { tcp: 20, udp: 8 } as const;
const TCP_FLAGS_OFFSET = 13;
const TCP_SYN = 0x02;
const TCP_ACK = 0x10;

export interface Frame {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export interface Ports {
  readonly source: number;
  readonly destination: number;
}

/** The source and destination address of an IP header. */
export interface Addresses {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

export interface Client {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
}

/** The facts of a packet that scheduling needs. */
export interface ParsedPacket {
  readonly protocol: Protocol;
  /** The client's address. */
  readonly client: Uint8Array;
  /** The client's port, then the service's. */
  readonly ports: Ports;
  /** The event that changes its flow's state. */
  readonly event: FlowEvent;
  /** A TCP SYN without ACK. */
  readonly opens: boolean;
  /** A later fragment's: the real server that the first one went to, where it was kept. */
  readonly firstWent?: IpAddress | undefined;
  /** Whether it is one of an ICMP error: it goes there, to a real server of `firstService`, or to the host. */
  readonly byFirst?: boolean;
  readonly firstService?: string | undefined;
}

/** A packet with the VIP that it is for. */
export interface Packet extends ParsedPacket {
  readonly vip: IpAddress;
  /** Whether it is the first fragment of an ICMP error. */
  readonly ofError: boolean;
  /** Whether no ICMP error is sent about it: it is one, or a later fragment (RFC 1122, 3.2.2). */
  readonly unanswerable: boolean;
}

export function frameOf(bytes: Uint8Array): Frame {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

export function clientOf({ client, ports }: Packet): Client {
  return { address: client, port: ports.source };
}

export function protocolOf(number: number): Protocol | undefined {
  return (['tcp', 'udp'] as const).find((name) => PROTOCOL_NUMBERS[name] === number);
}

/** The addresses of the IP header at an offset. */
export function addressesAt({ bytes }: Frame, family: Family, offset: number): Addresses {
  const { source, destination, addressBytes } = IP_HEADER[family];
  const at = (start: number): Uint8Array => bytes.subarray(offset + start, offset + start + addressBytes);
  return { source: at(source), destination: at(destination) };
}

export function portsAt({ view }: Frame, offset: number): Ports {
  return { source: view.getUint16(offset), destination: view.getUint16(offset + 2) };
}

/**
 * Reads the TCP or UDP header at an offset; undefined when the frame ends within it.
 *
 * @param goesOn whether TCP's header may go on in the next fragment; without its flags it opens nothing
 */
export function parseTransport(
  frame: Frame,
  protocol: Protocol,
  client: Uint8Array,
  offset: number,
  goesOn = false,
): ParsedPacket | undefined {
  const { bytes, view } = frame;
  if (bytes.length < offset + (goesOn ? TRANSPORT_BYTES.udp : TRANSPORT_BYTES[protocol])) {
    return undefined;
  }
  if (protocol === 'tcp' && bytes.length <= offset + TCP_FLAGS_OFFSET) {
    return { protocol, client, ports: portsAt(frame, offset), event: 'passive', opens: false };
  }
  const flags = protocol === 'tcp' ? view.getUint8(offset + TCP_FLAGS_OFFSET) : 0;
  const opens = (flags & (TCP_SYN | TCP_ACK)) === TCP_SYN;
  const event = protocol === 'tcp' ? tcpEvent(flags) : udpEvent(bytes.subarray(offset + TRANSPORT_BYTES.udp));
  return { protocol, client, ports: portsAt(frame, offset), event, opens };
}

/** Returns bytes as a string that is quickly made and compared. */
export function bytesKey(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
