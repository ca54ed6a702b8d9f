/** Rings: which table each service's scheduler looks flows up in, and how large it is. */

import {
  type Destination,
  type IpAddress,
  ipBytes,
  MAX_SLOTS,
  type Scheduler,
  type AnyService,
  isMarkKey,
} from '../model/index.js';
import { isInRing } from './held.js';
import { buildMhTable, buildShTable, dhIndex, foldAddress } from './ipvs-hash.js';
import { buildRing, type Ring } from './ring.js';
import type { Route } from './routes.js';
import { wrrSequence } from './sequence.js';

/** A ring and a string that says what it was built from. */
export interface SignedRing {
  readonly ring: Ring;
  readonly signature: string;
}

/** The rings in use, by signature: services with the same real servers share one, here and in the maps. */
export type Rings = Map<string, Ring>;

/** Ring sizes and the most destinations that each is for: at least 102 slots each, 128 from the second size on. */
const RING_SIZES = [
  { slots: 1 << 10, destinations: 10 },
  { slots: 1 << 12, destinations: 32 },
  { slots: 1 << 14, destinations: 128 },
  { slots: 1 << 16, destinations: 512 },
] as const;

/**
 * Returns the number of slots of a service's ring if the configuration does not say.
 *
 * Rings are small, because those of a thousand services should stay in the processor's caches. Sizes go in steps of
 * four, because most flows of a service that outgrows its ring move. They follow the configured destinations, so that
 * health and draining never change them.
 */
export function slotsFor(destinations: number): number {
  const size = RING_SIZES.find(({ destinations: most }) => destinations <= most);
  return size?.slots ?? Math.min(MAX_SLOTS, 2 ** Math.ceil(Math.log2(destinations * 128)));
}

/**
 * Builds a service's ring, or finds it among those of other services with the same real servers.
 *
 * @param destinations in the ring's order, with their `routes`
 * @returns undefined if no destination takes flows, or the scheduler has no ring
 */
export function ringFor(
  service: AnyService,
  destinations: readonly Destination[],
  routes: readonly Route[],
  slots: number,
  rings: Rings,
): SignedRing | undefined {
  const members = destinations.flatMap((destination, index) =>
    isInRing(destination, routes[index]!) ? { destination, index } : [],
  );
  const plan = planRing(ringServiceOf(service), members, slots);
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
 * Rebuilds the ring that `compile` made of some real servers. Undefined if none of them takes flows.
 *
 * @param slots the size that `compile` gave for the ring
 * @param members in the ring's order
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
  return planRing({ scheduler, port, vip: NO_VIP }, all, slots)?.build();
}

/** A destination that packets can be sent to, and its index among all of the service's. */
interface Member {
  readonly destination: Destination;
  readonly index: number;
}

interface RingPlan {
  /** Equal for equal rings. */
  readonly signature: string;
  readonly build: () => Ring;
}

/** The part of a service that its ring depends on, beside the members. */
interface RingService {
  readonly scheduler: Scheduler;
  /** 0 for a mark's service, as in IPVS. */
  readonly port: number;
  /** The bytes of the VIP; all VIPs of a mark are one address (ADR 13). */
  readonly vip: Uint8Array;
}

const NO_VIP = new Uint8Array(4);

function ringServiceOf(service: AnyService): RingService {
  return isMarkKey(service)
    ? { scheduler: service.scheduler, port: 0, vip: new Uint8Array(service.family === 4 ? 4 : 16) }
    : { scheduler: service.scheduler, port: service.port, vip: ipBytes(service.address) };
}

/** Returns how to build a ring. Undefined if no destination takes flows, or the scheduler has no ring. */
function planRing(
  { scheduler, port, vip }: RingService,
  members: readonly Member[],
  slots: number,
): RingPlan | undefined {
  const active = members.filter(({ destination: { weight } }) => weight > 0);
  if (active.length === 0) {
    return undefined;
  }
  const weightsOf = (some: readonly Member[]): number[] => some.map(({ destination: { weight } }) => weight);
  switch (scheduler) {
    case 'maglev': {
      const keyed = active.map(({ destination: { address: rip, weight } }) => ({ key: ipBytes(rip), weight }));
      return {
        signature: `maglev ${slots} ${describe(active)}`,
        build: () => indicesOf(active, buildRing(keyed, slots)),
      };
    }
    case 'mh': {
      const hashed = active.map(({ destination }) => ({
        address: foldAddress(ipBytes(destination.address)),
        port,
        weight: destination.weight,
      }));
      return { signature: `mh ${port} ${describe(active)}`, build: () => indicesOf(active, buildMhTable(hashed)!) };
    }
    case 'sh':
      return {
        signature: `sh ${describe(members)}`,
        build: () => indicesOf(members, buildShTable(weightsOf(members))),
      };
    case 'dh': {
      const { index } = members[dhIndex(vip, members.length)]!;
      return { signature: `dh ${index}`, build: () => Uint16Array.of(index) };
    }
    case 'rr':
      return { signature: `rr ${describe(active)}`, build: () => Uint16Array.from(active, ({ index }) => index) };
    case 'wrr':
      return {
        signature: `wrr ${describe(active)}`,
        build: () => indicesOf(active, wrrSequence(weightsOf(active))),
      };
    default:
      return undefined;
  }
}

function describe(members: readonly Member[]): string {
  return members.map(({ destination, index }) => `${index} ${destination.address} ${destination.weight}`).join();
}

/** Turns places among `members` into indices into the service's destinations. */
function indicesOf(members: readonly Member[], places: Uint16Array): Ring {
  return places.map((place) => members[place]!.index);
}
