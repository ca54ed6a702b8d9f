/** Router discovery of IPv6 (RFC 4861, 4.1 and 4.2): who says that it is a gateway. Pure. */

import { type IpAddress, ipBytes, ipFromBytes, type MacAddress, macBytes, macFromBytes } from '../model/index.js';
import { ETHER_TYPE, ETHERNET, ICMP, IPV6, MAC_BYTES } from './constants.js';
import { HOP_LIMIT, ND, ndFrame, OPTION } from './neighbour.js';

/** All routers of the link (RFC 4291, 2.7.1). */
const ALL_ROUTERS = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2] as const;
/** The fields of an advertisement, from its type on (RFC 4861, 4.2). */
const ADVERTISEMENT = { bytes: 16, lifetime: 6 } as const;

export interface RouterAdvertisement {
  readonly sourceMac: MacAddress;
  /** The router's link-local address. */
  readonly source: IpAddress;
  /** For how many seconds it is a gateway; 0: it is none. */
  readonly lifetime: number;
}

/** Asks all routers of a network to advertise themselves, as a host does when its link comes up. */
export function routerSolicitation(from: { readonly mac: MacAddress; readonly address: IpAddress }): Uint8Array {
  const mac = [...macBytes(from.mac)];
  const message = [ND.routerSolicitation, 0, 0, 0, 0, 0, 0, 0, OPTION.source, 1, ...mac];
  return ndFrame(mac, [...ipBytes(from.address)], ALL_ROUTERS, message);
}

/** Reads a frame; undefined if it is no router advertisement of this link. */
export function parseRouterAdvertisement(frame: Uint8Array): RouterAdvertisement | undefined {
  const packet = frame.subarray(ETHERNET.bytes);
  const message = packet.subarray(IPV6.bytes);
  if (
    message.length < ADVERTISEMENT.bytes ||
    frame[ETHERNET.type]! * 256 + frame[ETHERNET.type + 1]! !== ETHER_TYPE.ipv6 ||
    packet[IPV6.nextHeader] !== ICMP.ipv6 ||
    packet[IPV6.hopLimit] !== HOP_LIMIT ||
    message[0] !== ND.routerAdvertisement
  ) {
    return undefined;
  }
  return {
    sourceMac: macFromBytes(frame.subarray(ETHERNET.sourceMac, ETHERNET.sourceMac + MAC_BYTES)),
    source: ipFromBytes(packet.subarray(IPV6.source, IPV6.source + IPV6.addressBytes)),
    lifetime: message[ADVERTISEMENT.lifetime]! * 256 + message[ADVERTISEMENT.lifetime + 1]!,
  };
}
