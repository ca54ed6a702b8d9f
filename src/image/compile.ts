/** Compiles a model to an image. The same model in the same world gives the same image, byte for byte. */

import {
  BeelineError,
  compareIp,
  DEFAULT_FLOWS,
  DEFAULT_TIMEOUTS,
  type Destination,
  type Family,
  familyOf,
  type IpAddress,
  ipBytes,
  isMac,
  type MacAddress,
  oncePer,
  allServices,
  type AnyService,
  familyOfService,
  isMarkKey,
  serviceName,
  withDefaults,
  type World,
} from '../model/index.js';
import { withRouters } from './above.js';
import { answerSourcesOf } from './answers.js';
import { featuresFor } from './features.js';
import type { Compilable, CompiledService, Image } from './image.js';
import { MH_SLOTS } from './ipvs-hash.js';
import { type MarkEntry, markEntries } from './marks.js';
import { MAX_MEMBERS } from './ring.js';
import { ringFor, type Rings, slotsFor } from './rings.js';
import { isSameRoute, type Router, routerOf } from './routes.js';
import { ownVlans } from './vlans.js';

/**
 * Compiles a model for the world that it is in.
 *
 * Pure: what it remembers between calls only saves time. A service compiles to the same object as before if neither it
 * nor its part of the world changed.
 *
 * @throws BeelineError `TABLE_FULL` if a service has more destinations than its ring has slots, or than slots can number
 */
export function compile(model: Compilable, world: World): Image {
  const interfaces = [...withRouters(world.interfaces, model)].sort(
    // The host's own is never the first, by which frames come unless something else is said.
    (a, b) => Number(a.fromHost ?? false) - Number(b.fromHost ?? false) || a.ifindex - b.ifindex,
  );
  const wanted = allServices(model);
  const services = compileServices(wanted, world);
  const entries = markEntries(model);
  return {
    services,
    markEntries: entries,
    ghosts: [],
    interfaces,
    own: ownAddresses(services, entries, world),
    answerSources: answerSourcesOf(interfaces, wanted, entries),
    icmpLimits: world.icmpLimits,
    vlans: ownVlans(model, services, interfaces),
    directors: (model.directors ?? []).flatMap((each) => macOfDirector(each, world) ?? []),
    features: featuresFor(model, services, interfaces),
    flows: { ipv4: flowsFor(4, wanted, model), ipv6: flowsFor(6, wanted, model) },
    timeouts: model.timeouts === undefined ? DEFAULT_TIMEOUTS : completed(model.timeouts),
  };
}

/** Returns the host's addresses that are no VIPs: whether the host has a VIP changes nothing. */
function ownAddresses(
  services: readonly CompiledService[],
  entries: readonly MarkEntry[],
  { own = [] }: World,
): IpAddress[] {
  const vips = new Set([
    ...services.flatMap(({ service }) => (isMarkKey(service) ? [] : service.address)),
    ...entries.map(({ address }) => address),
  ]);
  return [...new Set(own)].filter((address) => !vips.has(address)).sort(compareIp);
}

/** The same object for the same timeouts: what depends on them need not be computed again. */
const completed = oncePer((timeouts: NonNullable<Compilable['timeouts']>) => withDefaults(DEFAULT_TIMEOUTS, timeouts));

function compileServices(services: readonly AnyService[], world: World): CompiledService[] {
  const all = services
    .map((service) => ({ service, prepared: prepare(service) }))
    .sort((a, b) => (a.prepared.sortKey < b.prepared.sortKey ? -1 : 1));
  const rings: Rings = new Map();
  for (const { last } of all.map(({ prepared }) => prepared)) {
    if (last?.signature !== undefined) {
      rings.set(last.signature, last.compiled.ring!);
    }
  }
  const router = routerOf(world);
  return all.map(({ service, prepared }) => {
    const { last } = prepared;
    if (world.state !== undefined && last?.state === world.state) {
      return last.compiled;
    }
    const compiled = compileService(service, prepared, router, rings);
    if (world.state !== undefined) {
      prepared.last!.state = world.state;
    }
    return compiled;
  });
}

