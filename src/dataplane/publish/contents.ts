/** Writes an image into one copy of the tables: only the parts that differ from what the copy holds. */

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
  encodeGhostPolicy,
  encodeIdentities,
  encodeNics,
  encodePolicy,
  encodeServices,
  encodeSlots,
  forProtocol,
  type Image,
  isHeld,
  isSequence,
  type Numbering,
  type NumberSet,
  type Places,
  placeServices,
  placeTables,
  type Ring,
  type ServiceNumbers,
  type ServicePlacement,
  SLOT_BYTES,
  withoutLeaving,
} from '../../image/index.js';
import * as layout from '../../layout/index.js';
import { setAnswerLimits } from '../maps/answers.js';
import { setLimits } from '../maps/loads.js';
import type { MapSet } from '../maps/map-set.js';
import type { MapMemory } from '../maps/memory.js';
import { setDestination, setService } from '../maps/numbers.js';
import { sequenceBase, type Turn } from './turns.js';

/** The part of a copy that belongs to one service. Compared by identity. */
interface WrittenService {
  readonly compiled: CompiledService;
  readonly numbers: ServiceNumbers;
  /** The index of its first destination. */
  readonly first: number;
  /** The base of its sequence. */
  readonly base: number;
}

/** One copy of the tables as it was last written. */
interface WrittenCopy {
  readonly rings: ReadonlyMap<Ring, number>;
  readonly previous: ReadonlyMap<Ring, Uint16Array>;
  /** By service name. */
  readonly services: ReadonlyMap<string, WrittenService>;
  /** As text. */
  readonly interfaces: string;
}

const EMPTY_COPY: WrittenCopy = { rings: new Map(), previous: new Map(), services: new Map(), interfaces: '' };

/** The contents of one set of maps. New maps begin with new Contents. */
export class Contents {
  readonly #copies: [WrittenCopy, WrittenCopy] = [EMPTY_COPY, EMPTY_COPY];
  readonly #placements: { 4?: ServicePlacement; 6?: ServicePlacement } = {};
  /** By service name. */
  readonly #turns: Map<string, Turn>;
  readonly #limits = new Map<string, Pick<WrittenService, 'compiled' | 'numbers'>>();
  /** The maps whose schedulers go on here, until their counts are carried over. */
  readonly #before: MapMemory | undefined;

  /** @param before the contents of the maps that these replace, and their memory */
  constructor(before?: { readonly contents: Contents; readonly memory: MapMemory }) {
    this.#turns = new Map(before === undefined ? [] : before.contents.#turns);
    this.#before = before?.memory;
  }

