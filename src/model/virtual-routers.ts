/** The virtual routers of a model: which VIPs each instance of VRRP has. Pure. */

import { addressBits, type Family, familyOf, ip, type IpAddress } from './address.js';
import type { Model } from './model.js';
import { isLinkLocal } from './rules.js';
import { toldFamily, type VrrpInstance } from './vrrp.js';

/** A virtual router as keepalived runs it: its addresses are said, and all are of its family. */
export interface VirtualRouter extends VrrpInstance {
  readonly family: Family;
  readonly addresses: readonly IpAddress[];
}

/** Returns the VIPs of services by address, and of mark rules for one address, each once, in their order. */
export function vipsOf({ services, markRules = [] }: Pick<Model, 'services' | 'markRules'>): IpAddress[] {
  const marked = markRules
    .filter(({ match }) => match.prefixLength === addressBits(familyOf(match.address)))
    .map(({ match }) => match.address);
  return [...new Set([...services.map(({ address }) => address), ...marked])];
}

/**
 * Returns the virtual routers that instances mean. An instance that says nothing of its family, nor of its addresses, has
 * the VIPs of both: VRRP has one family a virtual router, so that these are two, with the same id, "NAME" and "NAME_6".
 */
export function virtualRouters(model: Pick<Model, 'vrrp' | 'services' | 'markRules'>): VirtualRouter[] {
  const { instances = [] } = model.vrrp ?? {};
  const all = vipsOf(model);
  const taken = new Set(instances.flatMap(({ addresses = [] }) => addresses));
  const free = (family: Family): IpAddress[] => all.filter((vip) => familyOf(vip) === family && !taken.has(vip));
  const firstFamily: Family = all.length === 0 || all.some((vip) => familyOf(vip) === 4) ? 4 : 6;
  return instances.flatMap((instance): VirtualRouter[] => {
    const told = toldFamily(instance);
    const family = told ?? firstFamily;
    const first: VirtualRouter = { ...instance, family, addresses: instance.addresses ?? free(family) };
    const hasSecond =
      told === undefined && family === 4 && free(6).length > 0 && !instances.some((each) => excludesIpv6(each, first));
    return hasSecond ? [first, { ...first, name: `${first.name}_6`, family: 6, addresses: free(6) }] : [first];
  });
}

/** Whether an instance has what the second router of another one would have: all VIPs of IPv6, or its id. */
function excludesIpv6(each: VrrpInstance, { id, interface: name }: VrrpInstance): boolean {
  return toldFamily(each) === 6 && (each.addresses === undefined || (each.id === id && each.interface === name));
}

/**
 * Returns the address that keepalived advertises for a router, with the configuration that Beeline writes: one, and the
 * others beside it. In IPv6 the first address is link-local (RFC 9568, 5.2.9): that of the virtual router's MAC, which no host
 * has. Undefined: the router has no address.
 */
export function advertisedAddress({
  family,
  id,
  addresses: [first],
}: Pick<VirtualRouter, 'family' | 'id' | 'addresses'>): IpAddress | undefined {
  return first === undefined || family === 4 || isLinkLocal(first)
    ? first
    : ip(`fe80::200:5eff:fe00:${(0x200 + id).toString(16)}`);
}
