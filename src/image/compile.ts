/** From a model to what packets need: the same model and surroundings give the same image, byte for byte. */

import { feature, slotMark } from '../layout/index.js';
import {
  BeelineError,
  compareIp,
  DEFAULT_FLOWS,
  DEFAULT_TIMEOUTS,
  type Destination,
  type Family,
  familyOf,
  type FlowTableSizes,
  type Interface,
  type IpAddress,
  ipBytes,
  isMac,
  type MacAddress,
  MAX_SLOTS,
  type Model,
  type Scheduler,
  type Service,
  serviceName,
  type Timeouts,
  type Vlan,
  withDefaults,
  type World,
} from '../model/index.js';
import { buildMhTable, buildShTable, dhIndex, foldAddress, MH_SLOTS } from './ipvs-hash.js';
import { markEntries, type MarkEntry, servicesToCompile } from './marks.js';
import { buildRing, MAX_MEMBERS, type Ring } from './ring.js';
import { wrrSequence } from './sequence.js';

/** Where packets for a destination go; `none`: it takes no packets at the moment, and `reason` says why. */
export type Route =
  | {
      readonly action: 'forward';
      readonly mac: MacAddress;
      readonly sourceMac: MacAddress;
      readonly ifindex: number;
      readonly vlan?: Vlan | undefined;
    }
  | { readonly action: 'local'; readonly sourceMac: MacAddress }
  | { readonly action: 'none'; readonly reason: string };

export interface CompiledService {
  readonly service: Service;
  readonly name: string;
  /** In the order that the ring counts in: by address under maglev, else IPVS's, the one added last first. */
  readonly destinations: readonly Destination[];
  /** One for each destination. */
  readonly routes: readonly Route[];
  /**
   * Slot to index into `destinations`: the ring of maglev, the tables of sh, mh and dh, the sequence of rr and wrr.
   * Undefined under the other schedulers, and when no destination takes flows. Equal rings are one object.
   */
  readonly ring: Ring | undefined;
  /** What a change left of each slot, when it left anything: an index into `destinations`, SLOT_MARKED, SLOT_UNMOVED. */
  readonly previous?: Uint16Array | undefined;
  /** Whether every flow is remembered. */
  readonly tracks: boolean;
  /** How large a ring was asked for. */
  readonly slots: number;
}

/** bpf/layout.h: in `previous`, a slot that no change touched. */
export const SLOT_UNMOVED = slotMark.unmoved;
/** A slot some of whose flows are remembered; the others go where the slot leads. */
export const SLOT_MARKED = slotMark.marked;

/** All that packets need. */
export interface Image {
  /** In the order of their addresses, ports and protocols; then those of marked packets. */
  readonly services: readonly CompiledService[];
  /** What leads to these. */
  readonly markEntries: readonly MarkEntry[];
  /** The director's own, by index. */
  readonly interfaces: readonly Interface[];
  /** MACs of other directors. */
  readonly directors: readonly MacAddress[];
  /** Bits of enum feature: what the program must be able to do. */
  readonly features: number;
  /** Entries of the tables of flows at least; 0 where no service of the family needs any. */
  readonly flows: FlowTableSizes;
  readonly timeouts: Timeouts;
}

/** What of a model the data path is compiled from. */
export type Compilable = Pick<
  Model,
  'services' | 'markServices' | 'markRules' | 'fragments' | 'vlans' | 'directors' | 'timeouts' | 'flows'
>;

/** What a Service object compiled to, kept with the object: services that did not change cost next to nothing. */
interface Prepared {
  readonly name: string;
  /** Orders services by address, port and protocol. */
  readonly sortKey: string;
  readonly destinations: readonly Destination[];
  readonly slots: number;
  last?: { readonly compiled: CompiledService; readonly signature: string | undefined };
}

/** A ring and what it was built from, as a string. */
interface SignedRing {
  readonly ring: Ring;
  readonly signature: string;
}

/** The rings in use, by signature: services with the same real servers share one, here and in the maps. */
type Rings = Map<string, Ring>;

const prepared = new WeakMap<Service, Prepared>();

