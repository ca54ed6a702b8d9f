/** What a real server shall be: its VIPs, each with the method that keeps it from answering for the VIP. Pure. */

import { familyOf, isIp, type IpAddress } from '../model/index.js';
import { ADDRESS_WAYS, isWishOf, type Wish as WishOf } from '../steps/index.js';

export { NOTHING, withoutVips } from '../steps/index.js';

/** The ways to take packets for a VIP without answering ARP for it. */
export const METHODS = ['sysctl', 'arptables', 'nft', 'redirect'] as const;
export type Method = (typeof METHODS)[number];

/** What brings the set-up back at a boot. */
export const WAYS = [...ADDRESS_WAYS, 'sysctl.d'] as const;
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

export type Wish = WishOf<VipWish, Way>;

export function isWish(value: unknown): value is Wish {
  const isVip = (each: unknown): boolean => {
    const { vip, method, ports } = each as VipWish;
    return isIp(vip) && METHODS.includes(method) && Array.isArray(ports) && ports.every(Number.isInteger);
  };
  return isWishOf(value, isVip, WAYS);
}

/** Returns a wish with these VIPs added, or replaced. */
export function withVips(wish: Wish, vips: readonly VipWish[], persist: Way | undefined): Wish {
  const kept = wish.vips.filter(({ vip }) => !vips.some((each) => each.vip === vip));
  const way = persist ?? wish.persist;
  return { vips: [...kept, ...vips], ...(way && { persist: way }) };
}

/** Whether a method does something about ARP for this VIP: IPv6 needs nothing. */
export function needsArp({ vip, method }: VipWish): boolean {
  return familyOf(vip) === 4 && method !== 'redirect';
}

/** A name for the VIP in tables of nft: letters, digits and underscores. */
export function tableOf(vip: IpAddress): string {
  return `beeline_${vip.replaceAll(/[.:]/g, '_')}`;
}
