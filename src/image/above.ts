/** The MACs of the host that are not its interfaces': those of devices above them that have a VIP, or would have it. */

import {
  type DeviceAbove,
  type Interface,
  type IpAddress,
  isLinkLocal,
  type MacAddress,
  virtualMac,
  virtualRouters,
} from '../model/index.js';
import type { Compilable, Image } from './image.js';
import { vipsOf } from './tables/service-keys.js';

/** A MAC, and the interface that frames to it come by. */
export interface MacAbove {
  readonly mac: MacAddress;
  readonly ifindex: number;
  /** It is a virtual router's, of which this director is a standby: packets of services that come to it are dropped. */
  readonly standby: boolean;
}

/**
 * Returns the MACs by which a packet reaches the director although they are none of its interfaces': keepalived's virtual
 * MACs (`use_vmac`), those of bridges, macvlan and VLAN devices. A device without a VIP is not the director: a standby's
 * macvlan has the same virtual MAC. Those of standbys come last, so that no other one lacks room for them.
 *
 * @param interfaces by default the image's
 */
export function macsAbove(image: Image, interfaces: readonly Interface[] = image.interfaces): MacAbove[] {
  const vips = [vipsOf(4, image), vipsOf(6, image)];
  const isVip = (address: IpAddress): boolean => vips.some((all) => all.has(address));
  const macs = interfaces.flatMap(({ ifindex, mac: own, above = [] }) =>
    above
      .filter((each) => each.mac !== own && (each.addresses.some(isVip) || isStandby(each)))
      .map((each) => ({ mac: each.mac, ifindex, standby: isStandby(each) })),
  );
  return macs.sort((a, b) => Number(a.standby) - Number(b.standby));
}

/** Whether a MAC is the director's in these interfaces that was not in an image: clients wait for it. */
export function gainsMac(image: Image, interfaces: readonly Interface[]): boolean {
  const own = (macs: readonly MacAbove[]): string[] =>
    macs.filter(({ standby }) => !standby).map(({ mac, ifindex }) => `${mac} ${ifindex}`);
  const before = own(macsAbove(image));
  return own(macsAbove(image, interfaces)).some((each) => !before.includes(each));
}

/** A router with other addresses than VIPs is the master of those, and routes what comes to it. */
function isStandby({ router, addresses }: DeviceAbove): boolean {
  return router === true && addresses.every(isLinkLocal);
}

/**
 * Adds the virtual routers of the configuration to the devices above interfaces, if they are not there: keepalived makes
 * their devices when it starts.
 */
export function withRouters(interfaces: readonly Interface[], model: Compilable): readonly Interface[] {
  if (model.vrrp?.instances.some(({ vmac }) => vmac) !== true) {
    return interfaces;
  }
  const routers = virtualRouters(model).filter(({ vmac }) => vmac);
  return interfaces.map((each) => {
    const { name, above = [] } = each;
    const missing = routers
      .filter((router) => router.interface === name)
      .map(
        (router) =>
          ({ name: router.name, mac: virtualMac(router.id, router.family), addresses: [], router: true }) as const,
      )
      .filter(({ mac }) => !above.some((device) => device.mac === mac));
    return missing.length === 0 ? each : { ...each, above: [...above, ...missing] };
  });
}
