/** From a model to what packets need: the same model and surroundings give the same image, byte for byte. */

import {
  BeelineError,
  compareIp,
  familyOf,
  ipBytes,
  isMac,
  serviceName,
  type Destination,
  type Interface,
  type IpAddress,
  type MacAddress,
  type Model,
  type Service,
  type Vlan,
  type World,
} from '../model/index.js';
import { buildRing, MAX_MEMBERS, MAX_SLOTS, type Ring } from '../schedule/ring.js';
import { feature } from './layout.generated.js';

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
  /** The service's destinations by address: the order that the ring counts in. */
  readonly destinations: readonly Destination[];
  /** One for each destination. */
  readonly routes: readonly Route[];
  /** Slot to index into `destinations`; undefined when no destination takes packets. Equal rings are one object. */
  readonly ring: Ring | undefined;
}

/** All that packets need. */
export interface Image {
  /** In the order of their addresses, ports and protocols. */
  readonly services: readonly CompiledService[];
  /** The director's own, by index. */
  readonly interfaces: readonly Interface[];
  /** MACs of other directors. */
  readonly directors: readonly MacAddress[];
  /** Bits of enum feature: what the program must be able to do. */
  readonly features: number;
}

/** What of a model the data path is compiled from. */
export type Compilable = Pick<Model, 'services' | 'fragments' | 'vlans' | 'directors'>;

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
  const services = compileServices(model.services, routeTo);
  const directors = (model.directors ?? []).flatMap((each) => macOfDirector(each, world) ?? []);
  return { services, interfaces, directors, features: featuresFor(model, services, interfaces) };
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
  const signed = ringFor(found, routes, rings);
  const compiled = { service, name, destinations, routes, ring: signed?.ring };
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
    const destinations = [...service.destinations].sort((a, b) => compareIp(a.address, b.address));
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
    if (destinations.length > slots) {
      throw new BeelineError('TABLE_FULL', `${name} has ${destinations.length} real servers but only ${slots} slots`, {
        hint: 'Raise "slots", or leave it out.',
      });
    }
    found = { name, sortKey: sortKeyOf(service), destinations, slots };
    prepared.set(service, found);
  }
  return found;
}

/** A string that sorts as the service does: family, address, port, protocol, each of fixed width. */
function sortKeyOf({ address, port, protocol }: Service): string {
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

/** Whether a destination has slots. */
function takesPackets({ weight }: Destination, route: Route): boolean {
  return weight > 0 && route.action !== 'none';
}

/** Builds a service's ring, or finds it among those of other services with the same real servers. */
function ringFor({ destinations, slots }: Prepared, routes: readonly Route[], rings: Rings): SignedRing | undefined {
  const takes = destinations.map((destination, i) => takesPackets(destination, routes[i]!));
  const active = [...destinations.keys()].filter((i) => takes[i]);
  if (active.length === 0) {
    return undefined;
  }
  const signature = `${slots} ${active.map((i) => `${i} ${destinations[i]!.address} ${destinations[i]!.weight}`).join()}`;
  let ring = rings.get(signature);
  if (ring === undefined) {
    const members = active.map((i) => ({ key: ipBytes(destinations[i]!.address), weight: destinations[i]!.weight }));
    ring = buildRing(members, slots).map((ordinal) => active[ordinal]!);
    rings.set(signature, ring);
  }
  return { ring, signature };
}
