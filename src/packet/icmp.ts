/** Builds ICMP errors and the packets that they quote. Pure. */

import { familyOf, type IpAddress, ipBytes, type MacAddress, macBytes } from '../model/index.js';
import { word } from './change.js';
import { ETHER_TYPE, ICMP, IPV4 } from './constants.js';

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
  protocol: 6 | 17,
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
