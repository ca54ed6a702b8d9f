/** What a real server shall be: its VIPs, each with the method that keeps it from answering for the VIP. Pure. */

import { BeelineError, familyOf, type IpAddress, ipBytes, isMapped, parseIp } from '../model/index.js';

/** The ways to take packets for a VIP without answering ARP for it. */
export const METHODS = ['sysctl', 'arptables', 'nft', 'redirect'] as const;
export type Method = (typeof METHODS)[number];

/** What brings the set-up back at a boot. */
export const WAYS = ['systemd-networkd', 'netplan', 'ifupdown', 'networkmanager', 'sysctl.d'] as const;
export type Way = (typeof WAYS)[number];

export interface VipWish {
  readonly vip: IpAddress;
  readonly method: Method;
  /** With `redirect`: the ports that are redirected; none: all that is for the VIP. */
  readonly ports: readonly number[];
  /** With `arptables` and `nft`: the address that stands for the VIP in ARP requests of this host. */
  readonly rip?: IpAddress;
  /** With `redirect`: the tool that has the rule. */
  readonly tool?: 'nft' | 'iptables';
}

export interface Wish {
  readonly vips: readonly VipWish[];
  readonly persist?: Way;
}

/** The wish of a host without VIPs. */
export const NOTHING: Wish = { vips: [] };

/** Returns a wish with these VIPs added, or replaced. */
export function withVips(wish: Wish, vips: readonly VipWish[], persist: Way | undefined): Wish {
  const kept = wish.vips.filter(({ vip }) => !vips.some((each) => each.vip === vip));
  const way = persist ?? wish.persist;
  return { vips: [...kept, ...vips], ...(way && { persist: way }) };
}

/** Returns a wish without these VIPs; undefined: without any. */
export function withoutVips(wish: Wish, vips: readonly IpAddress[] | undefined): Wish {
  const left = vips === undefined ? [] : wish.vips.filter(({ vip }) => !vips.includes(vip));
  return left.length === 0 ? NOTHING : { ...wish, vips: left };
}

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
function isUnicast(address: IpAddress): boolean {
  const bytes = ipBytes(address);
  if (bytes.length === 4) {
    return bytes[0] !== 0 && bytes[0] !== 127 && bytes[0]! < 224;
  }
  const head = (bytes[0]! << 8) | bytes[1]!;
  return head < 0xff00 && (head & 0xffc0) !== 0xfe80 && bytes.subarray(0, 15).some((byte) => byte !== 0);
}

export function prefixOf(vip: IpAddress): 32 | 128 {
  return familyOf(vip) === 4 ? 32 : 128;
}

/** Whether a method does something about ARP for this VIP: IPv6 needs nothing. */
export function needsArp({ vip, method }: VipWish): boolean {
  return familyOf(vip) === 4 && method !== 'redirect';
}

/** A name for the VIP in tables of nft: letters, digits and underscores. */
export function tableOf(vip: IpAddress): string {
  return `beeline_${vip.replaceAll(/[.:]/g, '_')}`;
}
