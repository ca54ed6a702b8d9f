/** What a real server shall be: its VIPs, each with the method that keeps it from answering for the VIP. Pure. */

import { familyOf, isIp, type IpAddress } from '../model/index.js';
import { ADDRESS_WAYS, type AddressWay, isWishOf, type Place, placeOfLo, type Wish as WishOf } from '../steps/index.js';

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

export interface Wish extends WishOf<VipWish, Way> {
  /** Where what configures the network has lo, which has the VIPs. */
  readonly place?: Place;
}

export function isWish(value: unknown): value is Wish {
  const isVip = (each: unknown): boolean => {
    const { vip, method, ports } = each as VipWish;
    return isIp(vip) && METHODS.includes(method) && Array.isArray(ports) && ports.every(Number.isInteger);
  };
  const { place } = value as Partial<Wish>;
  return isWishOf(value, isVip, WAYS) && (place === undefined || ADDRESS_WAYS.includes(place.way));
}

/**
 * Returns a wish with these VIPs added, or replaced.
 *
 * @param placeOf where that program has lo
 */
export function withVips(
  wish: Wish,
  vips: readonly VipWish[],
  persist: Way | undefined,
  placeOf: (way: AddressWay) => Place = placeOfLo,
): Wish {
  const kept = wish.vips.filter(({ vip }) => !vips.some((each) => each.vip === vip));
  const all = [...kept, ...vips];
  const way = persist ?? wish.persist;
  const hasAddresses = all.some(({ method }) => method !== 'redirect');
  return {
    vips: all,
    ...(way && { persist: way }),
    ...(way && way !== 'sysctl.d' && hasAddresses && { place: placeOf(way) }),
  };
}

/** Whether a method does something about ARP for this VIP: IPv6 needs nothing. */
export function needsArp({ vip, method }: VipWish): boolean {
  return familyOf(vip) === 4 && method !== 'redirect';
}

/** A name for the VIP in tables of nft: letters, digits and underscores. */
export function tableOf(vip: IpAddress): string {
  return `beeline_${vip.replaceAll(/[.:]/g, '_')}`;
}
