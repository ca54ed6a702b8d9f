/** Writes images into maps: the spare copy first, then the one word that packets look at. */

import { setTimeout as sleep } from 'node:timers/promises';

import { synchronizeRcu } from '../native/system.js';
import type { Ring } from '../schedule/ring.js';
import type { CompiledService, Image } from './compile.js';
import { readCounters, sumToRow, type Counters } from './counters.js';
import type { MapSet } from './map-set.js';
import { renumber, type Numbering, type NumberSet, type ServiceNumbers } from './numbering.js';
import {
  DESTINATION_BYTES,
  DESTINATIONS_HEADER_BYTES,
  EGRESS_BYTES,
  encodeDestinations,
  encodeDestinationsHeader,
  encodeEgresses,
  encodeIdentities,
  encodeNics,
  encodeRing,
  encodeServices,
  fits,
  grow,
  placeServices,
  placeTables,
  requiredGeometry,
  SLOT_BYTES,
  SMALLEST_GEOMETRY,
  type Geometry,
  type Places,
  type ServicePlacement,
} from './tables.js';

/** How long packets may still read the copy they began with, where the kernel cannot be asked. */
const GRACE_PERIOD_MS = 10;

const NO_NUMBERS: NumberSet = { services: [], destinations: [] };

export interface PublisherOptions {
  /** Loads a program that can do these things (bits of enum feature), with empty maps of this size. */
  readonly create: (geometry: Geometry, features: number) => MapSet;
  /** Loads it anew for other features, on the same maps. */
  readonly reload: (from: MapSet, features: number) => MapSet;
  /** Makes packets use a set that is filled: called for each that was made, before the one it replaces is closed. */
  readonly install: (set: MapSet) => void;
  /** The maps to go on with, in place already. */
  readonly adopted?: MapSet;
}

/** What of a service's destinations stands in one copy of the tables. Compared by identity. */
interface Written {
  readonly compiled: CompiledService;
  readonly numbers: ServiceNumbers;
  readonly first: number;
}

/** What one copy of the tables holds, as it was last written, so that only what changed is written. */
interface Copy {
  readonly rings: ReadonlyMap<Ring, number>;
  /** By service name. */
  readonly services: ReadonlyMap<string, Written>;
  /** As text. */
  readonly interfaces: string;
}

const EMPTY_COPY: Copy = { rings: new Map(), services: new Map(), interfaces: '' };

/** Everything that one set of maps holds; begins anew with new maps. */
class Contents {
  readonly copies: [Copy, Copy] = [EMPTY_COPY, EMPTY_COPY];
  readonly placements: { 4?: ServicePlacement; 6?: ServicePlacement } = {};
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
      // The program is always able to do what the tables ask for: what is new before them, what is not needed after.
      const set = this.#withFeatures(this.#set, this.#set.features | image.features);
      const copy = set.activeCopy === 0 ? 1 : 0;
      this.#write(set, copy, image, numbering, added);
      set.activate(copy);
      this.#retired = removed;
      this.#withFeatures(set, image.features);
    } else {
      await this.#replaceSet(image, numbering, need);
    }
    this.#image = image;
    this.#numbering = numbering;
    this.#grace = gracePeriod();
  }

  /** Has packets run through a program with other features; the tables are the same. */
  #withFeatures(set: MapSet, features: number): MapSet {
    if (set.features === features) {
      return set;
    }
    const next = this.#options.reload(set, features);
    this.#options.install(next);
    this.#set = next;
    set.close();
    return next;
  }

  counters(): Counters {
    return this.#set === undefined
      ? { services: [], noService: {} }
      : readCounters(this.#set, this.#image?.services ?? [], this.#numbering);
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
    set.setDevices(image.interfaces.length > 1 ? image.interfaces.map(({ ifindex }) => ifindex) : []);
    set.writeTable('nics', copy, 0, encodeNics(image.interfaces));
    set.writeTable('destinations', copy, 0, encodeDestinationsHeader(image));
    const places = placeTables(image, numbering);
    this.#writeCopy(set, copy, image, numbering, places);
    for (const family of [4, 6] as const) {
      const placement = placeServices(family, image, set.geometry, this.#contents.placements[family]);
      this.#contents.placements[family] = placement;
      const bytes = encodeServices(placement, image, numbering, places, set.geometry);
      set.writeTable(family === 4 ? 'services4' : 'services6', copy, 0, bytes);
    }
  }

  /** Writes the rings and destinations that stand otherwise in this copy. */
  #writeCopy(set: MapSet, copy: 0 | 1, image: Image, numbering: Numbering, places: Places): void {
    const before = this.#contents.copies[copy];
    const interfaces = JSON.stringify(image.interfaces);
    for (const [ring, slot] of places.rings) {
      if (before.rings.get(ring) !== slot) {
        set.writeTable('slots', copy, slot * SLOT_BYTES, encodeRing(ring));
      }
    }
    const services = new Map<string, Written>();
    for (const compiled of image.services) {
      const { name } = compiled;
      const numbers = numbering.get(name)!;
      const first = places.destinations.get(name)!;
      const there = before.services.get(name);
      if (there?.compiled !== compiled || there.numbers !== numbers || there.first !== first) {
        const at = DESTINATIONS_HEADER_BYTES + first * DESTINATION_BYTES;
        set.writeTable('destinations', copy, at, encodeDestinations(compiled, numbers));
      }
      if (there?.compiled !== compiled || there.first !== first || before.interfaces !== interfaces) {
        set.writeTable('egresses', copy, first * EGRESS_BYTES, encodeEgresses(compiled, image.interfaces));
      }
      services.set(name, { compiled, numbers, first });
    }
    this.#contents.copies[copy] = { rings: places.rings, services, interfaces };
  }

  /** Makes larger maps, fills them, and has packets use them instead of the old ones, counts carried over. */
  async #replaceSet(image: Image, numbering: Numbering, need: Geometry): Promise<void> {
    const old = this.#set;
    const set = this.#options.create(grow(need, old?.geometry ?? SMALLEST_GEOMETRY), image.features);
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
