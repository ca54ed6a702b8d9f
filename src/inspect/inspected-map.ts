/** One map, looked into and written by what its BTF says of keys and values. */

import {
  type BpfMap,
  type Btf,
  BtfCodec,
  type BtfTypeId,
  type BtfValue,
  declaration,
  fit,
  KernelError,
  MapFlag,
  type MapInfo,
  type Mapping,
  type MapState,
  type Place,
  type RealArray,
  reshape,
  resolvePath,
} from '../libbpf/index.js';
import { BeelineError } from '../model/index.js';
import { asking, fitting } from './errors.js';
import { formOf, type Meaning } from './forms.js';
import { builtInKey, builtInValue, type Described, kindOf, type MapKind } from './kinds.js';
import { formatHex, formatValue, parseHex, parseValue } from './notation.js';
import { isSummable } from './outline.js';
import { type Region, regionOfBytes, regionOfMapping } from './region.js';

/** Keys or values of a map: how they are decoded, and as what. */
export interface Typed {
  readonly codec: BtfCodec;
  readonly whole: Place;
  /** As C writes it: "struct service4", "__u32". */
  readonly name: string;
}

/** What is known of a map beside what the kernel tells. */
export interface MapContext {
  /** The whole name; the kernel's has 15 characters. */
  readonly name: string;
  /** Where it is pinned, as far as that is known. */
  readonly pinned?: string | undefined;
  /** The instance of Beeline that it belongs to. */
  readonly owner?: string | undefined;
  /** Where the value's arrays really stand, if somebody knows. */
  readonly arrays?: readonly RealArray[] | undefined;
  readonly meanings?: ReadonlyMap<string, Meaning> | undefined;
  /** The BTF of a program that uses it. */
  readonly programBtfId?: number | undefined;
  readonly btfOf: (id: number) => Btf;
  readonly kernelBtf: () => Btf;
}

export interface ReadOptions {
  /** Bytes instead of values, both ways. */
  readonly hex?: boolean;
  /** Numbers as they lie in memory; see CodecOptions. */
  readonly plain?: boolean;
}

export interface Entry {
  readonly key: Uint8Array;
  /** Of per-CPU maps the values of all CPUs, `cpuStride` apart. */
  readonly region: Region;
}

interface Batch {
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
}

/** Entries a system call, and bytes of values. */
const MAX_BATCH = 1024;
const BATCH_BYTES = 1 << 20;
/** Array elements, and each CPU's value in a per-CPU map, stand so far apart (kernel/bpf/arraymap.c). */
const ALIGNMENT = 8;
const KEY_HINT = '"beeline map show" tells what the keys are.';
const VALUE_HINT = '"beeline map show" tells what the values are.';

export class InspectedMap implements Disposable {
  readonly map: BpfMap;
  readonly info: MapInfo;
  readonly kind: MapKind;
  readonly context: MapContext;
  /** Undefined: mere bytes. */
  readonly key: Typed | undefined;
  readonly value: Typed | undefined;
  /** Arrays in the value whose length nothing tells. */
  readonly ambiguous: readonly string[];
  #mapping: Mapping | undefined | 'impossible';

  constructor(map: BpfMap, context: MapContext, { hex = false, plain = false }: ReadOptions = {}) {
    this.map = map;
    this.info = map.info;
    this.kind = kindOf(this.info.type);
    this.context = context;
    const typed = ({ btf, type }: Described): Typed => ({
      codec: new BtfCodec(btf, { plain, formOf: (place) => formOf(place, btf, context.meanings ?? new Map()) }),
      whole: new BtfCodec(btf).whole(type),
      name: declaration(btf, type),
    });
    // The keys of arrays are numbers in any notation.
    const key = hex && this.kind.keys !== 'index' ? undefined : this.#describeKey();
    const value = hex ? undefined : this.#describeValue();
    this.key = key && typed(key);
    this.value = value && typed(value);
    this.ambiguous = value?.ambiguous ?? [];
  }

  get name(): string {
    return this.context.name;
  }

  get state(): MapState {
    return this.map.state;
  }

  /** Of each CPU's value in a per-CPU map, the bytes that it takes. */
  get cpuStride(): number {
    return Math.ceil(this.info.valueSize / ALIGNMENT) * ALIGNMENT;
  }

