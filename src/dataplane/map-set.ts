/** One program and the maps it reads: loaded, pinned, found again; their memory and its layout. */

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

import { numberedOffset, slotsOffset } from '../layout/index.js';
import {
  FLOW_WAYS,
  type Geometry,
  MARK_PROTOCOL,
  markEntryName,
  type Numbering,
  type NumberSet,
  requireMemory,
  type ServiceNumbers,
} from '../image/index.js';
import * as layout from '../layout/index.js';
import { BpfMap, BpfObject, BpfProgram, KernelError, type Mapping } from '../libbpf/index.js';
import { BeelineError, ipFromBytes, type Protocol, PROTOCOL_NUMBERS, PROTOCOLS, serviceName } from '../model/index.js';
import { addon, availableMemory, possibleCpus } from '../native/index.js';
import { clockShift } from './clock.js';
import { sumRows } from './counters.js';

/** The maps by what they are called here, and their names in the object. */
const MAP_NAMES = {
  services4: 'services4',
  services6: 'services6',
  destinations: 'destinations',
  egresses: 'egresses',
  nics: 'nics',
  policies: 'policies',
  candidates: 'candidates',
  flows4: 'flows4',
  flows6: 'flows6',
  flowCounters: 'flow_counters',
  flowQueries: 'flow_queries',
  loads: 'loads',
  cursors: 'cursors',
  fragments4: 'fragments4',
  fragments6: 'fragments6',
  destinationCounters: 'destination_counters',
  serviceVerdicts: 'service_verdicts',
  serviceIdentities: 'service_identities',
  destinationIdentities: 'destination_identities',
  control: '.data.control',
} as const;

type MapKey = keyof typeof MAP_NAMES;
const MAP_KEYS = Object.keys(MAP_NAMES) as MapKey[];

/** Whose entries outlive the program, if their number does not change. */
const FLOW_TABLES = ['flows4', 'flows6'] as const;

/** The map of interfaces to redirect to: the kernel's own kind, that cannot be mapped. */
const DEVICES_NAME = 'devices';

const PROGRAM_NAME = 'director';

/** Tables that exist twice. */
export type CopiedTable =
  'services4' | 'services6' | 'slots' | 'destinations' | 'numbered' | 'egresses' | 'nics' | 'policies' | 'candidates';

const CONTROL_MAGIC = layout.controlMagic.magic;

/** Array elements start at multiples of eight (kernel/bpf/arraymap.c). */
const ELEMENT_ALIGNMENT = 8;

/** Of a larger map value the verifier takes no index (BPF_MAX_VAR_OFF in linux/bpf_verifier.h). */
const MAX_VALUE_BYTES = 2 ** 29;

/** Why pinned maps cannot be adopted. */
export type Unadoptable = 'incomplete' | 'other-version';

/** A program, its maps, and their memory. */
export class MapSet implements Disposable {
  readonly geometry: Geometry;
  /** The director. */
  readonly program: BpfProgram;
  /** All programs of the object: the director alone, but for benchmarks' objects. */
  readonly programs: ReadonlyMap<string, BpfProgram>;
  /** All maps of the object by their names there; opened from pins, the director's alone. */
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly #maps: Readonly<Record<MapKey, BpfMap>>;
  readonly #memory: Readonly<Record<MapKey, Mapping>>;
  readonly #strides: Readonly<Record<MapKey, number>>;
  /** Elements of each map, asked for once: reading counters then makes no system call. */
  readonly #elements: Readonly<Record<MapKey, number>>;
  readonly #devices: BpfMap;
  /** Where in a copy of the destinations they stand by their numbers, and where the slots begin. */
  readonly #numberedAt: number;
  readonly #slotsAt: number;
  #deviceIndices: readonly number[] | undefined;

