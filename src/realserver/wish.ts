/** What a real server shall be: its VIPs, each with the method that keeps it from answering for the VIP. Pure. */

import { familyOf, isIp, type IpAddress } from '../model/index.js';

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

export function isWish(value: unknown): value is Wish {
  const { vips, persist } = value as Wish;
  return (
    Array.isArray(vips) &&
    (vips as Wish['vips']).every(
      ({ vip, method, ports }) =>
        isIp(vip) && METHODS.includes(method) && Array.isArray(ports) && ports.every(Number.isInteger),
    ) &&
    (persist === undefined || WAYS.includes(persist))
  );
}

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

/** Whether a method does something about ARP for this VIP: IPv6 needs nothing. */
export function needsArp({ vip, method }: VipWish): boolean {
  return familyOf(vip) === 4 && method !== 'redirect';
}

/** A name for the VIP in tables of nft: letters, digits and underscores. */
export function tableOf(vip: IpAddress): string {
  return `beeline_${vip.replaceAll(/[.:]/g, '_')}`;
}
