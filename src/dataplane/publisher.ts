/** Writes images into maps: the spare copy first, then the one word that packets look at. */

import { setTimeout as sleep } from 'node:timers/promises';

import {
  CANDIDATE_BYTES,
  type CompiledService,
  DESTINATION_BYTES,
  DESTINATIONS_HEADER_BYTES,
  EGRESS_BYTES,
  encodeCandidates,
  encodeDestinations,
  encodeDestinationsHeader,
  encodeEgresses,
  encodeIdentities,
  encodeNics,
  encodePolicy,
  encodeServices,
  encodeSlots,
  fits,
  forProtocol,
  type Geometry,
  grow,
  type Image,
  isSequence,
  type Numbering,
  type NumberSet,
  type Places,
  placeServices,
  placeTables,
  renumber,
  requiredGeometry,
  type Ring,
  type ServiceNumbers,
  type ServicePlacement,
  SLOT_BYTES,
  SMALLEST_GEOMETRY,
} from '../image/index.js';
import * as layout from '../layout/index.js';
import { synchronizeRcu } from '../native/index.js';
import { type Counters, readCounters, sumToRow } from './counters.js';
import { longestTimeouts } from './flow-timeouts.js';
import { type FlowStatistics, sweep } from './flows.js';
import type { MapSet } from './map-set.js';

/** How long packets may still read the copy they began with, where the kernel cannot be asked. */
const GRACE_PERIOD_MS = 10;

const NO_NUMBERS: NumberSet = { services: [], destinations: [] };

export interface PublisherOptions {
  /**
   * Loads a program that can do these things (bits of enum feature), with empty maps of this size. Flows that `before` has
   * are known in the new maps too.
   */
  readonly create: (geometry: Geometry, features: number, before?: MapSet) => MapSet;
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
  /** Of its sequence. */
  readonly base: number;
}

/** What one copy of the tables holds, as it was last written, so that only what changed is written. */
interface Copy {
  readonly rings: ReadonlyMap<Ring, number>;
  readonly previous: ReadonlyMap<Ring, Uint16Array>;
  /** By service name. */
  readonly services: ReadonlyMap<string, Written>;
  /** As text. */
  readonly interfaces: string;
}

const EMPTY_COPY: Copy = { rings: new Map(), previous: new Map(), services: new Map(), interfaces: '' };

/** Everything that one set of maps holds; begins anew with new maps. */
class Contents {
  readonly copies: [Copy, Copy] = [EMPTY_COPY, EMPTY_COPY];
  readonly placements: { 4?: ServicePlacement; 6?: ServicePlacement } = {};
  /** By service name. */
  readonly turns = new Map<string, Turn>();
  readonly thresholds = new Map<string, Pick<Written, 'compiled' | 'numbers'>>();
}

/** The only writer of the maps. Calls of `publish` must not overlap. */
export class Publisher implements Disposable {
  readonly #options: PublisherOptions;
  #set: MapSet | undefined;
  #image: Image | undefined;
  #numbering: Numbering = new Map();
  /** Numbers that nobody has any more, free as soon as no packet can see them. */
  #retired: NumberSet = NO_NUMBERS;
  /** The destinations' loads came from other maps, while packets went on there. */
  #countsAnew = false;
  #contents = new Contents();
  #grace: Promise<unknown> = Promise.resolve();
  #sweeps: Promise<unknown> = Promise.resolve();

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
    const grace = this.#grace;
    this.#grace = Promise.resolve();
    await grace;
    // Again if it failed: until it succeeds the numbers of those that are gone are nobody's.
    await this.#purge();
    const { numbering, added, removed } = renumber(this.#numbering, image);
    const need = requiredGeometry(image, numbering);
    if (this.#set !== undefined && fits(need, this.#set.geometry)) {
      // The program is always able to do what the tables ask for: what is new before them, what is not needed after.
      const set = this.#withFeatures(this.#set, this.#set.features | image.features);
      const copy = set.activeCopy === 0 ? 1 : 0;
      this.#write(set, this.#contents, copy, image, numbering, added);
      set.activate(copy);
      this.#retired = removed;
      this.#withFeatures(set, image.features);
    } else {
      await this.#replaceSet(image, numbering, need, removed);
    }
    this.#image = image;
    this.#numbering = numbering;
    this.#grace = gracePeriod().then(() => this.#purge());
    // Who fails in it fails the next publication, if there is one.
    this.#grace.catch(() => undefined);
  }

