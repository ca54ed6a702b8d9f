/** Frames to measure with, built byte by byte. */

import {
  familyOf,
  type IpAddress,
  ipBytes,
  type MacAddress,
  macBytes,
  type Protocol,
  PROTOCOL_NUMBERS,
} from '../model/index.js';

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
  /** Bytes above the transport header. */
  readonly payload?: Uint8Array;
}

const TCP_ACK = 0x10;
/** The shortest frame on a wire, checksum left out (IEEE 802.3). */
const SHORTEST_FRAME = 60;

/** An Ethernet frame with IPv4 or IPv6, by its addresses, and TCP or UDP; padded to 60 bytes, checksums zero. */
export function buildFrame(options: FrameOptions): Uint8Array {
  const { protocol, sourcePort, destinationPort, flags = TCP_ACK, payload = new Uint8Array() } = options;
  const transport = new Uint8Array((protocol === 'tcp' ? 20 : 8) + payload.length);
  const view = new DataView(transport.buffer);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  if (protocol === 'tcp') {
    view.setUint8(12, 5 << 4);
    view.setUint8(13, flags);
    transport.set(payload, 20);
  } else {
    view.setUint16(4, transport.length);
    transport.set(payload, 8);
  }
  const packet = buildPacket(options, transport);
  const frame = new Uint8Array(Math.max(SHORTEST_FRAME, 14 + packet.length));
  frame.set(macBytes(options.destinationMac), 0);
  frame.set(macBytes(options.sourceMac), 6);
  new DataView(frame.buffer).setUint16(12, familyOf(options.destination) === 4 ? 0x0800 : 0x86dd);
  frame.set(packet, 14);
  return frame;
}

/** The IP packet around a transport header. */
function buildPacket({ source, destination, protocol }: FrameOptions, transport: Uint8Array): Uint8Array {
  const version = familyOf(destination);
  const header = version === 4 ? 20 : 40;
  const packet = new Uint8Array(header + transport.length);
  const view = new DataView(packet.buffer);
  if (version === 4) {
    view.setUint8(0, 0x45);
    view.setUint16(2, packet.length);
    view.setUint16(6, 0x4000);
    view.setUint8(8, 64);
    view.setUint8(9, PROTOCOL_NUMBERS[protocol]);
    packet.set(ipBytes(source), 12);
    packet.set(ipBytes(destination), 16);
  } else {
    view.setUint8(0, 0x60);
    view.setUint16(4, transport.length);
    view.setUint8(6, PROTOCOL_NUMBERS[protocol]);
    view.setUint8(7, 64);
    packet.set(ipBytes(source), 8);
    packet.set(ipBytes(destination), 24);
  }
  packet.set(transport, header);
  return packet;
}
