/** Which maps are meant: a director's by their pins, those of anything that is pinned, or any by its id. */

import { readdirSync, statfsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { BPF_FS_MAGIC, listSets, setPath } from '../dataplane/index.js';
import { COPIED_TABLES, PLACE_MEANINGS, tableArrays } from '../layout/index.js';
import { BpfMap, BpfProgram, Btf, KernelError, pinnedKind, XdpLink } from '../libbpf/index.js';
import { BeelineError } from '../model/index.js';
import { asking, nearest } from './errors.js';
import { InspectedMap, type MapContext, type ReadOptions } from './inspected-map.js';

export interface Selection {
  /** The director's folder in the BPF file system: its maps, unless something else is named. */
  readonly pinDirectory: string;
  /** A pin, of a map, program or link, or a folder of them. */
  readonly pinned?: string | undefined;
  /** Of a program or a map: "12", where both have it "map:12" or "program:12". */
  readonly id?: string | undefined;
  /** All maps of the machine. */
  readonly all?: boolean | undefined;
}

/** A map that was found and not yet looked into. */
export interface FoundMap {
  readonly name: string;
  readonly id: number;
  readonly pinned?: string | undefined;
  readonly owner?: string | undefined;
  /** The BTF of a program that uses it, by its id: it tells the types of maps that the kernel keeps none for. */
  readonly programBtfId?: number | undefined;
  /** The maps of the same director. */
  readonly siblings?: readonly FoundMap[] | undefined;
}

/** The maps that a selection means, and how they are opened. */
export class Maps {
  readonly list: readonly FoundMap[];
  /** What was asked for, in messages: 'the director "default"', "program 12 (director)". */
  readonly of: string;
  /** The selection is one map, so that its name need not be given. */
  readonly single: boolean;
  readonly #types = new TypeCache();

  private constructor(list: readonly FoundMap[], of: string, single: boolean) {
    this.list = list;
    this.of = of;
    this.single = single;
  }

  /** @throws BeelineError `MAP_UNKNOWN`, `CAPABILITY_MISSING`, `USAGE` */
  static find(selection: Selection): Maps {
    const owners = findOwners(dirname(selection.pinDirectory));
    const make = (found: readonly FoundMap[], of: string, single = false): Maps => {
      return new Maps(
        found.map((map) => ({ ...owners.get(map.id), ...withoutUndefined(map) })),
        of,
        single,
      );
    };
    const { pinDirectory, pinned, id, all } = selection;
    if (all === true) {
      return make(mapsById(allMapIds()), 'this machine');
    }
    if (pinned !== undefined) {
      const found = findPinned(pinned);
      return make(found.list, pinned, found.single);
    }
    if (id !== undefined) {
      const found = findById(id);
      return make(found.list, found.of, found.single);
    }
    return make(findDirectors(pinDirectory), `the director "${basename(pinDirectory)}"`);
  }

  /** @throws BeelineError `MAP_UNKNOWN` telling what is there */
  named(name: string): FoundMap {
    // ".data.control" is pinned as "control": a pin's name has no dots.
    const short = (each: string): string => each.replace(/^\.data\./, '');
    const exact = this.list.filter((map) => map.name === name);
    const found = exact.length > 0 ? exact : this.list.filter((map) => short(map.name) === short(name));
    const [only] = found;
    if (only === undefined) {
      const names = this.list.map((map) => map.name);
      const near = nearest(name, names);
      throw new BeelineError('MAP_UNKNOWN', `${this.of} has no map "${name}"`, {
        hint: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `It has ${names.join(', ')}.`,
      });
    }
    if (found.length > 1) {
      throw new BeelineError('MAP_UNKNOWN', `${this.of} has ${found.length} maps "${name}"`, {
        hint: `Say which by --id: ${found.map(({ id }) => `map:${id}`).join(', ')}.`,
      });
    }
    return only;
  }

  /** @throws BeelineError `MAP_UNKNOWN` when it is gone meanwhile */
  open(found: FoundMap, options: ReadOptions = {}): InspectedMap {
    return new InspectedMap(openMap(found.id), this.#contextOf(found), options);
  }

  #contextOf(found: FoundMap): MapContext {
    const ours = found.owner !== undefined;
    return {
      ...found,
      arrays: ours ? tableArrays(found.name, (name) => this.#siblingSize(found, name)) : undefined,
      meanings: ours ? PLACE_MEANINGS : undefined,
      btfOf: (id) => this.#types.byId(id),
      kernelBtf: () => this.#types.kernel(),
    };
  }

  #siblingSize(found: FoundMap, name: string): number | undefined {
    const sibling = name === found.name ? found : found.siblings?.find((map) => map.name === name);
    if (sibling === undefined) {
      return undefined;
    }
    using map = openMap(sibling.id);
    return map.info.valueSize;
  }

  /** Which of a table's two elements packets read; undefined for maps of another kind. */
  activeCopy(found: FoundMap): number | undefined {
    const control = found.siblings?.find(({ name }) => name === 'control');
    if (control === undefined || !COPIED_TABLES.has(found.name)) {
      return undefined;
    }
    using map = this.open(control);
    const place = map.placeOf('control.active');
    const bytes = map.map.lookup(new Uint8Array(map.info.keySize));
    const active = bytes && map.value?.codec.decode(place, bytes);
    return typeof active === 'number' ? active & 1 : undefined;
  }
}

/** BTF is read once for all maps that share it. */
class TypeCache {
  readonly #byId = new Map<number, Btf>();
  #kernel: Btf | undefined;

  byId(id: number): Btf {
    let btf = this.#byId.get(id);
    if (btf === undefined) {
      btf = asking(`BTF id ${id}`, () => Btf.byId(id));
      this.#byId.set(id, btf);
    }
    return btf;
  }

  kernel(): Btf {
    this.#kernel ??= Btf.parse('/sys/kernel/btf/vmlinux');
    return this.#kernel;
  }
}

function allMapIds(): number[] {
  return asking('the list of maps', () => [...BpfMap.ids()]);
}

function openMap(id: number): BpfMap {
  try {
    return asking(`map ${id}`, () => BpfMap.openById(id));
  } catch (error) {
    throw isKernelError(error, 'ENOENT') ? unknown(`there is no map ${id} (any more)`) : error;
  }
}

function isKernelError(error: unknown, code: string): boolean {
  return error instanceof KernelError && error.code === code;
}

const HINT = '"beeline map list --all" tells all maps there are.';

function unknown(message: string, hint = HINT): BeelineError {
  return new BeelineError('MAP_UNKNOWN', message, { hint });
}

/** Names from ids; maps that vanish meanwhile are left out. */
function mapsById(ids: readonly number[], programBtfId?: number): FoundMap[] {
  const types = new Map<number, Btf>();
  return ids.flatMap((id) => {
    const map = found(() => openMap(id));
    if (map === undefined) {
      return [];
    }
    const { name, btfId } = map.info;
    map.close();
    return [{ id, name: wholeName(name, programBtfId ?? btfId, types), programBtfId }];
  });
}

function mapsOf(program: BpfProgram): FoundMap[] {
  const { mapIds, btfId } = program.info;
  return mapsById(mapIds, btfId === 0 ? undefined : btfId);
}

/** The kernel cuts names to 15 characters; the BTF of the object that a map came from has the whole one. */
const KERNEL_NAME_LENGTH = 15;

function wholeName(name: string, btfId: number, types: Map<number, Btf>): string {
  const [section] = /\.(?:data|rodata|bss|kconfig)(?:\..+)?$/.exec(name) ?? [];
  if (section !== undefined) {
    return section;
  }
  if (name.length < KERNEL_NAME_LENGTH || btfId === 0) {
    return name;
  }
  const btf = types.get(btfId) ?? Btf.byId(btfId);
  types.set(btfId, btf);
  const maps = btf.types.find((type) => type.kind === 'section' && type.name === '.maps');
  const names = maps?.kind === 'section' ? maps.entries.map(({ type }) => btf.type(type).name) : [];
  const whole = names.filter((each) => each.startsWith(name));
  return whole.length === 1 ? whole[0]! : name;
}

function findDirectors(directory: string): FoundMap[] {
  const noMaps = (): BeelineError =>
    unknown(`no director "${basename(directory)}" has maps on this host`, '--pinned and --id look at other maps.');
  try {
    asking(directory, () => statSync(directory));
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? noMaps() : error;
  }
  const sets = asking(directory, () => listSets(directory));
  const newest = sets.at(-1);
  if (newest === undefined) {
    throw noMaps();
  }
  // While tables are replaced by larger ones there are two sets for a moment.
  return sets
    .toReversed()
    .flatMap((number) =>
      findPinned(setPath(directory, number)).list.map((map) =>
        number === newest ? map : { ...map, name: `set-${number}/${map.name}` },
      ),
    );
}

function findPinned(path: string): { list: FoundMap[]; single: boolean } {
  try {
    return asking(path, () => {
      if (statfsSync(path).type !== BPF_FS_MAGIC) {
        throw unknown(`${path} is not in a BPF file system`);
      }
      return statSync(path).isDirectory() ? findInFolder(path) : findPin(path);
    });
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? unknown(`nothing is pinned at ${path}`) : error;
  }
}

/** What is pinned in a folder, and what the programs pinned there use beside. */
function findInFolder(path: string): { list: FoundMap[]; single: boolean } {
  const files = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isFile());
  const pins = files.map(({ name }) => join(path, name));
  const maps = pins.filter((pin) => pinnedKind(pin) === 'map').flatMap((pin) => findPin(pin).list);
  const known = new Set(maps.map(({ id }) => id));
  const used = pins.filter((pin) => pinnedKind(pin) === 'program').flatMap((pin) => findPin(pin).list);
  const types = new Map(used.map(({ id, programBtfId }) => [id, programBtfId]));
  const pinned = maps.map((map) => ({ ...map, programBtfId: types.get(map.id) }));
  return { list: [...pinned, ...used.filter(({ id }) => !known.has(id))], single: false };
}