function compileService(service: AnyService, prepared: Prepared, router: Router, rings: Rings): CompiledService {
  const { name, destinations, slots, last } = prepared;
  const routes = destinations.map(router);
  if (last !== undefined && routes.every((route, i) => isSameRoute(route, last.compiled.routes[i]!))) {
    return last.compiled;
  }
  const signed = ringFor(service, destinations, routes, slots, rings);
  const tracks = (service.track !== 'moved' || isMarkKey(service)) && service.onePacket !== true;
  const compiled = { service, name, destinations, routes, ring: signed?.ring, tracks, slots };
  prepared.last = { compiled, signature: signed?.signature };
  return compiled;
}

/** The part of a compiled service that does not depend on the world, and the last result. */
interface Prepared {
  readonly name: string;
  /** Orders services by address, port and protocol. */
  readonly sortKey: string;
  readonly destinations: readonly Destination[];
  readonly slots: number;
  last?: {
    readonly compiled: CompiledService;
    readonly signature: string | undefined;
    /** Of the last world that it was compiled for. */
    state?: World['state'];
  };
}

/** Kept with the Service object, so that a service that did not change costs next to nothing. */
const prepare = oncePer((service: AnyService): Prepared => {
  const name = serviceName(service);
  const slots = service.slots ?? slotsFor(service.destinations.length);
  requireSlots(service, name, slots);
  return { name, sortKey: sortKeyOf(service), destinations: inRingOrder(service), slots };
});

/** @throws BeelineError `TABLE_FULL` */
function requireSlots({ scheduler, destinations: { length } }: AnyService, name: string, slots: number): void {
  if (length > MAX_MEMBERS) {
    throw new BeelineError('TABLE_FULL', `${name} has ${length} real servers, more than ${MAX_MEMBERS}`, {
      hint: 'Spread them over several services.',
    });
  }
  const most = scheduler === 'mh' ? MH_SLOTS : scheduler === 'maglev' ? slots : Infinity;
  if (length > most) {
    throw new BeelineError('TABLE_FULL', `${name} has ${length} real servers but only ${most} slots`, {
      hint: 'Raise "slots", or leave it out; the scheduler mh always has the same number.',
    });
  }
}

/** By address under maglev; otherwise as IPVS looks at them, the one added last first. */
function inRingOrder({ scheduler, destinations }: AnyService): Destination[] {
  return scheduler === 'maglev'
    ? [...destinations].sort((a, b) => compareIp(a.address, b.address))
    : destinations.toReversed();
}

/** A string that sorts as the service does: family, address, port, protocol, each of fixed width. */
function sortKeyOf(service: AnyService): string {
  if (isMarkKey(service)) {
    return String.fromCharCode(0xff, service.mark >>> 16, service.mark & 0xffff, service.family);
  }
  const { address, port, protocol } = service;
  const parts = [...ipBytes(address), port >> 8, port & 0xff];
  return String.fromCharCode(familyOf(address), ...parts) + protocol;
}

/** How many flows of a family must be remembered at most. */
function flowsFor(family: Family, services: readonly AnyService[], { flows }: Compilable): number {
  const isNeeded = services.some(
    // Some marked packets may be TCP, whose flows are remembered even with `onePacket`.
    (service) => familyOfService(service) === family && (service.onePacket !== true || isMarkKey(service)),
  );
  // Without services too, as in featuresFor().
  return isNeeded || (services.length === 0 && family === 4) ? withDefaults(DEFAULT_FLOWS, flows)[`ipv${family}`] : 0;
}

function macOfDirector(director: IpAddress | MacAddress, { resolutions }: World): MacAddress | undefined {
  if (isMac(director)) {
    return director;
  }
  const resolution = resolutions.get(director);
  return resolution?.state === 'resolved' ? resolution.mac : undefined;
}