  private constructor(programs: ReadonlyMap<string, BpfProgram>, all: ReadonlyMap<string, BpfMap>) {
    this.programs = programs;
    this.program = programs.get(PROGRAM_NAME)!;
    this.maps = all;
    const maps = mapValues((key) => all.get(MAP_NAMES[key])!);
    this.#maps = maps;
    this.#devices = all.get(DEVICES_NAME)!;
    this.#memory = mapValues((key) => maps[key].mmap('write'));
    this.#strides = mapValues((key) => Math.ceil(maps[key].info.valueSize / ELEMENT_ALIGNMENT) * ELEMENT_ALIGNMENT);
    this.#elements = mapValues((key) => maps[key].info.maxEntries);
    const entries = (key: MapKey, header: number, bytes: number): number => (maps[key].info.valueSize - header) / bytes;
    const destinations = entries('egresses', 0, layout.egress.byteLength);
    this.#numberedAt = numberedOffset(destinations);
    this.#slotsAt = slotsOffset(destinations);
    this.geometry = {
      services4: entries('services4', layout.services4.byteLength, layout.service4.byteLength),
      services6: entries('services6', layout.services6.byteLength, layout.service6.byteLength),
      slots: entries('destinations', this.#slotsAt, layout.destinations.slot.stride),
      destinations,
      services: entries('serviceVerdicts', 0, layout.serviceVerdicts.byteLength),
      flows4: entries('flows4', 0, layout.flow4.byteLength),
      flows6: entries('flows6', 0, layout.flow6.byteLength),
    };
  }

  /**
   * Loads the program with new, empty maps.
   *
   * @param before whose flows to go on with, in its very tables where they are of that size
   * @throws BeelineError `PROGRAM_REFUSED` when the kernel does not take it, `TABLE_FULL` when it cannot be that large,
   *   `NOT_BUILT` when there is no object
   */
  static create(objectPath: string, geometry: Geometry, features: number, before?: MapSet): MapSet {
    const sizes: Partial<Record<MapKey, number>> = {
      services4: layout.services4.byteLength + geometry.services4 * layout.service4.byteLength,
      services6: layout.services6.byteLength + geometry.services6 * layout.service6.byteLength,
      destinations: slotsOffset(geometry.destinations) + geometry.slots * layout.destinations.slot.stride,
      egresses: geometry.destinations * layout.egress.byteLength,
      destinationCounters: geometry.destinations * layout.counter.byteLength,
      serviceVerdicts: geometry.services * layout.serviceVerdicts.byteLength,
      policies: geometry.services * layout.policy.byteLength,
      candidates: geometry.destinations * layout.candidate.byteLength + layout.candidates.byteLength,
      flows4: geometry.flows4 * layout.flow4.byteLength,
      flows6: geometry.flows6 * layout.flow6.byteLength,
      loads: geometry.destinations * layout.load.byteLength,
      cursors: geometry.services * layout.cursor.byteLength,
    };
    const kept = FLOW_TABLES.filter((key) => before?.geometry[key] === geometry[key]);
    // What goes on being used takes no more memory.
    const made = FLOW_TABLES.filter((key) => !kept.includes(key)).reduce((sum, key) => sum + sizes[key]!, 0);
    requireMemory(made, availableMemory());
    const secret = before === undefined ? newSecret() : before.flowSecret;
    if (sizes.destinations! >= MAX_VALUE_BYTES) {
      throw new BeelineError(
        'TABLE_FULL',
        `the rings need ${(sizes.destinations! / 1e9).toFixed(1)} GB; the kernel takes half a GB`,
        {
          hint: 'Give the services fewer "slots".',
        },
      );
    }
    const set = MapSet.#load(objectPath, geometry, features, secret, (object) => {
      for (const [key, size] of Object.entries(sizes)) {
        object.map(MAP_NAMES[key as MapKey]).setValueSize(size);
      }
      for (const key of kept) {
        object.map(MAP_NAMES[key]).reuse(before!.#maps[key]);
      }
      // One row a CPU, and one for what was counted in maps that were replaced by larger ones.
      object.map(MAP_NAMES.destinationCounters).setMaxEntries(possibleCpus() + 1);
      object.map(MAP_NAMES.serviceVerdicts).setMaxEntries(possibleCpus() + 1);
      object.map(MAP_NAMES.flowCounters).setMaxEntries(possibleCpus() + 1);
      object.map(MAP_NAMES.flowQueries).setMaxEntries(possibleCpus());
      object.map(MAP_NAMES.serviceIdentities).setMaxEntries(geometry.services);
      object.map(MAP_NAMES.destinationIdentities).setMaxEntries(geometry.destinations);
    });
    const view = new DataView(new ArrayBuffer(layout.control.byteLength));
    view.setUint32(layout.control.magic.offset, CONTROL_MAGIC, true);
    view.setBigUint64(layout.control.layout.offset, layout.fingerprint, true);
    view.setUint32(layout.control.features.offset, features, true);
    view.setBigUint64(layout.control.flowSecret.offset, secret, true);
    set.#memory.control.write(0, new Uint8Array(view.buffer));
    return set;
  }

