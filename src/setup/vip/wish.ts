/** Which VIPs the director shall have: each on its interface, and how it comes back at a boot. Pure. */

import { isIp, type IpAddress } from '../../model/index.js';
import { ADDRESS_WAYS, type AddressWay, isWishOf, type Place, type Wish as WishOf } from '../../steps/index.js';

export { NOTHING, withoutVips } from '../../steps/index.js';

export interface VipWish {
  readonly vip: IpAddress;
  readonly device: string;
  /** None: the VIP is gone after a boot. */
  readonly place?: Place;
}

export type Wish = WishOf<VipWish, AddressWay>;

export function isWish(value: unknown): value is Wish {
  const isVip = (each: unknown): boolean => {
    const { vip, device, place } = each as VipWish;
    return isIp(vip) && typeof device === 'string' && (place === undefined || ADDRESS_WAYS.includes(place.way));
  };
  return isWishOf(value, isVip, ADDRESS_WAYS);
}

/**
 * Returns a wish with these VIPs added, or moved to another interface.
 *
 * @param persist what brings all VIPs back at a boot; undefined: as before
 * @param placeOf where that program has an interface
 */
export function withVips(
  wish: Wish,
  vips: readonly Pick<VipWish, 'vip' | 'device'>[],
  persist: AddressWay | undefined,
  placeOf: (way: AddressWay, device: string) => Place,
): Wish {
  const kept = wish.vips.filter(({ vip }) => !vips.some((each) => each.vip === vip));
  const way = persist ?? wish.persist;
  const all = [...kept, ...vips].map(({ vip, device }): VipWish => ({
    vip,
    device,
    ...(way && { place: placeOf(way, device) }),
  }));
  return { vips: all, ...(way && { persist: way }) };
}
