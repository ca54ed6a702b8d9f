/**
 * Finds the VIPs that no packet can reach: this host has them on no interface, no route makes them its own, and no other host
 * has them.
 */

import type { ServiceCounters } from '../dataplane/index.js';
import type { Image } from '../image/index.js';
import {
  allServices,
  familyOf,
  type IpAddress,
  ipBytes,
  isLinkLocal,
  isMarkKey,
  type Model,
  serviceName,
  virtualRouters,
  type Warning,
} from '../model/index.js';
import { type Link, type Network, NetlinkError, type Route } from '../net/index.js';
import { type LostVip, vipWarnings } from './reports/vips.js';

/** How long what routes say is taken for true: the kernel's events tell of addresses, not of routes. */
const LOOK_MS = 2_500;
/** The most VIPs whose routes are asked for at once. More have their turn later. */
const MOST_LOOKED = 64;
/** How often other hosts are asked for a VIP. */
const ASK_MS = 30_000;
/** How long another host may take to answer. */
const ANSWER_MS = 1_000;

type View = Pick<
  Network,
  'linksByAddress' | 'routes' | 'solicit' | 'neighbour' | 'link' | 'linkByIndex' | 'leavesUnder'
>;

/** Where the packets of a VIP that this host has on no interface go. `asIs`: where somebody wants them to. */
type Place = { readonly kind: 'asIs' } | { readonly kind: 'network'; readonly link: Link } | { readonly kind: 'away' };

/** A VIP that this host has on no interface that is up. */
interface Absent {
  place: Place | undefined;
  /** Milliseconds of a monotonic clock. */
  lookedAt: number;
  /** When other hosts were first asked for it, and last. */
  firstAsked: number | undefined;
  lastAsked: number;
  /** The packets counted until then; undefined: it was absent from the start. */
  readonly packetsBefore: number | undefined;
}

export class Vips {
  readonly #network: View;
  #of: { readonly model: Model; readonly services: ReadonlyMap<IpAddress, readonly string[]> } | undefined;
  readonly #absent = new Map<IpAddress, Absent>();
  /** Those that this host had on an interface when they were last looked at. */
  #present: ReadonlySet<IpAddress> = new Set();
  #looking: Promise<void> = Promise.resolve();

  constructor(network: View) {
    this.#network = network;
  }

  /** Returns a warning for each VIP that no packet can reach. @param now milliseconds of a monotonic clock */
  async warnings(
    model: Model,
    { services, directors }: Pick<Image, 'services' | 'directors'>,
    counters: readonly ServiceCounters[],
    now: number,
  ): Promise<Warning[]> {
    const { interfaces } = model;
    const [first] = interfaces;
    // Without an interface all VIPs are gone with it: that is a problem already.
    if (first === undefined || interfaces.some((name) => this.#network.link(name) === undefined)) {
      return [];
    }
    const packetsOf = countPackets(counters);
    const links = this.#follow(model, packetsOf);
    const looking = this.#looking.then(() => this.#look(interfaces, now));
    this.#looking = looking.catch(() => undefined);
    await looking;
    if (this.#absent.size === 0) {
      return [];
    }
    const realServers = new Map(
      services.flatMap(({ destinations, routes }) =>
        routes.flatMap((route, i) => (route.action === 'forward' ? [[route.mac, destinations[i]!.address]] : [])),
      ),
    );
    const mayBeElsewhere = (model.directors ?? []).length > 0;
    const routers = routersOf(model);
    const lost = [...this.#absent].flatMap(([vip, absent]): LostVip[] => {
      const { place, packetsBefore = 0, firstAsked = now } = absent;
      const down = links.get(vip);
      const router = routers.get(vip);
      const owned = router === undefined ? {} : { router };
      if (place === undefined || place.kind === 'asIs') {
        return [];
      }
      if (down !== undefined) {
        return [{ kind: 'down', vip, link: down.name, ...owned }];
      }
      if (place.kind === 'away') {
        const comes = packetsOf(this.#servicesOf(vip)) > packetsBefore;
        return comes || mayBeElsewhere ? [] : [{ kind: 'unrouted', vip, link: first, ...owned }];
      }
      const { name: link, ifindex } = place.link;
      const neighbour = this.#network.neighbour(ifindex, vip);
      if (neighbour?.mac === undefined) {
        return now - firstAsked < ANSWER_MS && neighbour?.failed !== true
          ? []
          : [{ kind: 'missing', vip, link, ...owned }];
      }
      const realServer = directors.includes(neighbour.mac) ? undefined : realServers.get(neighbour.mac);
      return realServer === undefined ? [] : [{ kind: 'elsewhere', vip, link, realServer, ...owned }];
    });
    return vipWarnings(lost);
  }

  #servicesOf(vip: IpAddress): readonly string[] {
    return this.#of?.services.get(vip) ?? [];
  }