function findPin(path: string): { list: FoundMap[]; single: boolean } {
  const kind = pinnedKind(path);
  if (kind === 'map') {
    using map = BpfMap.openPinned(path);
    return { list: [{ id: map.info.id, name: basename(path), pinned: path }], single: true };
  }
  if (kind === 'link') {
    using link = XdpLink.openPinned(path);
    using program = BpfProgram.openById(link.info.programId);
    return { list: mapsOf(program), single: false };
  }
  if (kind === 'program') {
    using program = BpfProgram.openPinned(path);
    return { list: mapsOf(program), single: false };
  }
  throw new BeelineError('MAP_UNKNOWN', `${path} is no map, program or link`);
}

function findById(text: string): { list: FoundMap[]; of: string; single: boolean } {
  const [, kind, digits] = /^(?:(map|program):)?([1-9]\d{0,9})$/.exec(text) ?? [];
  const id = Number(digits);
  if (digits === undefined || id >= 2 ** 32) {
    throw new BeelineError('USAGE', `"${text}" is no id`, { hint: 'For example 12, map:12 or program:12.' });
  }
  const map = kind === 'program' ? undefined : found(() => openMap(id));
  const program = kind === 'map' ? undefined : found(() => asking(`program ${id}`, () => BpfProgram.openById(id)));
  try {
    if (map !== undefined && program !== undefined) {
      throw new BeelineError('USAGE', `there is a map ${id}, "${map.name}", and a program ${id}, "${program.name}"`, {
        hint: `Say which: --id map:${id} or --id program:${id}.`,
      });
    }
    if (map !== undefined) {
      return { list: mapsById([id]), of: `map ${id}`, single: true };
    }
    if (program !== undefined) {
      return { list: mapsOf(program), of: `program ${id} (${program.name})`, single: false };
    }
  } finally {
    map?.close();
    program?.close();
  }
  throw unknown(`there is no ${kind ?? 'map or program'} ${id}`);
}

