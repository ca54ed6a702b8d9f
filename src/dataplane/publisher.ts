/** Writes images into maps: the spare copy first, then the one word that packets look at. */

import { setTimeout as sleep } from 'node:timers/promises';

import { synchronizeRcu } from '../native/system.js';
import type { CompiledService, Image } from './compile.js';
import { readCounters, sumToRow, type Counters } from './counters.js';
import type { MapSet } from './map-set.js';
import { renumber, type Numbering, type NumberSet, type ServiceNumbers } from './numbering.js';
import {
  DESTINATION_BYTES,
  encodeIdentities,
  encodeRing,
  encodeRoute,
  encodeServices,
  fits,
  grow,
  placeRings,
  placeServices,
  requiredGeometry,
  SLOT_BYTES,
  SMALLEST_GEOMETRY,
  type Geometry,
  type ServicePlacement,
} from './tables.js';

/** How long packets may still read the copy they began with, where the kernel cannot be asked. */
const GRACE_PERIOD_MS = 10;

const NO_NUMBERS: NumberSet = { services: [], destinations: [] };

export interface PublisherOptions {
  /** Loads a program with empty maps of this size. */
  readonly create: (geometry: Geometry) => MapSet;
  /** Makes packets use a set that is filled: called for each that `create` made, before the one it replaces is closed. */
  readonly install: (set: MapSet) => void;
  /** The maps to go on with, in place already. */
  readonly adopted?: MapSet;
}

/** What of a service stands in one copy of the tables, so that only what changed is written. Compared by identity. */
interface Written {
  readonly compiled: CompiledService;
  readonly numbers: ServiceNumbers;
  /** Of its ring; undefined when it has none. */
  readonly offset: number | undefined;
}

/** What stands in copy 0 and in copy 1, by service name. */
type WrittenCopies = [ReadonlyMap<string, Written>, ReadonlyMap<string, Written>];

/** Everything that one set of maps holds, as it was last written; begins anew with new maps. */
class Contents {
  readonly copies: WrittenCopies = [new Map(), new Map()];
  placements: { 4?: ServicePlacement; 6?: ServicePlacement } = {};
}

