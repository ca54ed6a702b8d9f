/** What stands on what: the interfaces under a bond, a bridge or a VLAN device. Pure. */

import type { Link } from './rtnetlink.js';

/** Kinds of devices that send through any of their members. */
export const BONDS: readonly string[] = ['bond', 'team'];

/** Returns the lowest interfaces under a link; none if nothing is under it. */
export function leavesUnder(ifindex: number, links: readonly Link[], seen = new Set([ifindex])): Link[] {
  return under(ifindex, links)
    .filter((each) => !seen.has(each.ifindex))
    .flatMap((each) => {
      seen.add(each.ifindex);
      const below = leavesUnder(each.ifindex, links, seen);
      return below.length === 0 ? [each] : below;
    });
}

/** The members of a bond or bridge, and what a VLAN device or macvlan was made on. */
function under(ifindex: number, links: readonly Link[]): Link[] {
  const lower = links.find((each) => each.ifindex === ifindex)?.lower;
  return links.filter(({ master, ifindex: index }) => master === ifindex || index === lower);
}
