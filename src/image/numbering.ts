/** The numbers of services and destinations in the maps, which they keep for as long as they exist. */

import type { Destination, IpAddress } from '../model/index.js';
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
 * By the name of a service or of a mark's entry. Numbers start at 1: service 0 counts packets for a VIP that no service
 * takes, and destination 0 is none.
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
 * neither the image nor `previous` uses, so that counters and flows of one destination are never taken for another's.
 *
 * A service whose destinations are the same keeps its ServiceNumbers object; if all do, the result is `previous` itself.
 */
export function renumber(previous: Numbering, image: Image): Renumbering {
  const services = new NumberPool<ServiceNumber>(() => [...previous.values()].map(({ number }) => number));
  const destinations = new NumberPool<DestinationNumber>(() =>
    [...previous.values()].flatMap((service) => [...service.destinations.values()]),
  );
  const numbering = new Map<string, ServiceNumbers>();
  const all = [...image.services, ...image.markEntries.map(({ name }) => ({ name, destinations: NO_DESTINATIONS }))];
  let same = previous.size === all.length;
  for (const { name, destinations: wanted } of all) {
    const known = previous.get(name);
    if (known !== undefined && hasExactly(known, wanted)) {
      numbering.set(name, known);
      continue;
    }
    same = false;
    const numbers = new Map<IpAddress, DestinationNumber>();
    for (const { address } of wanted) {
      numbers.set(address, known?.destinations.get(address) ?? destinations.take());
    }
    const result = { number: known?.number ?? services.take(), destinations: numbers };
    lists.set(result, wanted);
    numbering.set(name, result);
  }
  return {
    numbering: same ? previous : numbering,
    added: { services: services.taken, destinations: destinations.taken },
    removed: removedBetween(previous, numbering),
  };
}

/** A mark's entries have no destinations; their service has. */
const NO_DESTINATIONS: readonly Destination[] = [];

/** The list of destinations that was numbered: if a service comes with the same list, nothing changed. */
const lists = new WeakMap<ServiceNumbers, readonly Destination[]>();

function hasExactly(known: ServiceNumbers, wanted: readonly Destination[]): boolean {
  if (lists.get(known) === wanted) {
    return true;
  }
  const same =
    known.destinations.size === wanted.length && wanted.every(({ address }) => known.destinations.has(address));
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

const highest = new WeakMap<Numbering, { service: number; destination: number }>();

/** Returns the highest number of each kind that is in use; 0 for none. */
export function highestNumbers(numbering: Numbering): { service: number; destination: number } {
  let found = highest.get(numbering);
  if (found === undefined) {
    found = { service: 0, destination: 0 };
    for (const { number, destinations } of numbering.values()) {
      found.service = Math.max(found.service, number);
      for (const each of destinations.values()) {
        found.destination = Math.max(found.destination, each);
      }
    }
    highest.set(numbering, found);
  }
  return found;
}

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