/** The only writer of the maps. Calls of `publish` must not overlap. */
export class Publisher implements Disposable {
  readonly #options: PublisherOptions;
  #set: MapSet | undefined;
  #image: Image | undefined;
  #numbering: Numbering = new Map();
  /** Numbers that nobody has any more, free as soon as no packet can see them. */
  #retired: NumberSet = NO_NUMBERS;
  #contents = new Contents();
  #grace: Promise<unknown> = Promise.resolve();

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#set = options.adopted;
    this.#numbering = options.adopted?.readNumbering() ?? new Map();
  }

  /** The maps that packets read; undefined before the first publication of a new director. */
  get set(): MapSet | undefined {
    return this.#set;
  }

  /** What was published last; undefined before the first time, also when maps were adopted. */
  get image(): Image | undefined {
    return this.#image;
  }

  /**
   * Puts an image before the packets: each sees the old one or the new one, whole.
   *
   * Resolves when packets follow the new image. Waits first when the copy to write may still be read, which is only so
   * within milliseconds of the last call.
   *
   * @throws BeelineError `PROGRAM_REFUSED` or `TABLE_FULL` when larger tables are needed and the kernel does not give
   *   them; the old image then stays
   */
  async publish(image: Image): Promise<void> {
    await this.#grace;
    this.#freeRetired();
    const { numbering, added, removed } = renumber(this.#numbering, image);
    const need = requiredGeometry(image, numbering);
    if (this.#set !== undefined && fits(need, this.#set.geometry)) {
      const copy = this.#set.activeCopy === 0 ? 1 : 0;
      this.#write(this.#set, copy, image, numbering, added);
      this.#set.activate(copy);
      this.#retired = removed;
    } else {
      await this.#replaceSet(image, numbering, need);
    }
    this.#image = image;
    this.#numbering = numbering;
    this.#grace = gracePeriod();
  }

  counters(): Counters {
    return this.#set === undefined
      ? { services: [], noService: {} }
      : readCounters(this.#set, this.#image ?? [], this.#numbering);
  }

  close(): void {
    this.#set?.close();
    this.#set = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #write(set: MapSet, copy: 0 | 1, image: Image, numbering: Numbering, added: NumberSet): void {
    const identities = encodeIdentities(image, numbering, added);
    for (const [number, identity] of identities.services) {
      set.setService(number, identity);
    }
    for (const [number, identity] of identities.destinations) {
      set.setDestination(number, identity);
    }
    const offsets = placeRings(image, numbering);
    this.#writeDestinations(set, copy, image, numbering, offsets);
    for (const family of [4, 6] as const) {
      const placement = placeServices(family, image, set.geometry, this.#contents.placements[family]);
      this.#contents.placements[family] = placement;
      const bytes = encodeServices(placement, image, numbering, offsets, set.geometry);
      set.writeTable(family === 4 ? 'services4' : 'services6', copy, 0, bytes);
    }
  }

  /** Writes the rings and destinations of services that stand differently in this copy. */
  #writeDestinations(
    set: MapSet,
    copy: 0 | 1,
    image: Image,
    numbering: Numbering,
    offsets: ReadonlyMap<string, number>,
  ): void {
    const before = this.#contents.copies[copy];
    const after = new Map<string, Written>();
    for (const compiled of image) {
      const { name, destinations, routes, ring } = compiled;
      const numbers = numbering.get(name)!;
      const offset = offsets.get(name);
      const there = before.get(name);
      if (there?.compiled !== compiled || there.numbers !== numbers) {
        destinations.forEach(({ address }, i) => {
          const at = numbers.destinations.get(address)! * DESTINATION_BYTES;
          set.writeTable('destinations', copy, at, encodeRoute(routes[i]!));
        });
      }
      if (offset !== undefined) {
        if (there?.compiled.ring !== ring || there?.offset !== offset || there.numbers !== numbers) {
          set.writeTable('slots', copy, offset * SLOT_BYTES, encodeRing(compiled, numbering));
        }
      }
      after.set(name, { compiled, numbers, offset });
    }
    this.#contents.copies[copy] = after;
  }

  /** Makes larger maps, fills them, and has packets use them instead of the old ones, counts carried over. */
  async #replaceSet(image: Image, numbering: Numbering, need: Geometry): Promise<void> {
    const old = this.#set;
    const set = this.#options.create(grow(need, old?.geometry ?? SMALLEST_GEOMETRY));
    this.#contents = new Contents();
    this.#write(set, 0, image, numbering, {
      services: [...numbering.values()].map(({ number }) => number),
      destinations: [...numbering.values()].flatMap(({ destinations }) => [...destinations.values()]),
    });
    set.activate(0);
    if (old !== undefined) {
      carryCounters(old, set);
    }
    this.#options.install(set);
    this.#set = set;
    this.#retired = NO_NUMBERS;
    if (old !== undefined) {
      // The last packets counted into the old maps after they were read.
      await gracePeriod();
      carryCounters(old, set);
      old.close();
    }
  }

  #freeRetired(): void {
    for (const number of this.#retired.services) {
      this.#set?.setService(number, undefined);
    }
    for (const number of this.#retired.destinations) {
      this.#set?.setDestination(number, undefined);
    }
    this.#retired = NO_NUMBERS;
  }
}

function gracePeriod(): Promise<unknown> {
  return Promise.all([synchronizeRcu(), sleep(GRACE_PERIOD_MS)]);
}

/** Adds up the old set's counts into the new set's row for them. */
function carryCounters(old: MapSet, set: MapSet): void {
  const { destinations, services } = old.geometry;
  set.writeCarriedRow('destinationCounters', sumToRow(old.readRows('destinationCounters', destinations)));
  set.writeCarriedRow('serviceVerdicts', sumToRow(old.readRows('serviceVerdicts', services)));
}