  /**
   * Looks at all flows: forgets what is over, sets the destinations' loads right, counts. Undefined before the first
   * publication. Sweeps come one after another.
   *
   * @param moved the services whose slots are to be looked at
   */
  sweep(moved: readonly CompiledService[], gone: NumberSet = NO_NUMBERS): Promise<FlowStatistics | undefined> {
    const result = this.#sweeps.then(() => {
      const [set, image] = [this.#set, this.#image];
      return set === undefined || image === undefined ? undefined : sweep(set, image, this.#numbering, gone, moved);
    });
    this.#sweeps = result.catch(() => undefined);
    return result;
  }

  /** Who has which number. */
  get numbering(): Numbering {
    return this.#numbering;
  }

  /** Rids the tables of flows of those that are gone, after which their numbers are free: no flow follows one to another. */
  async #purge(): Promise<void> {
    if (this.#countsAnew || this.#retired.destinations.length > 0 || this.#retired.services.length > 0) {
      await this.sweep([], this.#retired);
      this.#countsAnew = false;
    }
    this.#freeRetired();
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
      : readCounters(this.#set, this.#image, this.#numbering);
  }

  close(): void {
    this.#set?.close();
    this.#set = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #write(set: MapSet, contents: Contents, copy: 0 | 1, image: Image, numbering: Numbering, added: NumberSet): void {
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
    set.setTimeouts(longestTimeouts(image));
    const places = placeTables(image, numbering);
    writeCopy(set, contents, copy, image, numbering, places);
    for (const family of [4, 6] as const) {
      const placement = placeServices(family, image, set.geometry, contents.placements[family]);
      contents.placements[family] = placement;
      const bytes = encodeServices(placement, image, numbering, places, set.geometry);
      set.writeTable(family === 4 ? 'services4' : 'services6', copy, 0, bytes);
    }
  }

  /** Makes larger maps, fills them, and has packets use them instead of the old ones, counts carried over. */
  async #replaceSet(image: Image, numbering: Numbering, need: Geometry, removed: NumberSet): Promise<void> {
    const old = this.#set;
    const set = this.#options.create(grow(need, old?.geometry ?? SMALLEST_GEOMETRY), image.features, old);
    const contents = new Contents();
    const kept = keptNumbers(this.#numbering, numbering);
    try {
      this.#write(set, contents, 0, image, numbering, numbersIn(numbering));
      set.activate(0);
      if (old !== undefined) {
        carryCounters(old, set, kept);
        carryLoads(old, set, kept);
        // Should this process end before their flows are gone, the next one must not give their numbers away.
        set.carryIdentities(old, removed);
        await set.copyFlows(old);
      }
      this.#options.install(set);
    } catch (error) {
      set.close();
      throw error;
    }
    this.#set = set;
    this.#contents = contents;
    // Flows that came along may be of those that are gone: what had their numbers is free only after a sweep.
    this.#retired = removed;
    this.#countsAnew = true;
    if (old !== undefined) {
      // The last packets counted into the old maps after they were read.
      await gracePeriod();
      carryCounters(old, set, kept);
      // So did the flows that were new then; a sweep sets the loads right.
      await set.copyFlows(old);
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

/** Writes the rings and destinations that stand otherwise in this copy. */
function writeCopy(
  set: MapSet,
  contents: Contents,
  copy: 0 | 1,
  image: Image,
  numbering: Numbering,
  places: Places,
): void {
  const before = contents.copies[copy];
  const interfaces = JSON.stringify(image.interfaces);
  writeRings(set, copy, before, places);
  const services = new Map<string, Written>();
  const changed: Written[] = [];
  for (const compiled of image.services) {
    const { name } = compiled;
    const numbers = numbering.get(name)!;
    const first = places.destinations.get(name)!;
    const there = before.services.get(name);
    const base = isSequence(compiled) ? baseOf(set, compiled, numbers, contents.turns) : 0;
    const same = there?.compiled === compiled && there.numbers === numbers && there.base === base;
    const written = same && there.first === first ? there : { compiled, numbers, first, base };
    if (written !== there || before.interfaces !== interfaces) {
      changed.push(written);
    }
    services.set(name, written);
  }
  // Whoever lost a number first, since somebody else may have it now.
  for (const number of numbersGone(before.services, services)) {
    set.writeTable('numbered', copy, number * DESTINATION_BYTES, new Uint8Array(DESTINATION_BYTES));
  }
  for (const written of changed) {
    writeService(set, copy, written, image);
  }
  for (const { name, service, protocol } of image.markEntries) {
    const { compiled, base, numbers } = services.get(service)!;
    const policy = encodePolicy(forProtocol(compiled, protocol), base, numbers.number);
    set.writeTable('policies', copy, numbering.get(name)!.number * layout.policy.byteLength, policy);
  }
  for (const written of services.values()) {
    writeThresholds(set, contents, written);
  }
  contents.copies[copy] = { rings: places.rings, previous: places.previous, services, interfaces };
}

function writeRings(set: MapSet, copy: 0 | 1, before: Copy, { rings, previous }: Places): void {
  for (const [ring, slot] of rings) {
    if (before.rings.get(ring) === slot && before.previous.get(ring) === previous.get(ring)) {
      continue;
    }
    set.writeTable('slots', copy, slot * SLOT_BYTES, encodeSlots(ring));
    const behind = previous.get(ring);
    if (behind !== undefined) {
      set.writeTable('slots', copy, (slot + ring.length) * SLOT_BYTES, encodeSlots(behind));
    }
  }
}

function writeService(set: MapSet, copy: 0 | 1, { compiled, numbers, first, base }: Written, image: Image): void {
  const destinations = encodeDestinations(compiled, numbers);
  const egresses = encodeEgresses(compiled, image.interfaces);
  set.writeTable('destinations', copy, DESTINATIONS_HEADER_BYTES + first * DESTINATION_BYTES, destinations);
  set.writeTable('candidates', copy, first * CANDIDATE_BYTES, encodeCandidates(compiled, numbers));
  const policy = encodePolicy(compiled, base, numbers.number);
  set.writeTable('policies', copy, numbers.number * layout.policy.byteLength, policy);
  for (const { number, from, count } of runsOf(compiled, numbers)) {
    const part = (all: Uint8Array, bytes: number): Uint8Array => all.subarray(from * bytes, (from + count) * bytes);
    set.writeTable('numbered', copy, number * DESTINATION_BYTES, part(destinations, DESTINATION_BYTES));
    set.writeTable('egresses', copy, number * EGRESS_BYTES, part(egresses, EGRESS_BYTES));
  }
}

/** Thresholds do not exist twice: they hold at once, in whatever copy packets read. */
function writeThresholds(set: MapSet, { thresholds }: Contents, { compiled, numbers }: Written): void {
  const { name, destinations } = compiled;
  const before = thresholds.get(name);
  if (before?.compiled === compiled && before.numbers === numbers) {
    return;
  }
  thresholds.set(name, { compiled, numbers });
  for (const { address, upperThreshold = 0, lowerThreshold = 0 } of destinations) {
    set.setThresholds(numbers.destinations.get(address)!, upperThreshold, lowerThreshold);
  }
}

/** A service's destinations in runs of numbers that follow each other, as new services have them: a write each. */
function* runsOf(
  { destinations }: CompiledService,
  numbers: ServiceNumbers,
): Generator<{ number: number; from: number; count: number }> {
  const all = destinations.map(({ address }) => numbers.destinations.get(address)!);
  let from = 0;
  for (let i = 1; i <= all.length; i += 1) {
    if (all[i] !== all[from]! + i - from) {
      yield { number: all[from]!, from, count: i - from };
      from = i;
    }
  }
}

/** The destination numbers that were in use in one copy's services and are not in another's. */
function numbersGone(before: ReadonlyMap<string, Written>, after: ReadonlyMap<string, Written>): number[] {
  return [...before].flatMap(([name, { numbers }]) => {
    const now = after.get(name)?.numbers;
    return numbers === now
      ? []
      : [...numbers.destinations]
          .filter(([address, number]) => now?.destinations.get(address) !== number)
          .map(([, number]) => number);
  });
}

/** Where a service's sequence stands, as it was last told to the program. */
interface Turn {
  readonly compiled: CompiledService;
  readonly base: number;
}

/**
 * What to add to the count of a service's flows, so that after a change the turn is where IPVS has it: under rr at whoever
 * comes after the last that had it, under wrr at the beginning.
 */
function baseOf(set: MapSet, compiled: CompiledService, { number }: ServiceNumbers, turns: Map<string, Turn>): number {
  const { name, ring, destinations, service } = compiled;
  const before = turns.get(name);
  if (before !== undefined && before.compiled.ring === ring) {
    return before.base;
  }
  const length = ring?.length ?? 0;
  const { count } = set.cursor(number);
  let next = 0;
  if (service.scheduler === 'rr' && before?.compiled.ring !== undefined && ring !== undefined) {
    const { compiled: old } = before;
    const turnOf = (place: number): number =>
      ring.findIndex((index) => destinations[index]!.address === old.destinations[old.ring![place]!]!.address);
    // The first of those whose turn it would have been that is still there.
    const places = old.ring!.length;
    const due = Number((count + BigInt(before.base)) % BigInt(places));
    const place = Array.from({ length: places }, (_, i) => (due + i) % places).find((each) => turnOf(each) >= 0);
    next = place === undefined ? 0 : turnOf(place);
  }
  const base = length === 0 ? 0 : Number((BigInt(next) - count) % BigInt(length)) + length;
  turns.set(name, { compiled, base });
  return base;
}

function gracePeriod(): Promise<unknown> {
  return Promise.all([synchronizeRcu(), sleep(GRACE_PERIOD_MS)]);
}

function numbersIn(numbering: Numbering): NumberSet {
  return {
    services: [...numbering.values()].map(({ number }) => number),
    destinations: [...numbering.values()].flatMap(({ destinations }) => [...destinations.values()]),
  };
}

/** The numbers that belong to the same service or destination in both; service 0 is nobody's, and counts on. */
function keptNumbers(before: Numbering, after: Numbering): NumberSet {
  const services = [0];
  const destinations: number[] = [];
  for (const [name, { number, destinations: now }] of after) {
    const then = before.get(name);
    if (then?.number === number) {
      services.push(number);
      destinations.push(
        ...[...now].filter(([address, each]) => then.destinations.get(address) === each).map(([, n]) => n),
      );
    }
  }
  return { services, destinations };
}

/** What schedulers go by, so that the new set's begin where the old one's are. */
function carryLoads(old: MapSet, set: MapSet, { services, destinations }: NumberSet): void {
  for (const number of services) {
    set.carryCursor(old, number);
  }
  for (const number of destinations) {
    set.carryLoad(old, number);
  }
}

/** Adds up the old set's counts into the new set's row for them; whoever is new begins at zero. */
function carryCounters(old: MapSet, set: MapSet, { services, destinations }: NumberSet): void {
  const { geometry } = old;
  const carry = (
    table: 'destinationCounters' | 'serviceVerdicts',
    numbers: number,
    kept: readonly number[],
    bytes: number,
  ): void => {
    const sums = sumToRow(old.readRows(table, numbers));
    const row = new Uint8Array(sums.length);
    for (const number of kept) {
      row.set(sums.subarray(number * bytes, (number + 1) * bytes), number * bytes);
    }
    set.writeCarriedRow(table, row);
  };
  carry('destinationCounters', geometry.destinations, destinations, layout.counter.byteLength);
  carry('serviceVerdicts', geometry.services, services, layout.serviceVerdicts.byteLength);
}
