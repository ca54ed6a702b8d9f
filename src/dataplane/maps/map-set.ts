/** A set of maps with the program that reads them: created, reloaded, pinned, opened again, closed. */

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

import { type Geometry, requireMemory } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import { BpfMap, type BpfObject, BpfProgram, KernelError } from '../../libbpf/index.js';
import type { Family } from '../../model/index.js';
import { availableMemory, cpuNumbers } from '../../native/index.js';
import { Control, FIRST_EXTENT, type FlowExtents, isOurControl } from './control.js';
import { Devices } from './devices.js';
import { loadObject, loadObjectAsync } from './load.js';
import { MapMemory } from './memory.js';
import {
  COUNTER_MAPS,
  DEVICES_NAME,
  EARLY_NAME,
  FLOW_TABLES,
  FRAGMENT_TABLES,
  MAP_KEYS,
  MAP_NAMES,
  type MapKey,
  mapValues,
  PROGRAMS_NAME,
} from './names.js';
import { type CopiedTable, geometryOf, placeOfTable, valueSizesFor } from './sizes.js';

const PROGRAM_NAME = 'director';

/** Why pinned maps cannot be adopted. */
export type Unadoptable = 'incomplete' | 'other-version';

export class MapSet implements Disposable {
  readonly geometry: Geometry;
  /** The director. */
  readonly program: BpfProgram;
  /** All programs of the object; after `open`, only the director. */
  readonly programs: ReadonlyMap<string, BpfProgram>;
  /** All maps of the object by their names there; after `open`, only the director's. */
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly memory: MapMemory;
  readonly control: Control;
  readonly devices: Devices;
  /** The ring buffer of fragments that came before their first one. */
  readonly early: BpfMap;
  readonly #maps: Readonly<Record<MapKey, BpfMap>>;

