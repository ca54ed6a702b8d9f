/** Builds ICMP errors and the packets that they quote. Pure. */

import { familyOf, type IpAddress, ipBytes, type MacAddress, macBytes } from '../model/index.js';
import { word } from './change.js';
import { checksum } from './checksum.js';
import { ETHER_TYPE, ETHERNET, ICMP, IPV4, IPV6, MAC_BYTES, TAG_BYTES } from './constants.js';
import { parseFrame } from './parse.js';

/**
 * Builds a router's ICMP error to the VIP, about a packet that a real server sent to a client.
 *
 * @param quoted the beginning of that packet, from its IP header on
 */
export function icmpError(options: {
  readonly destinationMac: MacAddress;
  readonly sourceMac: MacAddress;
  readonly router: IpAddress;
  readonly vip: IpAddress;
  readonly type: number;
  readonly quoted: Uint8Array;
}): Uint8Array {
  const { destinationMac, sourceMac, router, vip, type, quoted } = options;
  const ipv4 = familyOf(vip) === 4;
  const message = [type, ...new Array<number>(ICMP.headerBytes - 1).fill(0), ...quoted];
  const addresses = [...ipBytes(router), ...ipBytes(vip)];
  const header = ipv4
    ? [0x45, 0, ...word(IPV4.bytes + message.length), 0, 0, 0, 0, 64, ICMP.ipv4, 0, 0, ...addresses]
    : [0x60, 0, 0, 0, ...word(message.length), ICMP.ipv6, 64, ...addresses];
  const etherType = word(ipv4 ? ETHER_TYPE.ipv4 : ETHER_TYPE.ipv6);
  return Uint8Array.from([...macBytes(destinationMac), ...macBytes(sourceMac), ...etherType, ...header, ...message]);
}

/**
 * Builds the beginning of a packet from a real server to a client: its IP header and part of its transport header.
 *
 * @param bytes of the transport header
 */
export function replyBeginning(
  vip: IpAddress,
  port: number,
  client: IpAddress,
  clientPort: number,
  protocol: 6 | 17 | 50 | 51,
  bytes = 8,
): Uint8Array {
  const transport = new Uint8Array(bytes);
  transport.set([...word(port), ...word(clientPort)].slice(0, bytes));
  const addresses = [...ipBytes(vip), ...ipBytes(client)];
  // A packet of 1,500 bytes with a TTL of 60.
  const header =
    familyOf(vip) === 4
      ? [0x45, 0, ...word(1500), 0, 1, 0x40, 0, 60, protocol, 0, 0, ...addresses]
      : [0x60, 0, 0, 0, ...word(1460), protocol, 60, ...addresses];
  return Uint8Array.from([...header, ...transport]);
}

/** The longest errors that routers send (RFC 1812, 4.3.2.3; RFC 4443, 2.4). */
const LONGEST = { 4: 576, 6: 1280 } as const;

/**
 * Builds the ICMP error with which a router answers a frame: back to where it came from, with the frame's tags.
 *
 * @param rest the second word of the ICMP header: an MTU, or 0
 */
export function icmpAnswer(
  frame: Uint8Array,
  {
    router,
    type,
    code,
    rest = 0,
  }: {
    readonly router: IpAddress;
    readonly type: number;
    readonly code: number;
    readonly rest?: number;
  },
): Uint8Array {
  const { vlans, ip } = parseFrame(frame);
  const start = ETHERNET.bytes + vlans.length * TAG_BYTES;
  const link = [
    ...frame.subarray(ETHERNET.sourceMac, ETHERNET.sourceMac + MAC_BYTES),
    ...frame.subarray(ETHERNET.destinationMac, ETHERNET.destinationMac + MAC_BYTES),
    ...frame.subarray(ETHERNET.type, start),
  ];
  const family = familyOf(router);
  const fields = family === 4 ? IPV4 : IPV6;
  const client = frame.subarray(start + fields.source, start + fields.source + fields.addressBytes);
  const most = LONGEST[family] - fields.bytes - ICMP.headerBytes;
  const quoted = ip!.bytes.subarray(0, most);
  const message = [type, code, 0, 0, 0, 0, ...word(rest), ...quoted];
  const addresses = [...ipBytes(router), ...client];
  const pseudo = family === 4 ? [] : [...addresses, 0, 0, ...word(message.length), 0, 0, 0, ICMP.ipv6];
  message.splice(2, 2, ...checksum([...pseudo, ...message]));
  const service = 0xc0 | (frame[start + 1]! & 0x1e);
  const before = [0x45, service, ...word(IPV4.bytes + message.length), 0, 0, 0x40, 0, 64, ICMP.ipv4];
  const header =
    family === 4
      ? [...before, ...checksum([...before, ...addresses]), ...addresses]
      : [0x60, 0, 0, 0, ...word(message.length), ICMP.ipv6, 64, ...addresses];
  return Uint8Array.from([...link, ...header, ...message]);
}