  /** How many values each key has. */
  get cpus(): number {
    return this.kind.perCpu === true ? this.info.valueBytes / this.cpuStride : 1;
  }

  #describeKey(): Described | undefined {
    const { btfId, btfKeyTypeId, keySize } = this.info;
    return btfId > 0 && btfKeyTypeId > 0
      ? sized({ btf: this.context.btfOf(btfId), type: btfKeyTypeId }, keySize)
      : (this.#declared('key', keySize) ?? builtInKey(this.kind, keySize));
  }

  /** The kernel keeps no types for queues and others; the program that declares the map has them. */
  #declared(member: 'key' | 'value', size: number): Described | undefined {
    const { programBtfId, btfOf, name } = this.context;
    const btf = programBtfId === undefined ? undefined : btfOf(programBtfId);
    const type = btf && declaredType(btf, name, member);
    return btf === undefined || type === undefined ? undefined : sized({ btf, type }, size);
  }

  #describeValue(): (Described & { ambiguous?: readonly string[] }) | undefined {
    const { btfId, btfValueTypeId, vmlinuxValueTypeId, valueSize } = this.info;
    if (vmlinuxValueTypeId > 0) {
      return sized({ btf: this.context.kernelBtf(), type: vmlinuxValueTypeId }, valueSize);
    }
    if (btfId === 0 || btfValueTypeId === 0) {
      // What is read of maps of maps and of programs are ids, whatever they declare.
      return builtInValue(this.kind, valueSize) ?? this.#declared('value', valueSize);
    }
    const btf = this.context.btfOf(btfId);
    const { arrays } = this.context;
    return arrays === undefined ? fit(btf, btfValueTypeId, valueSize) : reshape(btf, btfValueTypeId, valueSize, arrays);
  }

  /** @throws BeelineError `MAP_UNSUPPORTED` */
  requireReadable(): void {
    const { unreadable } = this.kind;
    const reason =
      unreadable ?? ((this.info.flags & MapFlag.writeOnly) !== 0 ? 'it was made to be written alone' : undefined);
    if (reason !== undefined) {
      throw new BeelineError('MAP_UNSUPPORTED', `"${this.name}" (${this.info.type}) cannot be read: ${reason}`);
    }
  }

  /** @throws BeelineError `MAP_READ_ONLY`, `MAP_UNSUPPORTED` */
  requireWritable(): void {
    if (this.kind.unwritable !== undefined) {
      throw new BeelineError(
        'MAP_UNSUPPORTED',
        `"${this.name}" (${this.info.type}) cannot be written: ${this.kind.unwritable}`,
      );
    }
    this.requireThawed();
  }

  /** @throws BeelineError `MAP_READ_ONLY` */
  requireThawed(): void {
    const frozen = asking(`"${this.name}"`, () => this.state.frozen);
    if (frozen || (this.info.flags & MapFlag.readOnly) !== 0) {
      throw new BeelineError(
        'MAP_READ_ONLY',
        `"${this.name}" is ${frozen ? 'frozen' : 'read-only'}: programs alone can write it`,
        { hint: 'That cannot be undone; load the program anew with another content.' },
      );
    }
  }

  /**
   * A key as somebody typed it.
   *
   * @throws BeelineError `MAP_KEY` when it cannot be one of this map
   */
  parseKey(text: string): Uint8Array {
    const bytes = fitting('MAP_KEY', KEY_HINT, () => this.#encodeKey(text));
    const { type, maxEntries } = this.info;
    if (this.kind.keys === 'index') {
      const index = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
      if (index >= maxEntries) {
        const highest = maxEntries - 1;
        throw new BeelineError('MAP_KEY', `there is no element ${index} in "${this.name}" (${type})`, {
          hint: highest === 0 ? 'It has one, 0.' : `It has 0 to ${highest}.`,
        });
      }
    }
    return bytes;
  }

  #encodeKey(text: string): Uint8Array {
    const { keySize } = this.info;
    if (this.key === undefined) {
      return parseHex(text, keySize, 'a key');
    }
    const bytes = new Uint8Array(keySize);
    const { codec, whole } = this.key;
    const prefix = /^([^/{}[\]]+)\/(\d+)$/.exec(text);
    const members = codec.members(whole);
    if (this.kind.lpm === true && prefix !== null && members.length === 2) {
      codec.encode(members[0]!, prefix[2]!, bytes);
      codec.encode(members[1]!, prefix[1]!, bytes);
    } else {
      codec.encode(whole, parseValue(text), bytes);
    }
    return bytes;
  }

  /** A key as `parseKey` takes it; prefixes as "10.0.0.0/8". */
  formatKey(bytes: Uint8Array): string {
    const value = this.decodeKey(bytes);
    const [length, address, ...more] = typeof value === 'object' ? Object.values(value) : [];
    if (this.kind.lpm === true && typeof length === 'number' && typeof address === 'string' && more.length === 0) {
      return `${address}/${length}`;
    }
    return this.key === undefined ? formatHex(bytes) : formatValue(value);
  }

  decodeKey(bytes: Uint8Array): BtfValue {
    return this.key === undefined ? formatHex(bytes) : this.key.codec.decode(this.key.whole, bytes);
  }

  /**
   * The part of the value that a path leads to.
   *
   * @throws BeelineError `MAP_VALUE` when there is none
   */
  placeOf(path: string): Place {
    const { value } = this;
    if (value === undefined) {
      throw new BeelineError('MAP_VALUE', `nothing tells what the values of "${this.name}" are made of`, {
        hint: 'Without BTF, and with --hex, there are no paths.',
      });
    }
    return fitting('MAP_VALUE', VALUE_HINT, () => resolvePath(value.codec, value.whole, path));
  }

  /** The bytes under a key; of per-CPU maps those of all CPUs. Undefined when there are none. */
  read(key: Uint8Array): Region | undefined {
    this.requireReadable();
    const mapping = this.mapping();
    if (mapping !== undefined) {
      const index = new DataView(key.buffer, key.byteOffset).getUint32(0, true);
      return regionOfMapping(mapping, index * this.cpuStride, this.info.valueSize);
    }
    const bytes = asking(`"${this.name}"`, () => this.map.lookup(key));
    return bytes && regionOfBytes(bytes);
  }

  /** Whether there is an entry of this very key: a trie also answers with one whose prefix is shorter. */
  has(key: Uint8Array): boolean {
    if (this.kind.lpm !== true) {
      return asking(`"${this.name}"`, () => this.map.lookup(key)) !== undefined;
    }
    for (const each of this.#keys(undefined)) {
      if (Buffer.compare(each, key) === 0) {
        return true;
      }
    }
    return false;
  }

  /** What stands in a place for each CPU; of other maps once. Without BTF as hexadecimal text. */
  decodeCpus(region: Region, place = this.value?.whole): BtfValue[] {
    return Array.from({ length: this.cpus }, (_, cpu) => {
      const bytes = region.read(cpu * this.cpuStride, this.info.valueSize);
      return this.value === undefined || place === undefined ? formatHex(bytes) : this.value.codec.decode(place, bytes);
    });
  }

  /** Whether the CPUs' values are shown one by one: when that is asked for, and when their sum says nothing. */
  showsCpus(asked: boolean, place = this.value?.whole): boolean {
    const summable = this.value !== undefined && place !== undefined && isSummable(this.value.codec, place);
    return this.kind.perCpu === true && (asked || !summable);
  }

  /** The memory of an array that has it to share; it spares a copy of half a gigabyte. */
  mapping(): Mapping | undefined {
    if (this.#mapping === undefined) {
      try {
        const mapped = this.info.type === 'array' && (this.info.flags & MapFlag.mmapable) !== 0;
        this.#mapping = mapped ? this.map.mmap('read') : 'impossible';
      } catch (error) {
        if (!(error instanceof KernelError)) {
          throw error;
        }
        this.#mapping = 'impossible';
      }
    }
    return this.#mapping === 'impossible' ? undefined : this.#mapping;
  }

  /**
   * All entries from a key on, which is among them; all of them for want of a key. Entries that come or go meanwhile may
   * be missed, and maps that evict may show one twice.
   *
   * @throws BeelineError `MAP_NO_ENTRY` when the first is not there (any more), `MAP_UNSUPPORTED`
   */
  *entries(from?: Uint8Array): Generator<Entry, void, undefined> {
    this.requireReadable();
    if (this.kind.keys === 'none') {
      throw new BeelineError('MAP_UNSUPPORTED', `"${this.name}" (${this.info.type}) has no keys to go through`, {
        hint: '"beeline map get" shows what is next to be taken.',
      });
    }
    if (this.kind.keys === 'next' && from === undefined && (yield* this.#batches())) {
      return;
    }
    for (const key of this.kind.keys === 'index' ? this.#indices(from) : this.#keys(from)) {
      const region = this.read(key);
      if (region !== undefined) {
        yield { key, region };
      }
    }
  }

  *#indices(from: Uint8Array | undefined): Generator<Uint8Array, void, undefined> {
    const first = from === undefined ? 0 : new DataView(from.buffer, from.byteOffset).getUint32(0, true);
    for (let index = first; index < this.info.maxEntries; index += 1) {
      yield new Uint8Array(Uint32Array.of(index).buffer);
    }
  }

  /** Many entries a system call; false when the map has no batches. */
  *#batches(): Generator<Entry, boolean, undefined> {
    const { keySize, valueBytes } = this.info;
    const size = Math.max(1, Math.min(MAX_BATCH, Math.floor(BATCH_BYTES / valueBytes)));
    const batches = this.map.batches(size);
    for (let begun = false; ; begun = true) {
      const batch = this.#nextBatch(batches, begun);
      if (batch === undefined) {
        return begun;
      }
      if (batch === 'over') {
        return true;
      }
      for (let i = 0; i < batch.count; i += 1) {
        const key = batch.keys.subarray(i * keySize, (i + 1) * keySize);
        yield { key, region: regionOfBytes(batch.values.subarray(i * valueBytes, (i + 1) * valueBytes)) };
      }
    }
  }

  #nextBatch(batches: ReturnType<BpfMap['batches']>, begun: boolean): Batch | 'over' | undefined {
    try {
      const { value, done } = batches.next();
      return done === true ? 'over' : value;
    } catch (error) {
      if (!begun && error instanceof KernelError && ['EINVAL', 'ENOTSUPP', 'EOPNOTSUPP'].includes(error.code)) {
        return undefined;
      }
      throw error;
    }
  }

  *#keys(from: Uint8Array | undefined): Generator<Uint8Array, void, undefined> {
    const next = (key?: Uint8Array): Uint8Array | undefined => asking(`"${this.name}"`, () => this.map.nextKey(key));
    // Behind a key that is gone the kernel starts over: not for ever.
    if (from !== undefined && this.map.lookup(from) === undefined) {
      throw this.noEntry(from);
    }
    let key = from ?? next();
    for (let left = this.info.maxEntries; key !== undefined && left > 0; left -= 1) {
      yield key;
      key = next(key);
    }
  }

  noEntry(key: Uint8Array): BeelineError {
    return this.kind.keys === 'none'
      ? new BeelineError('MAP_NO_ENTRY', `"${this.name}" is empty`)
      : new BeelineError('MAP_NO_ENTRY', `"${this.name}" has nothing under the key ${this.formatKey(key)}`);
  }

  close(): void {
    if (typeof this.#mapping === 'object') {
      this.#mapping.close();
    }
    this.map.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What has another size than the map says is not that type. */
function sized(described: Described, size: number): Described | undefined {
  return described.btf.sizeOf(described.type) === size ? described : undefined;
}

/** The type of a map's keys or values as its declaration in the section ".maps" has it: `typeof(type) *key`. */
function declaredType(btf: Btf, name: string, member: 'key' | 'value'): BtfTypeId | undefined {
  const section = btf.types.find((type) => type.kind === 'section' && type.name === '.maps');
  const variables = section?.kind === 'section' ? section.entries.map(({ type }) => btf.type(type)) : [];
  const variable = variables.find((each) => each.name === name);
  const definition = variable !== undefined && 'type' in variable ? btf.resolve(variable.type) : undefined;
  const pointer =
    definition?.kind === 'struct' ? definition.members.find((each) => each.name === member)?.type : undefined;
  const type = pointer === undefined ? undefined : btf.resolve(pointer);
  return type?.kind === 'pointer' && type.type > 0 ? type.type : undefined;
}
