/** Addresses that can be VIPs, and how a host has them. Pure. */

import { addressBits, BeelineError, familyOf, type IpAddress, ipBytes, isMapped, parseIp } from '../model/index.js';

/** Returns the address that can be a VIP. @throws BeelineError `USAGE` */
export function parseVirtual(text: string): IpAddress {
  const vip = parseIp(text);
  if (vip === undefined || isMapped(vip) || !isUnicast(vip)) {
    throw new BeelineError('USAGE', `"${text}" cannot be a VIP`, {
      hint: 'Write one address of the network without a prefix: 192.168.1.100 or fd00::100.',
    });
  }
  return vip;
}

/** Neither unspecified, loopback, link-local (IPv6), multicast nor broadcast. */
export function isUnicast(address: IpAddress): boolean {
  const bytes = ipBytes(address);
  if (bytes.length === 4) {
    return bytes[0] !== 0 && bytes[0] !== 127 && bytes[0]! < 224;
  }
  const head = (bytes[0]! << 8) | bytes[1]!;
  return head < 0xff00 && (head & 0xffc0) !== 0xfe80 && bytes.subarray(0, 15).some((byte) => byte !== 0);
}

export function prefixOf(vip: IpAddress): 32 | 128 {
  return addressBits(familyOf(vip));
}
