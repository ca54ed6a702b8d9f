/** Numbers at rest: those of services and destinations that are gone, until no flow refers to them any more. */

import {
  type DestinationNumber,
  type Ghost,
  ghostOf,
  ghostOfEntry,
  type Image,
  type Numbering,
  type NumberSet,
  type ServiceNumber,
} from '../../image/index.js';
import type { EntryCounts } from '../flows/sweep.js';

/** The most numbers that rest beside those in use. Beyond it those with the fewest flows are freed, the oldest first. */
const MOST: Readonly<Record<keyof NumberSet, number>> = { services: 1 << 10, destinations: 1 << 13 };

/** How long a number rests at least: a packet that still reads the copy before may store a flow under it. */
const LEAST_MS = 1_000;

/**
 * How long a destination of a service that goes on rests at least: IP_VS_DEST_TRASH_PERIOD of IPVS, which gives a real
 * server that comes back within that time its statistics back.
 */
export const DESTINATION_REST_MS = 120_000;

/** How long TCP packets are taken for flows without an entry after their service was removed. */
const LINGER_MS = 60_000;

interface Rest {
  readonly since: number;
  /** How many entries had the number when the flows were last looked at. */
  entries: number | undefined;
}

/** What rests of a service. */
interface RestingService {
  readonly number: ServiceNumber;
  readonly rest: Rest;
  readonly ghost: Ghost;
  /** Of all its destinations. */
  readonly destinations: readonly DestinationNumber[];
}

interface State {
  readonly services: ReadonlyMap<string, RestingService>;
  readonly destinations: ReadonlyMap<DestinationNumber, Rest>;
}

/** The numbers that rest under one image. */
export class Resting {
  /** How long a destination rests at least. */
  readonly #destinationMs: number;
  readonly #services: State['services'];
  readonly #destinations: State['destinations'];
  /** What an earlier process left. */
  readonly #found: ReadonlyMap<string, Ghost>;

  constructor(
    found: ReadonlyMap<string, Ghost>,
    destinationMs = DESTINATION_REST_MS,
    { services, destinations }: State = { services: new Map(), destinations: new Map() },
  ) {
    this.#found = found;
    this.#destinationMs = destinationMs;
    this.#services = services;
    this.#destinations = destinations;
  }

  /**
   * Returns what rests under the next image.
   *
   * @param before the image that packets follow
   */
  next(before: Image | undefined, image: Image, numbering: Numbering, now: number): Resting {
    const lists = new Map(image.services.map(({ name, destinations }) => [name, destinations]));
    const entries = new Set(image.markEntries.map(({ name }) => name));
    const services = new Map<string, RestingService>();
    const destinations = new Map<DestinationNumber, Rest>();
    const begin = (): Rest => ({ since: now, entries: undefined });
    for (const [name, numbers] of numbering) {
      const wanted = lists.get(name);
      if (wanted === undefined && !entries.has(name)) {
        const { rest, ghost } = this.#services.get(name) ?? { rest: begin(), ghost: this.#ghostOf(name, before) };
        services.set(name, { number: numbers.number, rest, ghost, destinations: [...numbers.destinations.values()] });
      } else if (wanted !== undefined && numbers.destinations.size > wanted.length) {
        const live = new Set(wanted.map(({ address }) => address));
        for (const [address, number] of numbers.destinations) {
          if (!live.has(address)) {
            destinations.set(number, this.#destinations.get(number) ?? begin());
          }
        }
      }
    }
    return new Resting(new Map(), this.#destinationMs, { services, destinations });
  }

  /** Returns the services and entries of marks that rest here and no more under the next image: back, or freed. */
  returned(next: Resting): string[] {
    return [...this.#services.keys()].filter((name) => !next.#services.has(name));
  }

  /** Returns the ghosts, by which packets follow what rests. */
  ghosts(now: number): Ghost[] {
    return [...this.#services.values()].map(({ ghost, rest }) =>
      ghost.lingers && now - rest.since >= LINGER_MS ? { ...ghost, lingers: false } : ghost,
    );
  }

  /** @param began when the flows were looked at */
  look({ ofService, ofDestination }: EntryCounts, began: number): void {
    for (const { number, rest, destinations } of this.#services.values()) {
      if (rest.since <= began) {
        // A flow of a mark's entry has the number of that, and a destination of the mark's service.
        const ofAll = destinations.reduce((sum, each) => sum + ofDestination(each), 0);
        rest.entries = Math.max(ofService(number), ofAll);
      }
    }
    for (const [number, rest] of this.#destinations) {
      if (rest.since <= began) {
        rest.entries = ofDestination(number);
      }
    }
  }

  /** Returns the numbers that can be freed. */
  free(now: number): NumberSet {
    const services = [...this.#services.values()].filter(({ ghost, rest }) => {
      const least = ghost.lingers ? LINGER_MS : LEAST_MS;
      return rest.entries === 0 && now - rest.since >= least && !this.#hasEntries(ghost);
    });
    const destinations = [...this.#destinations].filter(
      ([, rest]) => rest.entries === 0 && now - rest.since >= Math.max(LEAST_MS, this.#destinationMs),
    );
    return {
      services: [...services.map(({ number }) => number), ...excess(this.#servicesByRest(), MOST.services)],
      destinations: [...destinations.map(([number]) => number), ...excess(this.#destinations, MOST.destinations)],
    };
  }

  /** Whether another publication should follow: numbers can be freed, or a ghost lingers no more. */
  isDue(image: Image | undefined, now: number): boolean {
    const { services, destinations } = this.free(now);
    const shown = new Map(image?.ghosts.map((ghost) => [ghost.name, ghost]));
    const over = [...this.#services].some(
      ([name, { rest }]) => shown.get(name)?.lingers === true && now - rest.since >= LINGER_MS,
    );
    return services.length > 0 || destinations.length > 0 || over;
  }

  /** Returns how many flows and templates each removed service had when the flows were last looked at. */
  get flows(): ReadonlyMap<string, number> {
    const services = [...this.#services.values()].filter(({ ghost: { name, service } }) => name === service);
    return new Map(services.map(({ ghost: { name }, rest }) => [name, rest.entries ?? 0]));
  }

  /** Whether some of a mark's entries rest, whose flows have destinations of this service. */
  #hasEntries({ name, place }: Ghost): boolean {
    return (
      place === undefined &&
      [...this.#services.values()].some(
        ({ ghost, rest }) => ghost.service === name && ghost.name !== name && rest.entries !== 0,
      )
    );
  }

  #servicesByRest(): Map<ServiceNumber, Rest> {
    return new Map([...this.#services.values()].map(({ number, rest }) => [number, rest]));
  }

  #ghostOf(name: string, before: Image | undefined): Ghost {
    const compiled = before?.services.find((each) => each.name === name);
    if (compiled !== undefined) {
      return ghostOf(name, compiled.service);
    }
    const entry = before?.markEntries.find((each) => each.name === name);
    if (entry !== undefined) {
      return ghostOfEntry(entry, before!.services.find((each) => each.name === entry.service)!.service);
    }
    return this.#found.get(name)!;
  }
}

/** Returns those that are too many: with the fewest entries, among equals the oldest. */
function excess<Kind extends number>(all: ReadonlyMap<Kind, Rest>, most: number): Kind[] {
  return [...all]
    .sort(([, a], [, b]) => (a.entries ?? Infinity) - (b.entries ?? Infinity) || a.since - b.since)
    .slice(0, Math.max(0, all.size - most))
    .map(([number]) => number);
}
