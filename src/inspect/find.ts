/** Finds maps: a director's by their pins, those of any pin, or any by an id. */

import { readdirSync, statfsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

import { BPF_FS_MAGIC, listSets, setPath } from '../dataplane/index.js';
import { BpfMap, BpfProgram, Btf, KernelError, pinnedKind, XdpLink } from '../libbpf/index.js';
import { BeelineError } from '../model/index.js';
import { askKernel } from './errors.js';

/** A map that was found and is not yet open. */
export interface FoundMap {
  readonly name: string;
  readonly id: number;
  readonly pinned?: string | undefined;
  readonly owner?: string | undefined;
  /** The id of the BTF of a program that uses the map, for types that the kernel does not keep. */
  readonly programBtfId?: number | undefined;
  /** The maps of the same director. */
  readonly siblings?: readonly FoundMap[] | undefined;
}

/** Finds all maps of the machine. */
export function findAll(): FoundMap[] {
  return mapsById(askKernel('the list of maps', () => [...BpfMap.ids()]));
}

/** @throws BeelineError `MAP_UNKNOWN` */
export function openMap(id: number): BpfMap {
  try {
    return askKernel(`map ${id}`, () => BpfMap.openById(id));
  } catch (error) {
    throw isKernelError(error, 'ENOENT') ? unknown(`there is no map ${id}`) : error;
  }
}

function isKernelError(error: unknown, code: string): boolean {
  return error instanceof KernelError && error.code === code;
}

const HINT = '"beeline map list --all" lists all maps.';

function unknown(message: string, hint = HINT): BeelineError {
  return new BeelineError('MAP_UNKNOWN', message, { hint });
}

/** Names the maps with these ids, without those that no longer exist. */
function mapsById(ids: readonly number[], programBtfId?: number): FoundMap[] {
  const types = new Map<number, Btf>();
  return ids.flatMap((id) => {
    const map = ifExists(() => openMap(id));
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

/** The kernel cuts names to 15 characters. The BTF of the object that made the map has the whole name. */
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

/** Finds the maps of a director by its folder of pins. @throws BeelineError `MAP_UNKNOWN` */
export function findDirector(directory: string): FoundMap[] {
  const noMaps = (): BeelineError =>
    unknown(`no director "${basename(directory)}" has maps on this host`, 'Use --pinned or --id for other maps.');
  try {
    askKernel(directory, () => statSync(directory));
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? noMaps() : error;
  }
  const sets = askKernel(directory, () => listSets(directory));
  const newest = sets.at(-1);
  if (newest === undefined) {
    throw noMaps();
  }
  // There are two sets for a moment while larger tables replace the old ones.
  return sets
    .toReversed()
    .flatMap((number) =>
      findPinned(setPath(directory, number)).list.map((map) =>
        number === newest ? map : { ...map, name: `set-${number}/${map.name}` },
      ),
    );
}

/** Finds the maps behind a pin, or behind all pins of a folder. @throws BeelineError `MAP_UNKNOWN` */
export function findPinned(path: string): { list: FoundMap[]; single: boolean } {
  try {
    return askKernel(path, () => {
      if (statfsSync(path).type !== BPF_FS_MAGIC) {
        throw unknown(`${path} is not in a BPF file system`);
      }
      return statSync(path).isDirectory() ? findInFolder(path) : findPin(path);
    });
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? unknown(`nothing is pinned at ${path}`) : error;
  }
}

/** Finds the maps pinned in a folder, and other maps of the programs pinned there. */
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
  throw new BeelineError('MAP_UNKNOWN', `${path} is not a map, program or link`);
}

/** Finds a map, or the maps of a program, by an id. @throws BeelineError `MAP_UNKNOWN`, `USAGE` */
export function findById(text: string): { list: FoundMap[]; owner: string; single: boolean } {
  const [, kind, digits] = /^(?:(map|program):)?([1-9]\d{0,9})$/.exec(text) ?? [];
  const id = Number(digits);
  if (digits === undefined || id >= 2 ** 32) {
    throw new BeelineError('USAGE', `"${text}" is not an id`, {
      hint: 'Write, for example, 12, map:12 or program:12.',
    });
  }
  const map = kind === 'program' ? undefined : ifExists(() => openMap(id));
  const program =
    kind === 'map' ? undefined : ifExists(() => askKernel(`program ${id}`, () => BpfProgram.openById(id)));
  try {
    if (map !== undefined && program !== undefined) {
      throw new BeelineError('USAGE', `there is a map ${id}, "${map.name}", and a program ${id}, "${program.name}"`, {
        hint: `Choose one: --id map:${id} or --id program:${id}.`,
      });
    }
    if (map !== undefined) {
      return { list: mapsById([id]), owner: `map ${id}`, single: true };
    }
    if (program !== undefined) {
      return { list: mapsOf(program), owner: `program ${id} (${program.name})`, single: false };
    }
  } finally {
    map?.close();
    program?.close();
  }
  throw unknown(`there is no ${kind ?? 'map or program'} ${id}`);
}

/** @returns undefined if the object does not exist */
function ifExists<Handle>(open: () => Handle): Handle | undefined {
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

/** Finds the maps that belong to directors, by their ids. @param instances the folder of all directors' pins */
export function findOwners(instances: string): Map<number, FoundMap> {
  const folders = ifPresent(() =>
    askKernel(instances, () => readdirSync(instances, { withFileTypes: true }).filter((entry) => entry.isDirectory())),
  );
  const owners = new Map<number, FoundMap>();
  for (const { name } of folders ?? []) {
    const directory = join(instances, name);
    for (const number of ifPresent(() => askKernel(directory, () => listSets(directory))) ?? []) {
      const maps = ifPresent(() => findInFolder(setPath(directory, number)).list) ?? [];
      maps.forEach((map) => owners.set(map.id, { ...map, owner: name, siblings: maps }));
    }
  }
  return owners;
}

/** @returns undefined for a folder that vanishes meanwhile, or that no director made */
function ifPresent<Result>(read: () => Result): Result | undefined {
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
