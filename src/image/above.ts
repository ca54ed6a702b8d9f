/** The MACs of the host that are not its interfaces': those of devices above them, while they have a VIP. */

import type { MacAddress } from '../model/index.js';
import type { Image } from './image.js';
import { vipsOf } from './tables/service-keys.js';

/** A MAC, and the interface that frames to it come by. */
export interface MacAbove {
  readonly mac: MacAddress;
  readonly ifindex: number;
}

/**
 * Returns the MACs by which a packet reaches the director although they are none of its interfaces': keepalived's virtual
 * MACs (`use_vmac`), those of bridges, macvlan and VLAN devices. A device without a VIP is not the director: a standby's
 * macvlan has the same virtual MAC.
 */
export function macsAbove(image: Image): MacAbove[] {
  const vips = [vipsOf(4, image), vipsOf(6, image)];
  return image.interfaces.flatMap(({ ifindex, mac: own, above = [] }) =>
    above
      .filter(({ mac, addresses }) => mac !== own && addresses.some((each) => vips.some((all) => all.has(each))))
      .map(({ mac }) => ({ mac, ifindex })),
  );
}