  /**
   * Writes an image into a copy that packets do not read.
   *
   * @param added numbers that were given to new services and destinations
   */
  write(set: MapSet, copy: 0 | 1, image: Image, numbering: Numbering, added: NumberSet): void {
    const identities = encodeIdentities(image, numbering, added);
    for (const [number, identity] of identities.services) {
      setService(set.memory, number, identity);
    }
    for (const [number, identity] of identities.destinations) {
      setDestination(set.memory, number, identity);
    }
    this.#forgetTurns(image);
    set.devices.set(image.interfaces.length > 1 ? image.interfaces.map(({ ifindex }) => ifindex) : []);
    set.writeTable('nics', copy, 0, encodeNics(image));
    set.writeTable('destinations', copy, 0, encodeDestinationsHeader(image));
    setAnswerLimits(set.memory, image.icmpLimits);
    const places = placeTables(image, numbering);
    this.#writeServices(set, copy, image, numbering, places);
    for (const family of [4, 6] as const) {
      const placement = placeServices(family, image, set.geometry, this.#placements[family]);
      this.#placements[family] = placement;
      const bytes = encodeServices(placement, image, numbering, places, set.geometry);
      set.writeTable(family === 4 ? 'services4' : 'services6', copy, 0, bytes);
    }
  }

  /** Writes the rings, destinations and policies that differ in this copy. */
  #writeServices(set: MapSet, copy: 0 | 1, image: Image, numbering: Numbering, places: Places): void {
    const before = this.#copies[copy];
    const isFirst = this.#copies.every((each) => each === EMPTY_COPY);
    const countsOf = (name: string): MapMemory =>
      isFirst && this.#before !== undefined && this.#turns.has(name) ? this.#before : set.memory;
    const interfaces = JSON.stringify(image.interfaces);
    writeRings(set, copy, before, places);
    const services = new Map<string, WrittenService>();
    const changed: WrittenService[] = [];
    for (const compiled of image.services) {
      const { name } = compiled;
      const there = before.services.get(name);
      const numbers = numbering.get(name)!;
      const base = isSequence(compiled)
        ? sequenceBase(countsOf(name), withoutLeaving(compiled), numbers, this.#turns)
        : 0;
      const wanted = { compiled, numbers, first: places.destinations.get(name)!, base };
      const written = there !== undefined && isSameService(there, wanted) ? there : wanted;
      if (written !== there || before.interfaces !== interfaces) {
        changed.push(written);
      }
      services.set(name, written);
    }
    // First the destinations that are gone, since another one may have a number of theirs now.
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
    for (const { name, service } of image.ghosts) {
      const policy = encodeGhostPolicy(numbering.get(service)?.number ?? 0);
      set.writeTable('policies', copy, numbering.get(name)!.number * layout.policy.byteLength, policy);
    }
    for (const written of services.values()) {
      this.#writeLimits(set, written);
    }
    this.#copies[copy] = { rings: places.rings, previous: places.previous, services, interfaces };
  }

  /** A service that comes back begins with the first turn, as a new one in IPVS. */
  #forgetTurns({ services }: Image): void {
    const names = new Set(services.map(({ name }) => name));
    for (const name of [...this.#turns.keys()].filter((each) => !names.has(each))) {
      this.#turns.delete(name);
      this.#limits.delete(name);
    }
  }

  /** The limits of new flows have no copies: they take effect at once. */
  #writeLimits({ memory }: MapSet, { compiled, numbers }: WrittenService): void {
    const { name, destinations } = compiled;
    const before = this.#limits.get(name);
    if (before?.compiled === compiled && before.numbers === numbers) {
      return;
    }
    this.#limits.set(name, { compiled, numbers });
    for (const [
      i,
      { address, weight, upperThreshold: upper = 0, lowerThreshold: lower = 0 },
    ] of destinations.entries()) {
      const quiesced = weight === 0 || isHeld(compiled, i);
      setLimits(memory, numbers.destinations.get(address)!, quiesced, { upper, lower });
    }
  }
}

function isSameService(a: WrittenService, b: WrittenService): boolean {
  return a.compiled === b.compiled && a.numbers === b.numbers && a.first === b.first && a.base === b.base;
}

function writeRings(set: MapSet, copy: 0 | 1, before: WrittenCopy, { rings, previous }: Places): void {
  for (const [ring, slot] of rings) {
    if (before.rings.get(ring) === slot && before.previous.get(ring) === previous.get(ring)) {
      continue;
    }
    set.writeTable('slots', copy, slot * SLOT_BYTES, encodeSlots(ring));
    const owners = previous.get(ring);
    if (owners !== undefined) {
      set.writeTable('slots', copy, (slot + ring.length) * SLOT_BYTES, encodeSlots(owners));
    }
  }
}

function writeService(
  set: MapSet,
  copy: 0 | 1,
  { compiled, numbers, first, base }: WrittenService,
  image: Image,
): void {
  const destinations = encodeDestinations(compiled, numbers, image.interfaces);
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

/** Yields a service's destinations in runs of consecutive numbers, as new services have them: one write each. */
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

/** Returns the numbers of the destinations that this copy has, and the next one has not, or under another number. */
function numbersGone(
  before: ReadonlyMap<string, WrittenService>,
  after: ReadonlyMap<string, WrittenService>,
): number[] {
  return [...before].flatMap(([name, { compiled, numbers }]) => {
    const now = after.get(name);
    if (now?.numbers === numbers && hasSameAddresses(now.compiled, compiled)) {
      return [];
    }
    const kept = new Set(now?.compiled.destinations.map(({ address }) => now.numbers.destinations.get(address)!));
    return compiled.destinations
      .map(({ address }) => numbers.destinations.get(address)!)
      .filter((number) => !kept.has(number));
  });
}

function hasSameAddresses({ destinations: a }: CompiledService, { destinations: b }: CompiledService): boolean {
  return a === b || (a.length === b.length && a.every(({ address }, i) => address === b[i]!.address));
}