  private constructor({ programs, maps }: Pick<BpfObject, 'programs' | 'maps'>, from?: MapSet) {
    this.programs = programs;
    this.program = programs.get(PROGRAM_NAME)!;
    this.maps = maps;
    this.#maps = mapValues((key) => maps.get(MAP_NAMES[key])!);
    this.memory = new MapMemory(this.#maps);
    this.control = new Control(this.memory.mapping('control'));
    this.devices = new Devices(maps.get(DEVICES_NAME)!, from?.devices);
    this.early = maps.get(EARLY_NAME)!;
    this.geometry = geometryOf((key) => this.#maps[key].info.valueSize);
  }

  /**
   * Loads the program with new, empty maps, in another thread: the verifier takes up to a second.
   *
   * @param before has the flows to go on with; the new set uses its flow tables if they have the right size, and its
   *   tables of first fragments
   * @throws BeelineError `PROGRAM_REFUSED` if the kernel refuses the program, `TABLE_FULL` if it takes no maps that large,
   *   `OUT_OF_MEMORY`, `NOT_BUILT` if there is no object
   */
  static async create(objectPath: string, geometry: Geometry, features: number, before?: MapSet): Promise<MapSet> {
    const sizes = valueSizesFor(geometry);
    const kept = FLOW_TABLES.filter((key) => before?.geometry[key] === geometry[key]);
    // Tables that stay in use take no more memory.
    const made = FLOW_TABLES.filter((key) => !kept.includes(key)).reduce((sum, key) => sum + sizes[key], 0);
    requireMemory(made, availableMemory());
    const hashSecret = before === undefined ? newSecret() : before.control.hashSecret;
    const loaded = await loadObjectAsync(objectPath, { geometry, features, hashSecret }, (object) => {
      for (const [key, size] of Object.entries(sizes)) {
        object.map(MAP_NAMES[key as MapKey]).setValueSize(size);
      }
      for (const key of [...kept, ...(before === undefined ? [] : FRAGMENT_TABLES)]) {
        object.map(MAP_NAMES[key]).reuse(before!.#maps[key]);
      }
      if (before !== undefined) {
        object.map(EARLY_NAME).reuse(before.early);
      }
      for (const key of COUNTER_MAPS) {
        // One row for each number of a CPU, and one for the counters of maps that were replaced by larger ones.
        object.map(MAP_NAMES[key]).setMaxEntries(cpuNumbers() + 1);
      }
      object.map(MAP_NAMES.flowQueries).setMaxEntries(cpuNumbers());
      object.map(MAP_NAMES.serviceIdentities).setMaxEntries(geometry.services);
      object.map(MAP_NAMES.destinationIdentities).setMaxEntries(geometry.destinations);
    });
    const set = new MapSet(loaded);
    set.control.initialize(features, hashSecret, {
      4: firstExtents(4, geometry.flows4, before),
      6: firstExtents(6, geometry.flows6, before),
    });
    return set;
  }

  /** Loads the program again, with the maps of another set, in another thread. Both sets see the same memory. */
  static async reload(objectPath: string, from: MapSet, features: number): Promise<MapSet> {
    const constants = { geometry: from.geometry, features, hashSecret: from.control.hashSecret };
    return MapSet.#reloaded(await loadObjectAsync(objectPath, constants, from.#reuse), from, features);
  }

  /** The same at once, for a start: nobody is served yet. */
  static reloadNow(objectPath: string, from: MapSet, features: number): MapSet {
    const constants = { geometry: from.geometry, features, hashSecret: from.control.hashSecret };
    return MapSet.#reloaded(loadObject(objectPath, constants, from.#reuse), from, features);
  }

  static #reloaded(loaded: Pick<BpfObject, 'programs' | 'maps'>, from: MapSet, features: number): MapSet {
    const set = new MapSet(loaded, from);
    set.control.features = features;
    return set;
  }

  /** Has an object use these maps. */
  readonly #reuse = (object: BpfObject): void => {
    for (const key of MAP_KEYS) {
      object.map(MAP_NAMES[key]).reuse(this.#maps[key]);
    }
    object.map(DEVICES_NAME).reuse(this.devices.map);
    object.map(EARLY_NAME).reuse(this.early);
  };

  /**
   * Loads some programs of another object with these maps and the same constants: they see what packets see. Runs in
   * another thread, since packets do not wait for it.
   *
   * @param own the object's maps that are not shared
   * @throws BeelineError `PROGRAM_REFUSED`, `NOT_BUILT`
   */
  loadBeside(
    objectPath: string,
    wanted: readonly string[],
    own: readonly string[],
  ): Promise<Pick<BpfObject, 'programs' | 'maps'>> {
    const { features, hashSecret } = this.control;
    const shareMaps = (object: BpfObject): void => {
      for (const [name, map] of this.#namedMaps()) {
        if (own.includes(name)) {
          object.map(name).setMaxEntries(map.info.maxEntries);
        } else {
          object.map(name).reuse(map);
        }
      }
    };
    return loadObjectAsync(objectPath, { geometry: this.geometry, features, hashSecret }, shareMaps, wanted);
  }

  /** Opens what an earlier process pinned. Returns why it cannot be used, if so. */
  static open(directory: string): MapSet | Unadoptable {
    try {
      const program = BpfProgram.openPinned(join(directory, 'program'));
      const names = [...MAP_KEYS.map((key) => MAP_NAMES[key]), DEVICES_NAME, EARLY_NAME];
      const maps = new Map(names.map((name) => [name, BpfMap.openPinned(join(directory, pinName(name)))] as const));
      if (!isOurControl(maps.get(MAP_NAMES.control)!)) {
        return 'other-version';
      }
      const set = new MapSet({ programs: new Map([[PROGRAM_NAME, program]]), maps });
      // The fingerprint covers the structs; the number of rows follows from the machine.
      return set.memory.elements('destinationCounters') === cpuNumbers() + 1 ? set : 'other-version';
    } catch (error) {
      if (error instanceof KernelError && (error.code === 'ENOENT' || error.code === 'EINVAL')) {
        return 'incomplete';
      }
      throw error;
    }
  }

  /**
   * Pins the program and all maps into a new directory. The kernel empties an array of programs that user space has
   * neither open nor pinned.
   */
  pin(directory: string): void {
    mkdirSync(directory, { mode: 0o700 });
    for (const [name, object] of this.#pins()) {
      object.pin(join(directory, name));
    }
  }

  /** Pins again what was removed from the directory. Returns the names of those pins. */
  mendPins(directory: string): string[] {
    const missing = this.#pins().filter(([name]) => !existsSync(join(directory, name)));
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const [name, object] of missing) {
      object.pin(join(directory, name));
    }
    return missing.map(([name]) => name);
  }

  /** Removes the pins that `pin` made. What packets use stays until nothing refers to it. */
  static unpin(directory: string): void {
    if (!existsSync(directory)) {
      return;
    }
    for (const name of readdirSync(directory)) {
      unlinkSync(join(directory, name));
    }
    rmdirSync(directory);
  }

  /** Whether this is another set with the same maps, as `reload` makes one. */
  hasMapsOf(other: MapSet): boolean {
    return this.#maps.control.info.id === other.#maps.control.info.id;
  }

  /** Returns how many of a flow table's entries flows can have at present: the first ones. */
  flowEntries(family: Family): number {
    const { present, former } = this.control.flowExtents(family);
    return Math.max(present, former);
  }

  /** Writes into one copy of a table. */
  writeTable(table: CopiedTable, copy: 0 | 1, offset: number, bytes: Uint8Array): void {
    const place = placeOfTable(table, this.geometry);
    this.memory.write(place.map, copy, place.offset + offset, bytes);
  }

  /** Closes the handles. Pins, links and packets keep what they use. */
  close(): void {
    this.memory.close();
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

  #pins(): (readonly [name: string, object: Pick<BpfMap | BpfProgram, 'pin'>])[] {
    const maps = [...this.#namedMaps(), [PROGRAMS_NAME, this.maps.get(PROGRAMS_NAME)!] as const];
    return [...maps.map(([name, map]) => [pinName(name), map] as const), ['program', this.program]];
  }

  #namedMaps(): (readonly [name: string, map: BpfMap])[] {
    return [
      ...MAP_KEYS.map((key) => [MAP_NAMES[key], this.#maps[key]] as const),
      [DEVICES_NAME, this.devices.map] as const,
      [EARLY_NAME, this.early] as const,
    ];
  }
}

/** Returns the extents that a flow table of so many entries begins with: those that its flows have, if there are any. */
function firstExtents(family: Family, most: number, before: MapSet | undefined): FlowExtents {
  const extents = before?.control.flowExtents(family);
  if (before?.geometry[`flows${family}`] === most && extents !== undefined) {
    return extents;
  }
  const present = Math.min(Math.max(FIRST_EXTENT, extents?.present ?? 0), most);
  return { present, former: present };
}

/** Draws the keys of the hash functions. */
function newSecret(): BigUint64Array {
  return new BigUint64Array(new Uint8Array(randomBytes(layout.control.hashSecret.size)).buffer);
}

/** BPF file systems refuse names with dots. */
function pinName(mapName: string): string {
  return mapName.replace('.data.', '');
}
