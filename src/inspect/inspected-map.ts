/** One map, whose keys and values are read and written by their BTF. */

import {
  type BpfMap,
  type BtfValue,
  KernelError,
  MapFlag,
  type MapInfo,
  type Mapping,
  type MapState,
  type Place,
  resolvePath,
} from '../libbpf/index.js';
import { BeelineError } from '../model/index.js';
import { askKernel, withErrorCode } from './errors.js';
import { kindOf, type MapKind } from './map-kind.js';
import { isSummable } from './outline.js';
import { type Region, regionOfBytes, regionOfMapping } from './region.js';
import { describeKey, describeValue, type MapContext, typed, type Typed } from './typed.js';
import { formatHex, formatValue, parseHex, parseValue } from './value-text.js';

export interface ReadOptions {
  /** Read and write hexadecimal bytes instead of values. */
  readonly hex?: boolean;
  /** Read and write plain numbers; see CodecOptions. */
  readonly plain?: boolean;
}

export interface Entry {
  readonly key: Uint8Array;
  /** The value; in per-CPU maps the values of all CPUs, `cpuStride` apart. */
  readonly region: Region;
}

interface Batch {
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
}

/** Entries, and bytes of values, that one system call reads. */
const MAX_BATCH = 1024;
const BATCH_BYTES = 1 << 20;
/** Array elements, and the CPUs' values in a per-CPU map, are aligned to this many bytes (kernel/bpf/arraymap.c). */
const ALIGNMENT = 8;
const KEY_HINT = '"beeline map show" shows the type of the keys.';
const VALUE_HINT = '"beeline map show" shows the type of the values.';

export class InspectedMap implements Disposable {
  readonly map: BpfMap;
  readonly info: MapInfo;
  readonly kind: MapKind;
  readonly context: MapContext;
  /** Undefined: plain bytes. */
  readonly key: Typed | undefined;
  readonly value: Typed | undefined;
  /** Arrays in the value whose length is not known. */
  readonly ambiguous: readonly string[];
  #mapping: Mapping | undefined | 'impossible';

  constructor(map: BpfMap, context: MapContext, { hex = false, plain = false }: ReadOptions = {}) {
    this.map = map;
    this.info = map.info;
    this.kind = kindOf(this.info.type);
    this.context = context;
    // The keys of arrays are numbers, with --hex too.
    const key = hex && this.kind.keys !== 'index' ? undefined : describeKey(this.info, this.kind, context);
    const value = hex ? undefined : describeValue(this.info, this.kind, context);
    this.key = key && typed(key, context, plain);
    this.value = value && typed(value, context, plain);
    this.ambiguous = value?.ambiguous ?? [];
  }

  get name(): string {
    return this.context.name;
  }

  get state(): MapState {
    return this.map.state;
  }

  /** The bytes that each CPU's value takes in a per-CPU map. */
  get cpuStride(): number {
    return Math.ceil(this.info.valueSize / ALIGNMENT) * ALIGNMENT;
  }

  /** The number of values of each key. */
  get cpus(): number {
    return this.kind.perCpu === true ? this.info.valueBytes / this.cpuStride : 1;
  }

  /** @throws BeelineError `MAP_UNSUPPORTED` */
  requireReadable(): void {
    const { unreadable } = this.kind;
    const reason = unreadable ?? ((this.info.flags & MapFlag.writeOnly) !== 0 ? 'it is write-only' : undefined);
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
    const frozen = askKernel(`"${this.name}"`, () => this.state.frozen);
    if (frozen || (this.info.flags & MapFlag.readOnly) !== 0) {
      throw new BeelineError(
        'MAP_READ_ONLY',
        `"${this.name}" is ${frozen ? 'frozen' : 'read-only'}: only programs can write it`,
        { hint: 'This is permanent: load the program again with other contents.' },
      );
    }
  }

