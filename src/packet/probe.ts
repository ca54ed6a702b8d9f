/** Packets that ask one host for an answer, whole with their checksums: echo requests, and the first and last of TCP. Pure. */

import { familyOf, type IpAddress, ipBytes, type MacAddress, macBytes, PROTOCOL_NUMBERS } from '../model/index.js';
import { word } from './change.js';
import { checksum, pseudoHeader } from './checksum.js';
import { ETHER_TYPE, ICMP, IPV4, IPV4_FRAGMENT, IPV6, TCP, TCP_FLAG } from './constants.js';

/** Types of echo requests and replies (RFC 792; RFC 4443, 4). */
export const ECHO = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;

const WINDOW = 65_535;

export interface ProbeWay {
  readonly sourceMac: MacAddress;
  readonly destinationMac: MacAddress;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** Time to live, or hop limit: with 1, whoever forwards the packet says so. */
  readonly ttl: number;
}

/** @param length of the whole IP packet; default: the shortest */
export function echoRequest(
  way: ProbeWay,
  { id, sequence, length = 0 }: { readonly id: number; readonly sequence: number; readonly length?: number },
): Uint8Array {
  const family = familyOf(way.destination);
  const headers = (family === 4 ? IPV4.bytes : IPV6.bytes) + ICMP.headerBytes;
  const padding = new Array<number>(Math.max(0, length - headers)).fill(0);
  const message = [ECHO[family].request, 0, 0, 0, ...word(id), ...word(sequence), ...padding];
  const protocol = family === 4 ? ICMP.ipv4 : ICMP.ipv6;
  const covered = family === 4 ? [] : pseudoHeader(6, addressesOf(way), protocol, message.length);
  message.splice(2, 2, ...checksum([...covered, ...message]));
  return ipFrame(way, protocol, message);
}

/** A TCP segment without data. */
export function tcpSegment(
  way: ProbeWay,
  {
    sourcePort,
    destinationPort,
    flags,
    sequence,
  }: {
    readonly sourcePort: number;
    readonly destinationPort: number;
    readonly flags: keyof typeof TCP_FLAG;
    readonly sequence: number;
  },
): Uint8Array {
  const header = [
    ...[...word(sourcePort), ...word(destinationPort), ...word(sequence >>> 16), ...word(sequence & 0xffff)],
    ...[0, 0, 0, 0, (TCP.bytes / 4) << 4, TCP_FLAG[flags], ...word(WINDOW), 0, 0, 0, 0],
  ];
  const covered = pseudoHeader(familyOf(way.destination), addressesOf(way), PROTOCOL_NUMBERS.tcp, header.length);
  header.splice(16, 2, ...checksum([...covered, ...header]));
  return ipFrame(way, PROTOCOL_NUMBERS.tcp, header);
}

function addressesOf({ source, destination }: ProbeWay): number[] {
  return [...ipBytes(source), ...ipBytes(destination)];
}

function ipFrame(way: ProbeWay, protocol: number, payload: readonly number[]): Uint8Array {
  const family = familyOf(way.destination);
  const addresses = addressesOf(way);
  const before = [0x45, 0, ...word(IPV4.bytes + payload.length), 0, 0, ...word(IPV4_FRAGMENT.dont), way.ttl, protocol];
  const header =
    family === 4
      ? [...before, ...checksum([...before, ...addresses]), ...addresses]
      : [0x60, 0, 0, 0, ...word(payload.length), protocol, way.ttl, ...addresses];
  const type = word(family === 4 ? ETHER_TYPE.ipv4 : ETHER_TYPE.ipv6);
  return Uint8Array.from([...macBytes(way.destinationMac), ...macBytes(way.sourceMac), ...type, ...header, ...payload]);
}
