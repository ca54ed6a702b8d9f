/** The numbers of services and destinations in the maps, which they keep for as long as they or their flows exist. */

import { type Destination, type IpAddress, oncePer } from '../model/index.js';
import type { Image } from './image.js';

declare const numbered: unique symbol;

/** The number of a service, or of a mark's entry. `renumber` gives it; `serviceNumber` marks one that was read. */
export type ServiceNumber = number & { readonly [numbered]: 'service' };

/** The number of a destination. `renumber` gives it; `destinationNumber` marks one that was read. */
export type DestinationNumber = number & { readonly [numbered]: 'destination' };

/** Marks a number that stands for a service in a map. */
export function serviceNumber(read: number): ServiceNumber {
  return read as ServiceNumber;
}

/** Marks a number that stands for a destination in a map. */
export function destinationNumber(read: number): DestinationNumber {
  return read as DestinationNumber;
}

export interface ServiceNumbers {
  readonly number: ServiceNumber;
  readonly destinations: ReadonlyMap<IpAddress, DestinationNumber>;
}

/**
 * By the name of a service or of a mark's entry. Also those that are not in the image any more, and destinations that
 * their service has lost, for as long as their numbers rest. Numbers start at 1: service 0 counts packets for a VIP that
 * no service takes, and destination 0 is none.
 */
export type Numbering = ReadonlyMap<string, ServiceNumbers>;

/** Some numbers. */
export interface NumberSet {
  readonly services: readonly ServiceNumber[];
  readonly destinations: readonly DestinationNumber[];
}

export interface Renumbering {
  readonly numbering: Numbering;
  /** Numbers to zero and to name before packets see them. */
  readonly added: NumberSet;
  /** Numbers to free when no packet can see them any more. */
  readonly removed: NumberSet;
}

/**
 * Numbers the services and destinations of an image. Each keeps the number that it has; a new one gets the lowest that
 * is not in use, so that counters and flows of one destination are never taken for another's.
 *
 * What is not in the image any more keeps its number too, and gets it back with its flows if it returns: the number
 * rests, until `free` has it. A service is freed with all its destinations.
 *
 * A service whose destinations are the same keeps its ServiceNumbers object; if all do, the result is `previous` itself.
 */
export function renumber(previous: Numbering, image: Image, free: NumberSet = NO_NUMBERS): Renumbering {
  const services = new NumberPool<ServiceNumber>(() => [...previous.values()].map(({ number }) => number));
  const destinations = new NumberPool<DestinationNumber>(() =>
    [...previous.values()].flatMap((service) => [...service.destinations.values()]),
  );
  const numbering = new Map<string, ServiceNumbers>();
  const all = [...image.services, ...image.markEntries.map(({ name }) => ({ name, destinations: NO_DESTINATIONS }))];
  const goes = new Set(free.destinations);
  for (const { name, destinations: wanted } of all) {
    const known = previous.get(name);
    const kept = known && without(known, goes, wanted);
    if (kept !== undefined && hasAll(kept, wanted)) {
      numbering.set(name, kept);
      continue;
    }
    const numbers = new Map(kept?.destinations);
    for (const { address } of wanted) {
      numbers.set(address, numbers.get(address) ?? destinations.take());
    }
    const result = { number: kept?.number ?? services.take(), destinations: numbers };
    lists.set(result, wanted);
    numbering.set(name, result);
  }
  const gone = new Set(free.services);
  for (const [name, known] of previous) {
    if (!numbering.has(name) && !gone.has(known.number)) {
      numbering.set(name, without(known, goes, NO_DESTINATIONS));
    }
  }
  const same = previous.size === numbering.size && [...numbering].every(([name, each]) => previous.get(name) === each);
  return {
    numbering: same ? previous : numbering,
    added: { services: services.taken, destinations: destinations.taken },
    removed: removedBetween(previous, numbering),
  };
}

export const NO_NUMBERS: NumberSet = { services: [], destinations: [] };

/** Returns a service without the destinations that are freed and not wanted. */
function without(
  known: ServiceNumbers,
  free: ReadonlySet<DestinationNumber>,
  wanted: readonly Destination[],
): ServiceNumbers {
  if (free.size === 0 || ![...known.destinations.values()].some((number) => free.has(number))) {
    return known;
  }
  const back = new Set(wanted.map(({ address }) => address));
  const kept = [...known.destinations].filter(([address, number]) => !free.has(number) || back.has(address));
  return kept.length === known.destinations.size ? known : { number: known.number, destinations: new Map(kept) };
}

/** A mark's entries have no destinations; their service has. */
const NO_DESTINATIONS: readonly Destination[] = [];

/** The list of destinations that was numbered: if a service comes with the same list, nothing changed. */
const lists = new WeakMap<ServiceNumbers, readonly Destination[]>();

function hasAll(known: ServiceNumbers, wanted: readonly Destination[]): boolean {
  if (lists.get(known) === wanted) {
    return true;
  }
  const same = wanted.every(({ address }) => known.destinations.has(address));
  if (same) {
    lists.set(known, wanted);
  }
  return same;
}

function removedBetween(previous: Numbering, next: Numbering): NumberSet {
  const services: ServiceNumber[] = [];
  const destinations: DestinationNumber[] = [];
  for (const [name, known] of previous) {
    const kept = next.get(name);
    if (kept === known) {
      continue;
    }
    if (kept === undefined) {
      services.push(known.number);
    }
    for (const [address, number] of known.destinations) {
      if (kept?.destinations.has(address) !== true) {
        destinations.push(number);
      }
    }
  }
  return { services, destinations };
}

/** Returns the highest number of each kind that is in use; 0 for none. */
export const highestNumbers = oncePer((numbering: Numbering): { service: number; destination: number } => {
  const found = { service: 0, destination: 0 };
  for (const { number, destinations } of numbering.values()) {
    found.service = Math.max(found.service, number);
    for (const each of destinations.values()) {
      found.destination = Math.max(found.destination, each);
    }
  }
  return found;
});

/** Hands out the lowest unused numbers. It lists the used ones only when the first is asked for. */
class NumberPool<Kind extends number> {
  readonly taken: Kind[] = [];
  readonly #listUsed: () => Iterable<Kind>;
  #used: Set<number> | undefined;
  #next = 1;

  constructor(listUsed: () => Iterable<Kind>) {
    this.#listUsed = listUsed;
  }

  take(): Kind {
    this.#used ??= new Set(this.#listUsed());
    while (this.#used.has(this.#next)) {
      this.#next += 1;
    }
    const number = this.#next as Kind;
    this.taken.push(number);
    this.#next += 1;
    return number;
  }
}