/**
 * Compiles a model for the surroundings it is in.
 *
 * Pure: what is remembered from call to call only saves time. A service that did not change, in surroundings that did
 * not change for it, compiles to the very same object.
 *
 * @throws BeelineError `TABLE_FULL` when a service has more destinations than its ring has slots, or than slots can tell apart
 */
export function compile(model: Compilable, world: World): Image {
  const interfaces = [...world.interfaces].sort((a, b) => a.ifindex - b.ifindex);
  const routes = new Map<IpAddress, Route>();
  const routeTo: RouteTo = (destination) => {
    const { address, mac, vlan } = destination;
    if (mac !== undefined || vlan !== undefined) {
      return routeFor(destination, world);
    }
    let route = routes.get(address);
    if (route === undefined) {
      route = routeFor(destination, world);
      routes.set(address, route);
    }
    return route;
  };
  const all = servicesToCompile(model);
  const services = compileServices(all, routeTo);
  const directors = (model.directors ?? []).flatMap((each) => macOfDirector(each, world) ?? []);
  return {
    services,
    markEntries: markEntries(model),
    interfaces,
    directors,
    features: featuresFor(model, services, interfaces),
    flows: { ipv4: flowsFor(4, all, model), ipv6: flowsFor(6, all, model) },
    timeouts: withDefaults(DEFAULT_TIMEOUTS, model.timeouts),
  };
}

function flowsFor(family: Family, services: readonly Service[], { flows }: Compilable): number {
  const needed = services.some(
    // Of marked packets some may be TCP, which is remembered all the same.
    ({ address, onePacket, mark }) => familyOf(address) === family && (onePacket !== true || mark !== undefined),
  );
  return needed ? withDefaults(DEFAULT_FLOWS, flows)[`ipv${family}`] : 0;
}

type RouteTo = (destination: Destination) => Route;

function macOfDirector(director: string, { resolutions }: World): MacAddress | undefined {
  const resolution = resolutions.get(director);
  return isMac(director) ? director : resolution?.state === 'resolved' ? resolution.mac : undefined;
}

function featuresFor(
  { fragments = true, vlans, directors = [] }: Compilable,
  services: readonly CompiledService[],
  interfaces: readonly Interface[],
): number {
  const some = (test: (service: CompiledService) => boolean): boolean => services.some(test);
  const hasVlan = ({ routes }: CompiledService): boolean =>
    routes.some((route) => route.action === 'forward' && route.vlan !== undefined);
  const wanted: Record<keyof typeof feature, boolean> = {
    ipv4: some(({ service }) => familyOf(service.address) === 4),
    ipv6: some(({ service }) => familyOf(service.address) === 6),
    vlan: vlans ?? some(hasVlan),
    nics: interfaces.length > 1,
    fragments,
    ttl: some(({ service }) => service.ttl === 'decrement'),
    directors: directors.length > 0,
    // Also where nothing is to be remembered yet: changes shall not wait until the program is loaded anew.
    flows: services.length > 0,
  };
  return Object.entries(wanted).reduce(
    (bits, [name, on]) => (on ? bits | feature[name as keyof typeof feature] : bits),
    0,
  );
}

/** The names of the features whose bits are set. */
export function featureNames(features: number): string[] {
  return Object.entries(feature)
    .filter(([, bit]) => (features & bit) !== 0)
    .map(([name]) => name);
}

function compileServices(services: readonly Service[], routeTo: RouteTo): CompiledService[] {
  const all = services
    .map((service) => ({ service, found: prepare(service) }))
    .sort((a, b) => (a.found.sortKey < b.found.sortKey ? -1 : 1));
  const rings: Rings = new Map();
  for (const { last } of all.map(({ found }) => found)) {
    if (last?.signature !== undefined) {
      rings.set(last.signature, last.compiled.ring!);
    }
  }
  return all.map(({ service, found }) => compileService(service, found, routeTo, rings));
}

