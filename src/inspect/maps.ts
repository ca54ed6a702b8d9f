/** The maps that a command line selects, and how they are opened. */

import { basename, dirname } from 'node:path';

import { COPIED_TABLES, PLACE_MEANINGS, tableArrays } from '../layout/index.js';
import { Btf } from '../libbpf/index.js';
import { BeelineError } from '../model/index.js';
import { askKernel } from './errors.js';
import { findAll, findById, findDirector, findOwners, findPinned, type FoundMap, openMap } from './find.js';
import { InspectedMap, type ReadOptions } from './inspected-map.js';
import { nearest } from './nearest.js';
import type { MapContext } from './typed.js';

export interface Selection {
  /** The director's folder in the BPF file system. Its maps are selected unless another property is given. */
  readonly pinDirectory: string;
  /** The pin of a map, program or link, or a folder of pins. */
  readonly pinned?: string | undefined;
  /** The id of a program or a map: "12"; "map:12" or "program:12" if both have it. */
  readonly id?: string | undefined;
  /** Whether all maps of the machine are selected. */
  readonly all?: boolean | undefined;
}

export class Maps {
  readonly list: readonly FoundMap[];
  /** The owner of the maps, for messages: 'the director "default"', "program 12 (director)". */
  readonly owner: string;
  /** Whether the selection is a single map, so that its name need not be given. */
  readonly single: boolean;
  readonly #types = new TypeCache();

  private constructor(list: readonly FoundMap[], owner: string, single: boolean) {
    this.list = list;
    this.owner = owner;
    this.single = single;
  }

  /** @throws BeelineError `MAP_UNKNOWN`, `CAPABILITY_MISSING`, `USAGE` */
  static find(selection: Selection): Maps {
    const owners = findOwners(dirname(selection.pinDirectory));
    const make = (found: readonly FoundMap[], owner: string, single = false): Maps => {
      return new Maps(
        found.map((map) => ({ ...owners.get(map.id), ...withoutUndefined(map) })),
        owner,
        single,
      );
    };
    const { pinDirectory, pinned, id, all } = selection;
    if (all === true) {
      return make(findAll(), 'this machine');
    }
    if (pinned !== undefined) {
      const found = findPinned(pinned);
      return make(found.list, pinned, found.single);
    }
    if (id !== undefined) {
      const found = findById(id);
      return make(found.list, found.owner, found.single);
    }
    return make(findDirector(pinDirectory), `the director "${basename(pinDirectory)}"`);
  }

  /** Returns the map of that name. @throws BeelineError `MAP_UNKNOWN` that lists the names */
  named(name: string): FoundMap {
    // ".data.control" is pinned as "control": the name of a pin has no dots.
    const short = (each: string): string => each.replace(/^\.data\./, '');
    const exact = this.list.filter((map) => map.name === name);
    const found = exact.length > 0 ? exact : this.list.filter((map) => short(map.name) === short(name));
    const [only] = found;
    if (only === undefined) {
      const names = this.list.map((map) => map.name);
      const near = nearest(name, names);
      throw new BeelineError('MAP_UNKNOWN', `${this.owner} has no map "${name}"`, {
        hint: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `It has ${names.join(', ')}.`,
      });
    }
    if (found.length > 1) {
      throw new BeelineError('MAP_UNKNOWN', `${this.owner} has ${found.length} maps "${name}"`, {
        hint: `Choose one by --id: ${found.map(({ id }) => `map:${id}`).join(', ')}.`,
      });
    }
    return only;
  }

  /** @throws BeelineError `MAP_UNKNOWN` if the map no longer exists */
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

  /** Returns which of a table's two copies packets read; undefined for other maps. */
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

/** Reads BTF once for all maps that share it. */
class TypeCache {
  readonly #byId = new Map<number, Btf>();
  #kernel: Btf | undefined;

  byId(id: number): Btf {
    let btf = this.#byId.get(id);
    if (btf === undefined) {
      btf = askKernel(`BTF id ${id}`, () => Btf.byId(id));
      this.#byId.set(id, btf);
    }
    return btf;
  }

  kernel(): Btf {
    this.#kernel ??= Btf.parse('/sys/kernel/btf/vmlinux');
    return this.#kernel;
  }
}

/** Removes undefined properties, so that they do not overwrite others. */
function withoutUndefined(map: FoundMap): FoundMap {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => value !== undefined)) as unknown as FoundMap;
}
