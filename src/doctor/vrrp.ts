/** What was heard of VRRP, beside the virtual routers of the configuration. Pure. */

import {
  type IpAddress,
  isLinkLocal,
  isMac,
  isVirtualMac,
  type MacAddress,
  type VirtualRouter,
  virtualMac,
  virtualRouters,
} from '../model/index.js';
import { parseVrrp, type VrrpAdvertisement } from '../packet/index.js';
import type { Facts, NetworkFacts } from './facts.js';

/**
 * Returns the MACs by which this host speaks. A standby's device has the virtual MAC of its router as well (`vmac`), but the
 * master alone speaks by it: the one that has the VIPs there.
 */
export function ownMacs({ links, addresses }: Pick<NetworkFacts, 'links' | 'addresses'>): MacAddress[] {
  const taken = new Set(addresses.flatMap((each) => (each.scope === 'link' ? [] : [each.interface])));
  return [...new Set(links.flatMap(({ mac, name }) => (isVirtualMac(mac) && !taken.has(name) ? [] : [mac])))];
}

/** An advertisement, and when it was heard. */
export interface Heard extends VrrpAdvertisement {
  readonly interface: string;
  /** Milliseconds since the doctor began to listen. */
  readonly at: number;
}

/** All advertisements that one host sent for one router id. */
export interface Sender {
  readonly source: IpAddress;
  readonly mac: MacAddress;
  readonly interface: string;
  readonly id: number;
  /** At least one; the last one counts, where they differ. */
  readonly heard: readonly Heard[];
}

/** Returns who advertises what. Frames that this host sent itself are not among those of a listener. */
export function sendersOf({ probes }: Pick<Facts, 'probes'>): Sender[] {
  const own = new Set<MacAddress>(probes?.ownMacs ?? []);
  const senders = new Map<string, { first: Heard; heard: Heard[] }>();
  for (const { bytes, interface: name, at } of probes?.vrrp ?? []) {
    const advertisement = parseVrrp(bytes);
    if (advertisement !== undefined && !own.has(advertisement.sourceMac)) {
      const heard = { ...advertisement, interface: name, at };
      const key = `${name} ${heard.id} ${heard.source}`;
      const sender = senders.get(key) ?? { first: heard, heard: [] };
      sender.heard.push(heard);
      senders.set(key, sender);
    }
  }
  return [...senders.values()].map(({ first, heard }) => ({
    ...{ source: first.source, mac: first.sourceMac, interface: first.interface, id: first.id, heard },
  }));
}

/** Who advertises a router of the configuration: another director, or a stranger that took its id. */
export interface Rivals {
  readonly router: VirtualRouter;
  readonly directors: readonly Sender[];
  readonly strangers: readonly Sender[];
}

export function rivalsOf(facts: Facts): Rivals[] {
  const senders = sendersOf(facts);
  return virtualRouters(facts.director.model).map((router) => {
    const own = senders.filter(
      (each) => each.id === router.id && each.interface === router.interface && lastOf(each).family === router.family,
    );
    const strangers = own.filter((each) => isStranger(each, router, facts));
    return { router, directors: own.filter((each) => !strangers.includes(each)), strangers };
  });
}

export function lastOf({ heard }: Sender): Heard {
  return heard.at(-1)!;
}

/** Whether a sender advertises other VIPs altogether, and is no director that is known. */
function isStranger(sender: Sender, { addresses }: VirtualRouter, { director }: Facts): boolean {
  const { directors = [], vrrp } = director.model;
  const known: readonly string[] = [...directors, ...(vrrp?.instances ?? []).flatMap(({ peers = [] }) => peers)];
  const theirs = lastOf(sender).addresses.filter((each) => !isLinkLocal(each));
  return (
    !known.includes(sender.source) &&
    !known.includes(sender.mac) &&
    theirs.length > 0 &&
    !theirs.some((each) => addresses.includes(each))
  );
}

/** The MACs that other directors have, as far as they are known: by the configuration, by their answers, or by what they advertise. */
export function otherDirectors(facts: Facts): Set<MacAddress> {
  const { director, probes } = facts;
  const named = (director.model.directors ?? []).filter((each) => isMac(each));
  const rivals = rivalsOf(facts);
  return new Set([
    ...named,
    ...(probes?.directors ?? []).flatMap(({ macs }) => macs),
    ...rivals.flatMap(({ directors }) => directors.map(({ mac }) => mac)),
    // The master's, whichever director that is.
    ...rivals.flatMap(({ router }) => (router.vmac === true ? [virtualMac(router.id, router.family)] : [])),
  ]);
}

/** An advertisement as tcpdump would show it, with how many there were. */
export function advertisementText(sender: Sender): string {
  const { version, source, destination, id, priority, intervalMs, addresses, authentication } = lastOf(sender);
  const auth = authentication === undefined || authentication === 'none' ? '' : `, authtype ${authentication}`;
  return (
    `${sender.interface}: VRRPv${version} ${source} (${sender.mac}) > ${destination}, vrid ${id}, prio ${priority}${auth}, ` +
    `intvl ${intervalMs / 1000}s, addrs ${addresses.join(', ')} (${sender.heard.length} heard)`
  );
}