/** Undefined for what is not there. */
function found<Handle>(open: () => Handle): Handle | undefined {
  try {
    return open();
  } catch (error) {
    const gone = isKernelError(error, 'ENOENT') || (error instanceof BeelineError && error.code === 'MAP_UNKNOWN');
    if (gone) {
      return undefined;
    }
    throw error;
  }
}

/** What is known of maps that belong to directors, by the maps' ids. */
function findOwners(instances: string): Map<number, FoundMap> {
  const folders = ifThere(() =>
    asking(instances, () => readdirSync(instances, { withFileTypes: true }).filter((entry) => entry.isDirectory())),
  );
  const owners = new Map<number, FoundMap>();
  for (const { name } of folders ?? []) {
    const directory = join(instances, name);
    for (const number of ifThere(() => asking(directory, () => listSets(directory))) ?? []) {
      const maps = ifThere(() => findInFolder(setPath(directory, number)).list) ?? [];
      maps.forEach((map) => owners.set(map.id, { ...map, owner: name, siblings: maps }));
    }
  }
  return owners;
}

/** What is undefined does not stand in the way of what is known. */
function withoutUndefined(map: FoundMap): FoundMap {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => value !== undefined)) as unknown as FoundMap;
}

/** Undefined for folders that go while they are read, and for those that no director made. */
function ifThere<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'PINS_FOREIGN') {
      return undefined;
    }
    throw error;
  }
}
