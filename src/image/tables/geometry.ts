/** Geometry: how large the tables are, and how large an image needs them. */

import * as layout from '../../layout/index.js';
import { BeelineError, type Family } from '../../model/index.js';
import type { Image } from '../image.js';
import { highestNumbers, type Numbering } from '../numbering.js';
import { entriesFor } from './cuckoo.js';
import { poolSlots } from './places.js';
import { ghostKeysOf, keysOf, ownOf, vipsOf } from './service-keys.js';

/** Sizes of the tables, fixed when the program is loaded: powers of two. */
export interface Geometry {
  /** Entries of the IPv4 and of the IPv6 service table. */
  readonly services4: number;
  readonly services6: number;
  /** Slots of all rings together. */
  readonly slots: number;
  /** Destination numbers, service numbers. */
  readonly destinations: number;
  readonly services: number;
  /** Entries of the IPv4 and of the IPv6 flow table at most: flows use a part of it that grows with them. */
  readonly flows4: number;
  readonly flows6: number;
}

/** Entries of a bucket of flows. */
export const FLOW_WAYS = layout.flowWays;

/** The first geometry of a director: 1.5 MB, plus the flow tables. It grows with the configuration. */
export const SMALLEST_GEOMETRY: Geometry = {
  services4: 1 << 9,
  services6: 1 << 8,
  slots: 1 << 16,
  destinations: 1 << 10,
  services: 1 << 8,
  flows4: FLOW_WAYS.ipv4,
  flows6: FLOW_WAYS.ipv6,
};

const GEOMETRY_KEYS = Object.keys(SMALLEST_GEOMETRY) as (keyof Geometry)[];

/** The largest number that the entry of a flow has bits for; 0 is none. */
const MAX_DESTINATION_NUMBER = layout.flowField['number-mask'];

/** 16 bits; 0 is none. */
const MAX_SERVICE_NUMBER = 0xffff;

/** The part of the available memory that flow tables may take. */
const MEMORY_SHARE = 0.8;

/** The bytes of one entry of each table, which has no length in the layout. */
export const SLOT_BYTES = layout.destinations.slot.stride;
export const DESTINATION_BYTES = layout.destination.byteLength;
export const EGRESS_BYTES = layout.egress.byteLength;
export const CANDIDATE_BYTES = layout.candidate.byteLength;

/** The bytes before the first destination of its table. */
export const DESTINATIONS_HEADER_BYTES = layout.destinations.entry.offset;

/**
 * Returns the smallest geometry that an image fits into.
 *
 * @throws BeelineError `TABLE_FULL`
 */
export function requiredGeometry(image: Image, numbering: Numbering): Geometry {
  const highest = highestNumbers(numbering);
  if (highest.service > MAX_SERVICE_NUMBER) {
    throw new BeelineError('TABLE_FULL', `there are more than ${MAX_SERVICE_NUMBER} virtual services`, {
      hint: 'Let one service take all ports of a VIP ("port: 0"), or spread them over several directors.',
    });
  }
  if (highest.destination > MAX_DESTINATION_NUMBER) {
    throw new BeelineError(
      'TABLE_FULL',
      `the services have more than ${MAX_DESTINATION_NUMBER} real servers together`,
      {
        hint: 'Spread the services over several directors.',
      },
    );
  }
  const entriesOf = (family: Family): number =>
    entriesFor(
      keysOf(family, image).length +
        ghostKeysOf(family, image).length +
        vipsOf(family, image).size +
        ownOf(family, image).length,
    );
  return {
    services4: entriesOf(4),
    services6: entriesOf(6),
    slots: powerOfTwo(poolSlots(image.services)),
    destinations: powerOfTwo(highest.destination + 1),
    services: powerOfTwo(highest.service + 1),
    flows4: wholeBuckets(image.flows.ipv4, FLOW_WAYS.ipv4),
    flows6: wholeBuckets(image.flows.ipv6, FLOW_WAYS.ipv6),
  };
}

export function fits(need: Geometry, geometry: Geometry): boolean {
  return GEOMETRY_KEYS.every((key) => need[key] <= geometry[key]);
}

/** The tables that grow with each service and real server that is added. */
const GROWING = ['services4', 'services6', 'slots', 'destinations', 'services'] as const;

/** How large they become for what may come alone: never so large that the kernel refuses what there is. */
const MOST_SPARE: Readonly<Record<(typeof GROWING)[number], number>> = {
  services4: 1 << 18,
  services6: 1 << 18,
  slots: 1 << 20,
  destinations: 1 << 16,
  services: 1 << 16,
};

/**
 * Returns the next geometry: nothing shrinks, and a table that grows at least doubles, since sizes are powers of two.
 *
 * @param geometry of the maps in use; undefined: there are none. To replace them takes longer than all else, since the
 *   program is loaded again: then all tables that are half full grow too
 * @param expected how many more destinations are about to come, of services like those that there are
 */
export function grow(need: Geometry, geometry?: Geometry, expected = 0): Geometry {
  const grown = { ...(geometry ?? SMALLEST_GEOMETRY) };
  for (const key of GEOMETRY_KEYS) {
    grown[key] = Math.max(need[key], grown[key]);
  }
  const times = Math.max(geometry === undefined ? 1 : 2, 1 + expected / need.destinations);
  for (const key of GROWING) {
    grown[key] = Math.max(grown[key], Math.min(powerOfTwo(need[key] * times), MOST_SPARE[key]));
  }
  return grown;
}

/**
 * Refuses flow tables that would leave the host, which has other tasks too, without memory.
 *
 * @param bytes the size of both tables
 * @param available bytes
 * @throws BeelineError `OUT_OF_MEMORY`
 */
export function requireMemory(bytes: number, available: number): void {
  if (bytes > available * MEMORY_SHARE) {
    const [need, there] = [bytes, available].map((each) => (each / 1e6).toFixed(0));
    throw new BeelineError('OUT_OF_MEMORY', `the flow tables need ${need!} MB; ${there!} MB of memory are available`, {
      hint: 'Lower "flows" in the configuration.',
    });
  }
}

function wholeBuckets(entries: number, ways: number): number {
  return powerOfTwo(Math.max(1, Math.ceil(entries / ways))) * ways;
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(least));
}
