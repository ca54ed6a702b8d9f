/** What stands on what: the interfaces under a bond, a bridge or a VLAN device, and what is above an interface. Pure. */

import type { VlanTag } from '../model/index.js';
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

/** A device above a link, and the tags that its frames have there. */
export interface Above {
  readonly device: Link;
  readonly tags: readonly VlanTag[];
}

/** Returns the devices above a link, directly or through others. */
export function devicesAbove(link: Link, links: readonly Link[]): Above[] {
  const above = new Map<Link, readonly VlanTag[]>();
  const climb = (from: Link, tags: readonly VlanTag[]): void => {
    for (const next of links) {
      if ((next.lower === from.ifindex || next.ifindex === from.master) && !above.has(next) && next !== link) {
        const own = next.vlan === undefined ? [] : [{ id: next.vlan.id, service: next.vlan.service }];
        above.set(next, [...tags, ...own]);
        climb(next, [...tags, ...own]);
      }
    }
  };
  climb(link, []);
  return [...above].map(([device, tags]) => ({ device, tags }));
}

/** The most tags that the director writes into one frame. */
const MOST_TAGS = 2;

/** A link by which the frames of a device leave, and their tags there, the outermost first. */
export interface WayOut {
  readonly ifindex: number;
  readonly tags: readonly VlanTag[];
}

/**
 * Returns a device and what its frames go through below it: the interface under one or two VLAN devices. A bridge, or a macvlan,
 * is not what is under it: it sends by rules of its own.
 */
export function waysOut(ifindex: number, linkByIndex: (ifindex: number) => Link | undefined): WayOut[] {
  const ways: WayOut[] = [{ ifindex, tags: [] }];
  let vlan = linkByIndex(ifindex)?.vlan;
  while (vlan !== undefined && ways.length <= MOST_TAGS) {
    const { parent, id, service } = vlan;
    ways.push({ ifindex: parent, tags: [{ id, service }, ...ways.at(-1)!.tags] });
    vlan = linkByIndex(parent)?.vlan;
  }
  return ways;
}

/** Kinds of devices whose members' frames can be for somebody behind another member. */
const BRIDGES: readonly string[] = ['bridge', 'openvswitch', 'batadv', 'hsr'];

/** Whether frames go through a device to others than this host: machines behind a bridge, which may have any MAC. */
export function isBridging({ kind }: Pick<Link, 'kind'>): boolean {
  return BRIDGES.includes(kind);
}
