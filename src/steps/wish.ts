/** What a host shall have, of its VIPs: what the record keeps, and what is taken from it. Pure. */

import type { IpAddress } from '../model/index.js';

/** @typeParam Way what brings it back at a boot */
export interface Wish<Vip extends { readonly vip: IpAddress }, Way> {
  readonly vips: readonly Vip[];
  readonly persist?: Way;
}

/** The wish of a host without VIPs. */
export const NOTHING = { vips: [] } as const;

/** Whether something that was read is a wish. @param isVip looks at one of what should be VIPs, whatever it is */
export function isWishOf(value: unknown, isVip: (vip: unknown) => boolean, ways: readonly unknown[]): boolean {
  const { vips, persist } = value as Partial<Record<'vips' | 'persist', unknown>>;
  return Array.isArray(vips) && vips.every(isVip) && (persist === undefined || ways.includes(persist));
}

/** Returns a wish without these VIPs; undefined: without any. */
export function withoutVips<Of extends Wish<{ readonly vip: IpAddress }, unknown>>(
  wish: Of,
  vips: readonly IpAddress[] | undefined,
): Of | typeof NOTHING {
  const left = vips === undefined ? [] : wish.vips.filter(({ vip }) => !vips.includes(vip));
  return left.length === 0 ? NOTHING : { ...wish, vips: left };
}
