/** BTF: the types of a BPF object, or of a map or program in the kernel. */

import { readFileSync } from 'node:fs';

import { addon } from '../native/index.js';

/** A type's number within its BTF; 0 is void. */
export type BtfTypeId = number;

export interface BtfMember {
  readonly name: string;
  readonly type: BtfTypeId;
  readonly bitOffset: number;
  /** 0 for a member that is not a bit field. */
  readonly bitSize: number;
}

interface BtfNamed {
  /** Empty for anonymous types. */
  readonly name: string;
}

export interface BtfInt extends BtfNamed {
  readonly kind: 'int';
  readonly size: number;
  readonly bits: number;
  readonly signed: boolean;
  readonly boolean: boolean;
}

export interface BtfArray extends BtfNamed {
  readonly kind: 'array';
  readonly type: BtfTypeId;
  readonly length: number;
}

export interface BtfComposite extends BtfNamed {
  readonly kind: 'struct' | 'union';
  readonly size: number;
  readonly members: readonly BtfMember[];
}

export interface BtfEnum extends BtfNamed {
  readonly kind: 'enum';
  readonly size: number;
  /** Compilers before clang 15 leave this false even if there are negative values. */
  readonly signed: boolean;
  /** Values are bigints for 64-bit enums. */
  readonly values: readonly { readonly name: string; readonly value: number | bigint }[];
}

export interface BtfSection extends BtfNamed {
  readonly kind: 'section';
  readonly size: number;
  readonly entries: readonly { readonly type: BtfTypeId; readonly offset: number; readonly size: number }[];
}

export interface BtfPrototype extends BtfNamed {
  readonly kind: 'prototype';
  readonly type: BtfTypeId;
  readonly parameters: readonly { readonly name: string; readonly type: BtfTypeId }[];
}

export interface BtfReference extends BtfNamed {
  readonly kind:
    | 'pointer'
    | 'typedef'
    | 'volatile'
    | 'const'
    | 'restrict'
    | 'function'
    | 'variable'
    | 'declaration-tag'
    | 'type-tag';
  readonly type: BtfTypeId;
}

export interface BtfFloat extends BtfNamed {
  readonly kind: 'float';
  readonly size: number;
}

export interface BtfOpaque extends BtfNamed {
  readonly kind: 'void' | 'forward' | 'unknown';
}

export type BtfType =
  BtfInt | BtfArray | BtfComposite | BtfEnum | BtfFloat | BtfSection | BtfPrototype | BtfReference | BtfOpaque;

/** The types of one BTF, by their ids. */
export class Btf {
  readonly types: readonly BtfType[];

  private constructor(types: readonly BtfType[]) {
    this.types = types;
  }

  /** Makes BTF from a list of types in the order of their ids. The first must be void. */
  static of(types: readonly BtfType[]): Btf {
    return new Btf(types);
  }

  /**
   * Reads the BTF of an ELF object, or raw BTF such as /sys/kernel/btf/vmlinux.
   *
   * @param source a path, or the file's bytes
   * @throws KernelError when the file contains no BTF
   */
  static parse(source: string | Uint8Array): Btf {
    return new Btf(addon.btfParse(typeof source === 'string' ? readFileSync(source) : source) as BtfType[]);
  }

  /**
   * Reads BTF that is loaded in the kernel, by an id as in `MapInfo.btfId`. Needs CAP_SYS_ADMIN.
   *
   * @throws KernelError `ENOENT` when there is no such BTF, `EPERM` without the capability
   */
  static byId(id: number): Btf {
    return new Btf(addon.btfById(id) as BtfType[]);
  }

  /** Returns the type with an id. @throws RangeError when there is no such type */
  type(id: BtfTypeId): BtfType {
    const type = this.types[id];
    if (type === undefined) {
      throw new RangeError(`no type ${id} among ${this.types.length}`);
    }
    return type;
  }

  /** Returns the type with an id, without typedefs, const, volatile, restrict and tags. */
  resolve(id: BtfTypeId): BtfType {
    let type = this.type(id);
    while (
      type.kind === 'typedef' ||
      type.kind === 'const' ||
      type.kind === 'volatile' ||
      type.kind === 'restrict' ||
      type.kind === 'type-tag'
    ) {
      type = this.type(type.type);
    }
    return type;
  }

  /** Returns the struct with a name. @throws RangeError when there is no such struct */
  struct(name: string): BtfComposite {
    return this.#find(name, 'struct');
  }

  /** Returns the enum with a name. @throws RangeError when there is no such enum */
  enum(name: string): BtfEnum {
    return this.#find(name, 'enum');
  }

  /**
   * Returns BTF with further types.
   *
   * @param make returns them; `id` gives the id that the n-th of them will have
   */
  with(make: (id: (ordinal: number) => BtfTypeId) => readonly BtfType[]): Btf {
    return new Btf([...this.types, ...make((ordinal) => this.types.length + ordinal)]);
  }

  /** Returns the size of a value of the type in bytes. @throws RangeError for types without a size, such as functions */
  sizeOf(id: BtfTypeId): number {
    const type = this.resolve(id);
    switch (type.kind) {
      case 'int':
      case 'struct':
      case 'union':
      case 'enum':
      case 'float':
      case 'section':
        return type.size;
      case 'array':
        return type.length * this.sizeOf(type.type);
      case 'pointer':
        return 8;
      default:
        throw new RangeError(`type ${id} (${type.kind} ${type.name}) has no size`);
    }
  }

  #find<Kind extends 'struct' | 'enum'>(name: string, kind: Kind): Extract<BtfType, { kind: Kind | 'union' }> {
    const found = this.types.find((type) => type.kind === kind && type.name === name);
    if (found === undefined) {
      throw new RangeError(`no ${kind} "${name}" in this BTF`);
    }
    return found as Extract<BtfType, { kind: Kind | 'union' }>;
  }
}