  /** Loads the program anew, with the maps of another set. Both see the same memory. */
  static reload(objectPath: string, from: MapSet, features: number): MapSet {
    const set = MapSet.#load(objectPath, from.geometry, features, from.flowSecret, (object) => {
      for (const key of MAP_KEYS) {
        object.map(MAP_NAMES[key]).reuse(from.#maps[key]);
      }
      object.map(DEVICES_NAME).reuse(from.#devices);
    });
    set.#memory.control.store32(layout.control.features.offset, features);
    set.#deviceIndices = from.#deviceIndices;
    return set;
  }

  /**
   * Loads some programs of another object over these very maps, with the same constants: they see what packets see. It
   * is done in another thread, since nothing waits for it that packets need.
   *
   * @param own maps of the object's that are not shared
   * @throws BeelineError `PROGRAM_REFUSED`, `NOT_BUILT`
   */
  async loadBeside(
    objectPath: string,
    wanted: readonly string[],
    own: readonly string[],
  ): Promise<Pick<BpfObject, 'programs' | 'maps'>> {
    using object = openObject(objectPath);
    setConstants(object, this.geometry, this.features, this.flowSecret);
    for (const [name, program] of object.programs) {
      program.setAutoload(wanted.includes(name));
    }
    for (const [name, map] of [
      ...MAP_KEYS.map((key) => [MAP_NAMES[key], this.#maps[key]] as const),
      [DEVICES_NAME, this.#devices] as const,
    ]) {
      if (own.includes(name)) {
        object.map(name).setMaxEntries(map.info.maxEntries);
      } else {
        object.map(name).reuse(map);
      }
    }
    try {
      await object.loadAsync();
    } catch (error) {
      throw programRefused(error);
    }
    return { programs: object.programs, maps: object.maps };
  }

  static #load(
    objectPath: string,
    geometry: Geometry,
    features: number,
    secret: bigint,
    configure: (object: BpfObject) => void,
  ): MapSet {
    using object = openObject(objectPath);
    setConstants(object, geometry, features, secret);
    configure(object);
    try {
      object.load();
    } catch (error) {
      throw programRefused(error);
    }
    return new MapSet(object.programs, object.maps);
  }

  /** Opens what an earlier process pinned; a word instead when it cannot be used. */
  static open(directory: string): MapSet | Unadoptable {
    try {
      const program = BpfProgram.openPinned(join(directory, 'program'));
      const maps = new Map(
        [...MAP_KEYS.map((key) => MAP_NAMES[key]), DEVICES_NAME].map(
          (name) => [name, BpfMap.openPinned(join(directory, pinName(name)))] as const,
        ),
      );
      if (!isOurControl(maps.get(MAP_NAMES.control)!)) {
        return 'other-version';
      }
      const set = new MapSet(new Map([[PROGRAM_NAME, program]]), maps);
      // The fingerprint covers the structs; the number of rows follows from the machine.
      return set.#rows('destinationCounters') === possibleCpus() + 1 ? set : 'other-version';
    } catch (error) {
      if (error instanceof KernelError && (error.code === 'ENOENT' || error.code === 'EINVAL')) {
        return 'incomplete';
      }
      throw error;
    }
  }

  /** Pins the program and all maps into a new directory. */
  pin(directory: string): void {
    mkdirSync(directory, { mode: 0o700 });
    for (const key of MAP_KEYS) {
      this.#maps[key].pin(join(directory, pinName(MAP_NAMES[key])));
    }
    this.#devices.pin(join(directory, pinName(DEVICES_NAME)));
    this.program.pin(join(directory, 'program'));
  }

  /** Removes what `pin` made. What packets use lives on until nothing refers to it. */
  static unpin(directory: string): void {
    if (!existsSync(directory)) {
      return;
    }
    for (const name of readdirSync(directory)) {
      unlinkSync(join(directory, name));
    }
    rmdirSync(directory);
  }

  /** The copy that packets read: 0 or 1. */
  get activeCopy(): 0 | 1 {
    return (this.#memory.control.load32(layout.control.active.offset) & 1) as 0 | 1;
  }

  /** Lets packets read `copy`, whole, from the next one on, and counts the publication. */
  activate(copy: 0 | 1): void {
    const generation = new DataView(new ArrayBuffer(8));
    generation.setBigUint64(0, this.generation + 1n, true);
    this.#memory.control.write(layout.control.generation.offset, new Uint8Array(generation.buffer));
    this.#memory.control.store32(layout.control.active.offset, copy);
  }

  /** How often a configuration was published in these maps. */
  get generation(): bigint {
    const bytes = this.#memory.control.read(layout.control.generation.offset, new Uint8Array(8));
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }

  /** What the program was loaded for: bits of enum feature. */
  get features(): number {
    return this.#memory.control.load32(layout.control.features.offset);
  }

  /** The memory of flows, and of what each destination has of them. */
  get flowMemory(): Readonly<Record<'flows4' | 'flows6' | 'loads', Mapping>> {
    return this.#memory;
  }

  /** How many flows a destination has, as the data path counts them: active, inactive, templates. */
  readLoads(count: number): Uint32Array {
    const bytes = this.#memory.loads.read(0, new Uint8Array(count * layout.load.byteLength));
    return new Uint32Array(bytes.buffer);
  }

  /** What all CPUs together did to the tables of flows: stored, evicted, refused. */
  readFlowCounters(): Float64Array {
    const rows = Array.from({ length: this.#rows('flowCounters') }, (_, row) =>
      this.#memory.flowCounters.read(row * this.#strides.flowCounters, new Uint8Array(layout.flowCounter.byteLength)),
    );
    return sumRows(rows);
  }

  /** Brings another set's flows along, where they stand in other tables; resolves to how many found no room. */
  async copyFlows(from: MapSet): Promise<number> {
    let lost = 0;
    for (const [key, family] of [
      ['flows4', 4],
      ['flows6', 6],
    ] as const) {
      if (from.geometry[key] !== this.geometry[key]) {
        lost += await addon.copyFlows({
          from: from.#memory[key].native,
          to: this.#memory[key].native,
          family,
          secret: this.flowSecret,
        });
      }
    }
    return lost;
  }

  /** Brings along what another set's destination of a number has of flows. */
  carryLoad(from: MapSet, number: number): void {
    const { byteLength, flows, overload, member } = layout.load;
    for (const field of [flows, overload, member]) {
      const at = number * byteLength + field.offset;
      this.#memory.loads.write(at, from.#memory.loads.read(at, new Uint8Array(field.size)));
    }
  }

  /** Brings along how far another set's scheduler of a service has come. */
  carryCursor(from: MapSet, service: number): void {
    const { byteLength } = layout.cursor;
    const at = service * byteLength;
    this.#memory.cursors.write(at, from.#memory.cursors.read(at, new Uint8Array(byteLength)));
  }

  /** What spreads flows over their tables. */
  get flowSecret(): bigint {
    const bytes = this.#memory.control.read(layout.control.flowSecret.offset, new Uint8Array(8));
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }

  /** Tells the program when flows of each state may be taken for over. */
  setTimeouts(units: Uint32Array): void {
    this.#memory.control.write(layout.control.flowTimeouts.offset, new Uint8Array(units.buffer));
  }

  /** How many flows a service's scheduler counted, and the number of the destination that lblc has in use. */
  cursor(service: number): { count: bigint; cached: number } {
    const { byteLength, count, cached } = layout.cursor;
    const bytes = this.#memory.cursors.read(service * byteLength, new Uint8Array(byteLength));
    const view = new DataView(bytes.buffer);
    return { count: view.getBigUint64(count.offset, true), cached: view.getUint32(cached.offset, true) };
  }

  /** What is added to a service's count for its place in the sequence, in the copy that packets read. */
  sequenceBase(service: number): number {
    const { byteLength, base } = layout.policy;
    return this.#memory.policies.load32(this.activeCopy * this.#strides.policies + service * byteLength + base.offset);
  }

  /** A table of first fragments, as it is now. */
  readFragments(table: 'fragments4' | 'fragments6'): { bytes: Uint8Array; view: DataView } {
    const bytes = this.#memory[table].read(0, new Uint8Array(layout[table].byteLength));
    return { bytes, view: new DataView(bytes.buffer) };
  }

  /** Sets how many flows a destination may have; 0: no limit. */
  setThresholds(number: number, upper: number, lower: number): void {
    const { loads } = this.#memory;
    const at = number * layout.load.byteLength;
    if (
      loads.load32(at + layout.load.upper.offset) === upper &&
      loads.load32(at + layout.load.lower.offset) === lower
    ) {
      return;
    }
    loads.store32(at + layout.load.upper.offset, upper);
    loads.store32(at + layout.load.lower.offset, lower);
    // The next flow that is one too many says so again.
    loads.store32(at + layout.load.overload.offset, 0);
  }

  /** Sets the interfaces that packets can be redirected to; one that has vanished meanwhile is left out. */
  setDevices(ifindices: readonly number[]): void {
    const before = this.#deviceIndices ?? [...this.#devices.keys()].map((key) => u32Of(key));
    for (const gone of before.filter((ifindex) => !ifindices.includes(ifindex))) {
      this.#devices.delete(u32Bytes(gone));
    }
    for (const added of ifindices.filter((ifindex) => !before.includes(ifindex))) {
      try {
        this.#devices.update(u32Bytes(added), u32Bytes(added));
      } catch (error) {
        if (!(error instanceof KernelError && (error.code === 'EINVAL' || error.code === 'ENODEV'))) {
          throw error;
        }
      }
    }
    this.#deviceIndices = ifindices;
  }

  /** Writes into one copy of a table. */
  writeTable(table: CopiedTable, copy: 0 | 1, offset: number, bytes: Uint8Array): void {
    const [map, start] =
      table === 'slots'
        ? (['destinations', this.#slotsAt] as const)
        : table === 'numbered'
          ? (['destinations', this.#numberedAt] as const)
          : ([table, 0] as const);
    this.#memory[map].write(copy * this.#strides[map] + start + offset, bytes);
  }

  /** Gives a service number to somebody, with counters at zero; to nobody when `identity` is undefined. */
  setService(number: number, identity: Uint8Array | undefined): void {
    const { byteLength } = layout.serviceVerdicts;
    this.#setIdentity('serviceIdentities', number, identity);
    this.#memory.cursors.zero(number * layout.cursor.byteLength, layout.cursor.byteLength);
    for (let row = 0; row < this.#rows('serviceVerdicts'); row += 1) {
      this.#memory.serviceVerdicts.zero(row * this.#strides.serviceVerdicts + number * byteLength, byteLength);
    }
  }

  /** The same for a destination number. */
  setDestination(number: number, identity: Uint8Array | undefined): void {
    const { byteLength } = layout.counter;
    this.#setIdentity('destinationIdentities', number, identity);
    this.#memory.loads.zero(number * layout.load.byteLength, layout.load.byteLength);
    for (let row = 0; row < this.#rows('destinationCounters'); row += 1) {
      this.#memory.destinationCounters.zero(row * this.#strides.destinationCounters + number * byteLength, byteLength);
    }
  }

  #setIdentity(key: 'serviceIdentities' | 'destinationIdentities', number: number, identity?: Uint8Array): void {
    this.#memory[key].write(number * this.#strides[key], identity ?? new Uint8Array(layout.identity.byteLength));
  }

  /** Brings along whose another set's numbers are, or were, as far as these maps have them. */
  carryIdentities(from: MapSet, { services, destinations }: NumberSet): void {
    for (const [key, numbers] of [
      ['serviceIdentities', services],
      ['destinationIdentities', destinations],
    ] as const) {
      for (const number of numbers.filter((each) => each < this.#rows(key))) {
        const at = number * this.#strides[key];
        this.#memory[key].write(at, from.#memory[key].read(at, new Uint8Array(layout.identity.byteLength)));
      }
    }
  }

  /** Who has which number, as the maps say. */
  readNumbering(): Numbering {
    const names = new Map<number, string>();
    const result = new Map<string, ServiceNumbers & { destinations: Map<string, number> }>();
    const services = [...this.#identities('serviceIdentities')];
    for (const { number, service, ...key } of services) {
      if (service === 0) {
        names.set(number, serviceName(key));
      }
    }
    // What leads to a mark's service is named after it.
    for (const { number, service, address, protocol } of services) {
      if (service !== 0) {
        names.set(number, markEntryName(names.get(service) ?? `${service}`, protocol, address));
      }
    }
    for (const { number } of services) {
      result.set(names.get(number)!, { number, destinations: new Map() });
    }
    for (const { number, address, service } of this.#identities('destinationIdentities')) {
      result.get(names.get(service) ?? '')?.destinations.set(address, number);
    }
    return result;
  }

  *#identities(key: 'serviceIdentities' | 'destinationIdentities'): Generator<{
    number: number;
    address: string;
    port: number;
    protocol: Protocol;
    mark?: number;
    service: number;
  }> {
    const all = this.#memory[key].read(0, new Uint8Array(this.#memory[key].byteLength));
    const view = new DataView(all.buffer);
    for (let number = 1; number < this.#rows(key); number += 1) {
      const at = number * this.#strides[key];
      const service = view.getUint16(at + layout.identity.service.offset, true);
      const protocolNumber = all[at + layout.identity.protocol.offset];
      if (protocolNumber === MARK_PROTOCOL) {
        const address = all[at + layout.identity.family.offset] === 4 ? '0.0.0.0' : '::';
        const mark = view.getUint32(at + layout.identity.address.offset);
        yield { number, address, port: 0, protocol: 'tcp', mark, service };
        continue;
      }
      const protocol = PROTOCOLS.find((name) => PROTOCOL_NUMBERS[name] === protocolNumber);
      if (protocol === undefined) {
        continue;
      }
      const addressAt = at + layout.identity.address.offset;
      const addressBytes = all[at + layout.identity.family.offset] === 4 ? 4 : 16;
      yield {
        number,
        address: ipFromBytes(all.subarray(addressAt, addressAt + addressBytes)),
        port: view.getUint16(at + layout.identity.port.offset),
        protocol,
        service,
      };
    }
  }

  /** All rows of a counter table, one a CPU and the carried one: bytes of `count` numbers from 0 each. */
  readRows(table: 'destinationCounters' | 'serviceVerdicts', count: number): Uint8Array[] {
    const bytes = count * (table === 'destinationCounters' ? layout.counter : layout.serviceVerdicts).byteLength;
    return Array.from({ length: this.#rows(table) }, (_, row) =>
      this.#memory[table].read(row * this.#strides[table], new Uint8Array(bytes)),
    );
  }

  /** Sets the row of what was counted in maps before these. */
  writeCarriedRow(table: 'destinationCounters' | 'serviceVerdicts', bytes: Uint8Array): void {
    this.#memory[table].write((this.#rows(table) - 1) * this.#strides[table], bytes);
  }

  #rows(key: MapKey): number {
    return this.#elements[key];
  }

  /** Closes the handles. Pins, links and packets keep what they use. */
  close(): void {
    for (const key of MAP_KEYS) {
      this.#memory[key].close();
    }
    for (const map of this.maps.values()) {
      map.close();
    }
    for (const program of this.programs.values()) {
      program.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Odd, so that no two flows' keys become one by it. */
function newSecret(): bigint {
  return randomBytes(8).readBigUInt64LE() | 1n;
}

function u32Bytes(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function u32Of(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

function mapValues<Value>(make: (key: MapKey) => Value): Record<MapKey, Value> {
  return Object.fromEntries(MAP_KEYS.map((key) => [key, make(key)])) as Record<MapKey, Value>;
}

/** BPF file systems refuse names with dots. */
function pinName(mapName: string): string {
  return mapName.replace('.data.', '');
}

function programRefused(error: unknown): unknown {
  if (!(error instanceof KernelError)) {
    return error;
  }
  return new BeelineError('PROGRAM_REFUSED', `the kernel refused the XDP program: ${error.message}`, {
    hint:
      error.code === 'EPERM'
        ? 'Run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.'
        : "Please report this, with the kernel's version.",
    cause: error,
  });
}

function openObject(path: string): BpfObject {
  try {
    return new BpfObject(path, 'director');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new BeelineError('NOT_BUILT', `the XDP program is not built: ${path} is missing`, {
        hint: 'Run "npm run build".',
      });
    }
    throw error;
  }
}

/** Tells the program its tables' sizes and its features, before it is loaded: the verifier then knows them. */
function setConstants(object: BpfObject, geometry: Geometry, features: number, secret: bigint): void {
  const view = new DataView(new ArrayBuffer(layout.readOnlyData.byteLength));
  const at = layout.readOnlyData.geometry.offset;
  const set = (field: { offset: number }, value: number): void => {
    view.setUint32(at + field.offset, value, true);
  };
  set(layout.geometry.services4Shift, 64 - Math.log2(geometry.services4));
  set(layout.geometry.services6Shift, 64 - Math.log2(geometry.services6));
  set(layout.geometry.slotMask, geometry.slots - 1);
  set(layout.geometry.destinationMask, geometry.destinations - 1);
  set(layout.geometry.serviceMask, geometry.services - 1);
  set(layout.geometry.flows4Buckets, geometry.flows4 / FLOW_WAYS.ipv4);
  set(layout.geometry.flows6Buckets, geometry.flows6 / FLOW_WAYS.ipv6);
  view.setUint32(layout.readOnlyData.features.offset, features, true);
  view.setUint32(layout.readOnlyData.clockShift.offset, clockShift(), true);
  view.setBigUint64(layout.readOnlyData.flowSecret.offset, secret, true);
  object.section('.rodata').setInitialValue(new Uint8Array(view.buffer));
}

function isOurControl(map: BpfMap): boolean {
  if (map.info.valueSize !== layout.control.byteLength) {
    return false;
  }
  using memory = map.mmap('read');
  const bytes = memory.read(0, new Uint8Array(layout.control.byteLength));
  const view = new DataView(bytes.buffer);
  return (
    view.getUint32(layout.control.magic.offset, true) === CONTROL_MAGIC &&
    view.getBigUint64(layout.control.layout.offset, true) === layout.fingerprint
  );
}
