/** What was captured in the lab: tcpdump's files as frames, and what TCP frames say. Pure. */

import { readCapture } from './capture-file.js';

/** The frames of a capture in order. A record that is cut off, tcpdump was writing it, ends the list. */
export function parsePcap(file: Uint8Array): Uint8Array[] {
  return [...readCapture(file)].flatMap(({ frame }) => frame ?? []);
}

/** What a TCP frame over IPv4 or IPv6 says about itself; undefined for every other frame. */
export interface TcpFrame {
  readonly destinationMac: Uint8Array;
  readonly sourceMac: Uint8Array;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly syn: boolean;
  /** Time to live, or hop limit. */
  readonly ttl: number;
  /** IP header and all above it, without the padding of short frames. */
  readonly packet: Uint8Array;
}

export function parseTcpFrame(frame: Uint8Array): TcpFrame | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const ip = 14;
  const type = frame.length >= ip + 40 ? view.getUint16(12) : 0;
  const version = type === 0x0800 ? 4 : type === 0x86dd ? 6 : undefined;
  if (version === undefined || frame[ip + (version === 4 ? 9 : 6)] !== 6) {
    return undefined;
  }
  const header = version === 4 ? (frame[ip]! & 0xf) * 4 : 40;
  const length = version === 4 ? view.getUint16(ip + 2) : 40 + view.getUint16(ip + 4);
  const [sourceAt, bytes] = version === 4 ? [ip + 12, 4] : [ip + 8, 16];
  const tcp = ip + header;
  if (frame.length < tcp + 20) {
    return undefined;
  }
  return {
    destinationMac: frame.subarray(0, 6),
    sourceMac: frame.subarray(6, 12),
    source: frame.subarray(sourceAt, sourceAt + bytes),
    destination: frame.subarray(sourceAt + bytes, sourceAt + 2 * bytes),
    sourcePort: view.getUint16(tcp),
    destinationPort: view.getUint16(tcp + 2),
    sequence: view.getUint32(tcp + 4),
    syn: (frame[tcp + 13]! & 0x12) === 0x02,
    ttl: frame[ip + (version === 4 ? 8 : 7)]!,
    packet: frame.subarray(ip, ip + length),
  };
}
