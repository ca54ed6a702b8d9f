/** Which interface gets a VIP. Pure. */

import { BeelineError } from '../../model/index.js';
import type { Link } from '../../net/index.js';

export interface DeviceRequest {
  /** The interface that the user named. */
  readonly named?: string | undefined;
  /** Whether the VIP is for lo, and a router sends its packets here. */
  readonly announce: boolean;
  /** Those of the director; undefined: there is neither a daemon nor a configuration. */
  readonly interfaces: readonly string[] | undefined;
}

/** What of a link decides. */
export type DeviceLink = Pick<Link, 'name' | 'ifindex' | 'kind' | 'master'>;

/**
 * Returns the interface: the one that the user named, or lo, or the director's first. What is a member of a bond or a port of
 * a bridge has no addresses of its own: that device has them.
 *
 * @throws BeelineError `INTERFACE_MISSING`, `USAGE`
 */
export function deviceFor({ named, announce, interfaces }: DeviceRequest, links: readonly DeviceLink[]): string {
  const wanted = named ?? (announce ? 'lo' : interfaces?.[0]);
  if (wanted === undefined) {
    throw new BeelineError('USAGE', "no daemon and no configuration says which interface is the director's", {
      hint: `Name it by --interface (this host has ${namesOf(links)}), or write a configuration: "beeline init".`,
    });
  }
  const link = links.find(({ name }) => name === wanted);
  if (link === undefined) {
    throw new BeelineError('INTERFACE_MISSING', `there is no interface ${wanted}`, {
      hint: `This host has ${namesOf(links)}.`,
    });
  }
  const over = aboveAll(link, links);
  if (over !== link && named !== undefined) {
    throw new BeelineError('USAGE', `${named} belongs to ${over.name}, which has the addresses`, {
      hint: `Use "--interface ${over.name}".`,
    });
  }
  return over.name;
}

/** Returns the bond or bridge over a link, over which there may be another. */
function aboveAll(link: DeviceLink, links: readonly DeviceLink[]): DeviceLink {
  const seen = new Set<DeviceLink>();
  let top = link;
  for (;;) {
    const next = links.find(({ ifindex }) => ifindex === top.master);
    // A VRF is a master too, and its interfaces keep their addresses.
    if (next === undefined || next.kind === 'vrf' || seen.has(next)) {
      return top;
    }
    seen.add(next);
    top = next;
  }
}

const MOST_NAMED = 12;

function namesOf(links: readonly DeviceLink[]): string {
  const names = links.map(({ name }) => name);
  return names.slice(0, MOST_NAMED).join(', ') + (names.length > MOST_NAMED ? ', …' : '');
}