  /** Notes which VIPs are absent, and returns this host's addresses. */
  #follow(model: Model, packetsOf: PacketsOf): ReadonlyMap<IpAddress, Link> {
    if (this.#of?.model !== model) {
      this.#of = { model, services: vipsOf(model) };
    }
    const links = this.#network.linksByAddress();
    const present = new Set<IpAddress>();
    for (const [vip, services] of this.#of.services) {
      if (links.get(vip)?.up === true) {
        present.add(vip);
        this.#absent.delete(vip);
      } else if (!this.#absent.has(vip)) {
        const packetsBefore = this.#present.has(vip) ? packetsOf(services) : undefined;
        const [lookedAt, lastAsked] = [-Infinity, -Infinity];
        this.#absent.set(vip, { place: undefined, lookedAt, firstAsked: undefined, lastAsked, packetsBefore });
      }
    }
    for (const vip of this.#absent.keys()) {
      if (!this.#of.services.has(vip)) {
        this.#absent.delete(vip);
      }
    }
    this.#present = present;
    return links;
  }

  /** Looks where absent VIPs are routed to, and asks their networks for them. */
  async #look(interfaces: readonly string[], now: number): Promise<void> {
    const due = [...this.#absent].filter(([, { lookedAt }]) => now - lookedAt >= LOOK_MS).slice(0, MOST_LOOKED);
    if (due.length === 0) {
      return;
    }
    const routes = await this.#network.routes(
      due.map(([vip]) => vip),
      { asConfigured: true },
    );
    const asked: { readonly ifindex: number; readonly address: IpAddress }[] = [];
    for (const [i, [vip, absent]] of due.entries()) {
      // Those that were looked at last come last.
      if (this.#absent.delete(vip)) {
        this.#absent.set(vip, absent);
      }
      absent.lookedAt = now;
      absent.place = this.#placeOf(vip, routes[i], interfaces);
      if (absent.place.kind !== 'network') {
        absent.firstAsked = undefined;
      } else if (now - absent.lastAsked >= ASK_MS) {
        absent.firstAsked ??= now;
        absent.lastAsked = now;
        asked.push({ ifindex: absent.place.link.ifindex, address: vip });
      }
    }
    // A refusal: an interface went away, or its table of neighbours is full. The next look tells.
    await this.#network.solicit(asked);
  }

  #placeOf(vip: IpAddress, route: Route | undefined | NetlinkError, interfaces: readonly string[]): Place {
    if (route === undefined) {
      return { kind: 'away' };
    }
    // A route for this address alone was made on purpose, as keepalived does; what the kernel refuses to tell is not known.
    const isAsIs =
      route instanceof NetlinkError ||
      route.kind === 'local' ||
      route.prefixLength === ipBytes(vip).length * 8 ||
      isLinkLocal(vip);
    if (isAsIs) {
      return { kind: 'asIs' };
    }
    const link = this.#network.linkByIndex(route.ifindex);
    if (route.kind !== 'unicast' || route.gateway !== undefined || link === undefined) {
      return { kind: 'away' };
    }
    const names = [link, ...this.#network.leavesUnder(link.ifindex)].map(({ name }) => name);
    return names.some((name) => interfaces.includes(name)) ? { kind: 'network', link } : { kind: 'away' };
  }
}

type PacketsOf = (services: readonly string[]) => number;

/** Returns what counts the packets of services, those that were not sent included. */
function countPackets(counters: readonly ServiceCounters[]): PacketsOf {
  let byName: Map<string, ServiceCounters> | undefined;
  return (names) => {
    byName ??= new Map(counters.map((each) => [each.name, each]));
    return names
      .flatMap((name) => byName?.get(name) ?? [])
      .flatMap(({ destinations, resting = [], verdicts }) => [
        ...[...destinations, ...resting].map(({ packets }) => packets),
        ...Object.values(verdicts),
      ])
      .reduce((sum, each) => sum + each, 0);
  };
}

/** Returns the VIPs that virtual routers of VRRP have, with the names of these. */
function routersOf(model: Model): Map<IpAddress, string> {
  return new Map(virtualRouters(model).flatMap(({ name, addresses }) => addresses.map((vip) => [vip, name] as const)));
}

/** Returns the VIPs, each with the names of its services. Of marks, whose rules are for whole networks, only single addresses. */
function vipsOf(model: Model): Map<IpAddress, string[]> {
  const vips = new Map<IpAddress, string[]>();
  const add = (vip: IpAddress, name: string): void => {
    const names = vips.get(vip);
    if (names === undefined) {
      vips.set(vip, [name]);
    } else {
      names.push(name);
    }
  };
  for (const service of allServices(model)) {
    if (!isMarkKey(service)) {
      add(service.address, serviceName(service));
      continue;
    }
    for (const { mark, match } of model.markRules ?? []) {
      const { address, prefixLength } = match;
      const isOne = prefixLength === ipBytes(address).length * 8;
      if (isOne && mark === service.mark && familyOf(address) === service.family) {
        add(address, serviceName(service));
      }
    }
  }
  return vips;
}
