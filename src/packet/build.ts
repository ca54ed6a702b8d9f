/** Builds plain frames: Ethernet, IPv4 or IPv6, TCP or UDP. Pure. */

import {
  familyOf,
  type IpAddress,
  ipBytes,
  type MacAddress,
  macBytes,
  type Protocol,
  PROTOCOL_NUMBERS,
} from '../model/index.js';
import { ETHER_TYPE, ETHERNET, IPV4, IPV4_FRAGMENT, IPV6, SHORTEST_FRAME, TCP, TCP_FLAG, UDP } from './constants.js';

export interface FrameOptions {
  readonly destinationMac: MacAddress;
  readonly sourceMac: MacAddress;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: Protocol;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** TCP's flag byte; default ACK. */
  readonly flags?: number;
  /** Bytes after the transport header. */
  readonly payload?: Uint8Array;
}

const TTL = 64;

/** Builds a frame of the addresses' family, padded to 60 bytes, with checksums of zero. */
export function buildFrame(options: FrameOptions): Uint8Array {
  const packet = buildPacket(options, buildTransport(options));
  const frame = new Uint8Array(Math.max(SHORTEST_FRAME, ETHERNET.bytes + packet.length));
  const type = familyOf(options.destination) === 4 ? ETHER_TYPE.ipv4 : ETHER_TYPE.ipv6;
  frame.set(macBytes(options.destinationMac), ETHERNET.destinationMac);
  frame.set(macBytes(options.sourceMac), ETHERNET.sourceMac);
  new DataView(frame.buffer).setUint16(ETHERNET.type, type);
  frame.set(packet, ETHERNET.bytes);
  return frame;
}

function buildTransport(options: FrameOptions): Uint8Array {
  const { protocol, sourcePort, destinationPort, flags = TCP_FLAG.ack, payload = new Uint8Array() } = options;
  const header = protocol === 'tcp' ? TCP.bytes : UDP.bytes;
  const transport = new Uint8Array(header + payload.length);
  const view = new DataView(transport.buffer);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  if (protocol === 'tcp') {
    // The header's length in words, in the upper four bits.
    view.setUint8(TCP.dataOffset, (TCP.bytes / 4) << 4);
    view.setUint8(TCP.flags, flags);
  } else {
    view.setUint16(UDP.length, transport.length);
  }
  transport.set(payload, header);
  return transport;
}

function buildPacket({ source, destination, protocol }: FrameOptions, transport: Uint8Array): Uint8Array {
  const family = familyOf(destination);
  const header = family === 4 ? IPV4.bytes : IPV6.bytes;
  const packet = new Uint8Array(header + transport.length);
  const view = new DataView(packet.buffer);
  if (family === 4) {
    view.setUint8(0, 0x45);
    view.setUint16(IPV4.length, packet.length);
    view.setUint16(IPV4.fragment, IPV4_FRAGMENT.dont);
    view.setUint8(IPV4.ttl, TTL);
    view.setUint8(IPV4.protocol, PROTOCOL_NUMBERS[protocol]);
    packet.set(ipBytes(source), IPV4.source);
    packet.set(ipBytes(destination), IPV4.destination);
  } else {
    view.setUint8(0, 0x60);
    view.setUint16(IPV6.length, transport.length);
    view.setUint8(IPV6.nextHeader, PROTOCOL_NUMBERS[protocol]);
    view.setUint8(IPV6.hopLimit, TTL);
    packet.set(ipBytes(source), IPV6.source);
    packet.set(ipBytes(destination), IPV6.destination);
  }
  packet.set(transport, header);
  return packet;
}