  /**
   * Parses a key that a user typed.
   *
   * @throws BeelineError `MAP_KEY` for text that is not a key of this map
   */
  parseKey(text: string): Uint8Array {
    const bytes = withErrorCode('MAP_KEY', KEY_HINT, () => this.#encodeKey(text));
    const { type, maxEntries } = this.info;
    if (this.kind.keys === 'index') {
      const index = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
      if (index >= maxEntries) {
        const highest = maxEntries - 1;
        throw new BeelineError('MAP_KEY', `there is no element ${index} in "${this.name}" (${type})`, {
          hint: highest === 0 ? 'It has only element 0.' : `It has elements 0 to ${highest}.`,
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

  /** Formats a key so that `parseKey` reads it; prefixes as "10.0.0.0/8". */
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
   * Returns the part of the value that a path names.
   *
   * @throws BeelineError `MAP_VALUE` if there is none
   */
  placeOf(path: string): Place {
    const { value } = this;
    if (value === undefined) {
      throw new BeelineError('MAP_VALUE', `the type of the values of "${this.name}" is not known`, {
        hint: 'Paths need BTF, and do not work with --hex.',
      });
    }
    return withErrorCode('MAP_VALUE', VALUE_HINT, () => resolvePath(value.codec, value.whole, path));
  }

  /** Reads the value of a key, in per-CPU maps those of all CPUs. @returns undefined if there is no entry */
  read(key: Uint8Array): Region | undefined {
    this.requireReadable();
    const mapping = this.mapping();
    if (mapping !== undefined) {
      const index = new DataView(key.buffer, key.byteOffset).getUint32(0, true);
      return regionOfMapping(mapping, index * this.cpuStride, this.info.valueSize);
    }
    const bytes = askKernel(`"${this.name}"`, () => this.map.lookup(key));
    return bytes && regionOfBytes(bytes);
  }

  /** Returns whether there is an entry with exactly this key: a look-up in a trie also finds shorter prefixes. */
  has(key: Uint8Array): boolean {
    if (this.kind.lpm !== true) {
      return askKernel(`"${this.name}"`, () => this.map.lookup(key)) !== undefined;
    }
    for (const each of this.#keys(undefined)) {
      if (Buffer.compare(each, key) === 0) {
        return true;
      }
    }
    return false;
  }

  /** Decodes a place of the value, for each CPU in per-CPU maps. Without BTF the result is hexadecimal text. */
  decodeCpus(region: Region, place = this.value?.whole): BtfValue[] {
    return Array.from({ length: this.cpus }, (_, cpu) => {
      const bytes = region.read(cpu * this.cpuStride, this.info.valueSize);
      return this.value === undefined || place === undefined ? formatHex(bytes) : this.value.codec.decode(place, bytes);
    });
  }

  /** Returns whether to show each CPU's value: if asked, or if their sum has no meaning. */
  showsCpus(asked: boolean, place = this.value?.whole): boolean {
    const summable = this.value !== undefined && place !== undefined && isSummable(this.value.codec, place);
    return this.kind.perCpu === true && (asked || !summable);
  }

  /** Maps the memory of an array that allows it: that saves a copy of up to half a gigabyte. */
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
   * Reads all entries, or those from a key on, including it. Entries that are added or removed meanwhile may be missed,
   * and maps that evict may return one twice.
   *
   * @throws BeelineError `MAP_NO_ENTRY` if the first does not exist, `MAP_UNSUPPORTED`
   */
  *entries(from?: Uint8Array): Generator<Entry, void, undefined> {
    this.requireReadable();
    if (this.kind.keys === 'none') {
      throw new BeelineError('MAP_UNSUPPORTED', `"${this.name}" (${this.info.type}) has no keys`, {
        hint: '"beeline map get" shows the next element.',
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

  /** Reads many entries in each system call. @returns false if the map does not support batches */
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
    const next = (key?: Uint8Array): Uint8Array | undefined => askKernel(`"${this.name}"`, () => this.map.nextKey(key));
    // After a key that no longer exists the kernel starts over: the loop is bounded by the size of the map.
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
      : new BeelineError('MAP_NO_ENTRY', `"${this.name}" has no entry with the key ${this.formatKey(key)}`);
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