function compileService(service: Service, found: Prepared, routeTo: RouteTo, rings: Rings): CompiledService {
  const { name, destinations, last } = found;
  const routes = destinations.map(routeTo);
  if (last !== undefined && routes.every((route, i) => sameRoute(route, last.compiled.routes[i]!))) {
    return last.compiled;
  }
  const signed = ringFor(service, found, routes, rings);
  const tracks = (service.track !== 'moved' || service.mark !== undefined) && service.onePacket !== true;
  const compiled = { service, name, destinations, routes, ring: signed?.ring, tracks, slots: found.slots };
  found.last = { compiled, signature: signed?.signature };
  return compiled;
}

/** Ring sizes and how many destinations they are for: at least 102 slots each, 128 from the second on. */
const RING_SIZES = [
  { slots: 1 << 10, destinations: 10 },
  { slots: 1 << 12, destinations: 32 },
  { slots: 1 << 14, destinations: 128 },
  { slots: 1 << 16, destinations: 512 },
] as const;

/**
 * How many slots a service's ring has unless it says so itself.
 *
 * Small, because a thousand services' rings shall stay in the processor's caches; in steps of four, because a service
 * that outgrows its ring has most of its flows moved; and by the destinations that are configured, so that it is never
 * health or draining that does it.
 */
export function slotsFor(destinations: number): number {
  const size = RING_SIZES.find(({ destinations: most }) => destinations <= most);
  return size?.slots ?? Math.min(MAX_SLOTS, 2 ** Math.ceil(Math.log2(destinations * 128)));
}

function prepare(service: Service): Prepared {
  let found = prepared.get(service);
  if (found === undefined) {
    const name = serviceName(service);
    const destinations =
      service.scheduler === 'maglev'
        ? [...service.destinations].sort((a, b) => compareIp(a.address, b.address))
        : service.destinations.toReversed();
    if (destinations.length > MAX_MEMBERS) {
      throw new BeelineError(
        'TABLE_FULL',
        `${name} has ${destinations.length} real servers, more than ${MAX_MEMBERS}`,
        {
          hint: 'Spread them over several services.',
        },
      );
    }
    const slots = service.slots ?? slotsFor(destinations.length);
    const most = service.scheduler === 'mh' ? MH_SLOTS : service.scheduler === 'maglev' ? slots : Infinity;
    if (destinations.length > most) {
      throw new BeelineError('TABLE_FULL', `${name} has ${destinations.length} real servers but only ${most} slots`, {
        hint: 'Raise "slots", or leave it out; under "mh" their number is fixed.',
      });
    }
    found = { name, sortKey: sortKeyOf(service), destinations, slots };
    prepared.set(service, found);
  }
  return found;
}

/** A string that sorts as the service does: family, address, port, protocol, each of fixed width. */
function sortKeyOf({ address, port, protocol, mark }: Service): string {
  if (mark !== undefined) {
    return String.fromCharCode(0xff, mark >>> 16, mark & 0xffff, familyOf(address));
  }
  const parts = [...ipBytes(address), port >> 8, port & 0xff];
  return String.fromCharCode(familyOf(address), ...parts) + protocol;
}

function routeFor(destination: Destination, { interfaces, resolutions }: World): Route {
  const { address, mac, interface: name, vlan } = destination;
  if (mac !== undefined) {
    const egress = name === undefined ? interfaces[0] : interfaces.find((each) => each.name === name);
    return egress === undefined
      ? { action: 'none', reason: name === undefined ? 'the interface is missing' : `interface ${name} is missing` }
      : { action: 'forward', mac, sourceMac: egress.mac, ifindex: egress.ifindex, vlan };
  }
  const resolution = resolutions.get(address);
  switch (resolution?.state) {
    case 'resolved': {
      const egress = interfaces.find(({ ifindex }) => ifindex === resolution.ifindex);
      return egress === undefined
        ? { action: 'none', reason: "reached through an interface that is not the director's" }
        : {
            action: 'forward',
            mac: resolution.mac,
            sourceMac: egress.mac,
            ifindex: egress.ifindex,
            vlan: vlan ?? resolution.vlan,
          };
    }
    case 'local':
      return interfaces[0] === undefined
        ? { action: 'none', reason: 'the interface is missing' }
        : { action: 'local', sourceMac: interfaces[0].mac };
    case 'unresolved':
      return { action: 'none', reason: resolution.reason };
    case undefined:
      return { action: 'none', reason: 'not resolved yet' };
  }
}

function sameRoute(a: Route, b: Route): boolean {
  switch (a.action) {
    case 'forward':
      return (
        b.action === 'forward' &&
        a.mac === b.mac &&
        a.sourceMac === b.sourceMac &&
        a.ifindex === b.ifindex &&
        a.vlan?.id === b.vlan?.id &&
        a.vlan?.outer === b.vlan?.outer
      );
    case 'local':
      return b.action === 'local' && a.sourceMac === b.sourceMac;
    case 'none':
      return b.action === 'none' && a.reason === b.reason;
  }
}

/** Builds a service's ring, or finds it among those of other services with the same real servers. */
function ringFor(
  service: Service,
  { destinations, slots }: Prepared,
  routes: readonly Route[],
  rings: Rings,
): SignedRing | undefined {
  const members = destinations.flatMap((destination, index) =>
    routes[index]!.action === 'none' ? [] : { destination, index },
  );
  const plan = planRing(service, members, slots);
  if (plan === undefined) {
    return undefined;
  }
  const { signature, build } = plan;
  let ring = rings.get(signature);
  if (ring === undefined) {
    ring = build();
    rings.set(signature, ring);
  }
  return { ring, signature };
}

/**
 * The ring of some real servers, by their order; undefined when none takes flows. What `compile` built of them before.
 *
 * @param slots what `compile` gave as the ring's size
 */
export function rebuildRing({
  scheduler,
  port,
  slots,
  members,
}: {
  readonly scheduler: Scheduler;
  readonly port: number;
  readonly slots: number;
  readonly members: readonly (readonly [address: IpAddress, weight: number])[];
}): Ring | undefined {
  const all = members.map(([address, weight], index) => ({ destination: { address, weight }, index }));
  return planRing({ scheduler, port, address: '0.0.0.0' }, all, slots)?.build();
}

/** A destination that packets can be sent to, and its place among all of the service's. */
interface Member {
  readonly destination: Destination;
  readonly index: number;
}

/** How a ring is built, and what tells it from others; undefined when no destination takes flows, or there is no ring. */
function planRing(
  service: Pick<Service, 'scheduler' | 'port' | 'address'>,
  members: readonly Member[],
  slots: number,
): { signature: string; build: () => Ring } | undefined {
  const { scheduler, port, address } = service;
  const active = members.filter(({ destination: { weight } }) => weight > 0);
  const sign = (some: readonly Member[]): string =>
    some.map(({ destination, index }) => `${index} ${destination.address} ${destination.weight}`).join();
  const indices = (some: readonly Member[], ring: Uint16Array): Ring => ring.map((place) => some[place]!.index);
  if (active.length === 0) {
    return undefined;
  }
  switch (scheduler) {
    case 'maglev': {
      const keyed = active.map(({ destination }) => ({
        key: ipBytes(destination.address),
        weight: destination.weight,
      }));
      return { signature: `maglev ${slots} ${sign(active)}`, build: () => indices(active, buildRing(keyed, slots)) };
    }
    case 'mh': {
      const hashed = active.map(({ destination }) => ({
        address: foldAddress(ipBytes(destination.address)),
        port,
        weight: destination.weight,
      }));
      return { signature: `mh ${port} ${sign(active)}`, build: () => indices(active, buildMhTable(hashed)!) };
    }
    case 'sh': {
      const weights = members.map(({ destination }) => destination.weight);
      return { signature: `sh ${sign(members)}`, build: () => indices(members, buildShTable(weights)) };
    }
    case 'dh': {
      const { index } = members[dhIndex(ipBytes(address), members.length)]!;
      return { signature: `dh ${index}`, build: () => Uint16Array.of(index) };
    }
    case 'rr':
      return {
        signature: `rr ${sign(active)}`,
        build: () => Uint16Array.from(active, ({ index }) => index),
      };
    case 'wrr': {
      const weights = active.map(({ destination }) => destination.weight);
      return { signature: `wrr ${sign(active)}`, build: () => indices(active, wrrSequence(weights)) };
    }
    default:
      return undefined;
  }
}
