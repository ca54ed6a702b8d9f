/** BPF maps: configured before their object is loaded; read, written and mapped into memory after. */

import { addon, KernelError, type NativeBatch, type NativeMap, type NativeMapping } from '../native/index.js';

/** Names of map types by their number (enum bpf_map_type in linux/bpf.h). */
const TYPE_NAMES = [
  'unspecified',
  'hash',
  'array',
  'program-array',
  'perf-event-array',
  'percpu-hash',
  'percpu-array',
  'stack-trace',
  'cgroup-array',
  'lru-hash',
  'lru-percpu-hash',
  'lpm-trie',
  'array-of-maps',
  'hash-of-maps',
  'devmap',
  'sockmap',
  'cpumap',
  'xskmap',
  'sockhash',
  'cgroup-storage',
  'reuseport-sockarray',
  'percpu-cgroup-storage',
  'queue',
  'stack',
  'sk-storage',
  'devmap-hash',
  'struct-ops',
  'ringbuf',
  'inode-storage',
  'task-storage',
  'bloom-filter',
  'user-ringbuf',
  'cgrp-storage',
  'arena',
] as const;

/** A map's properties. Sizes are in bytes. */
export interface MapInfo {
  readonly name: string;
  /** "array", "lru-hash", …; "type 99" for a type that this version does not know. */
  readonly type: string;
  readonly keySize: number;
  readonly valueSize: number;
  /** The length that `lookup` returns: `valueSize`, or for per-CPU maps one value for each CPU, padded to 8 bytes. */
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** The kernel's id; 0 before load. */
  readonly id: number;
  /** The id of the BTF with its types; 0 without. */
  readonly btfId: number;
  readonly btfKeyTypeId: number;
  readonly btfValueTypeId: number;
  /** For struct_ops: the id of the value's type in the kernel's BTF; else 0. */
  readonly vmlinuxValueTypeId: number;
  /** A parameter of some map types: a bloom filter's number of hashes, an arena's address. */
  readonly extra: bigint;
}

/** Properties of a map that the kernel shows only in /proc. */
export interface MapState {
  /** Bytes of memory; undefined if the kernel does not report them. */
  readonly memory: number | undefined;
  /** True after `freeze`. Only programs can then write to the map. */
  readonly frozen: boolean;
}

/** Flags that a map was created with: BPF_F_RDONLY, BPF_F_WRONLY, … (linux/bpf.h). */
export const MapFlag = {
  noPrealloc: 1 << 0,
  noCommonLru: 1 << 1,
  numaNode: 1 << 2,
  readOnly: 1 << 3,
  writeOnly: 1 << 4,
  stackBuildId: 1 << 5,
  zeroSeed: 1 << 6,
  programsReadOnly: 1 << 7,
  programsWriteOnly: 1 << 8,
  clone: 1 << 9,
  mmapable: 1 << 10,
  preserveElements: 1 << 11,
  innerMap: 1 << 12,
} as const;

/** Modes of `update`: for any key, only a new one, only an existing one (linux/bpf.h). */
export const UpdateMode = { any: 0, onlyNew: 1, onlyExisting: 2 } as const;
export type UpdateMode = (typeof UpdateMode)[keyof typeof UpdateMode];

/**
 * A BPF map. Keys and values are bytes in the machine's order and layout.
 *
 * Every method throws KernelError: code `CLOSED` after `close`, else errno's name. Throws RangeError with both lengths for
 * a key or value of a wrong length. A map from an object stays usable after the object is closed.
 */
export class BpfMap implements Disposable {
  /** The addon's handle, for the other classes of this folder. */
  readonly native: NativeMap;
  readonly name: string;

  /** Maps come from a BpfObject, `openPinned` or `openById`. */
  constructor(native: NativeMap) {
    this.native = native;
    this.name = native.name;
  }

  /** Opens a pinned map. @throws KernelError `ENOENT` when nothing is pinned there, `EINVAL` when it is not a map */
  static openPinned(path: string): BpfMap {
    return new BpfMap(addon.BpfMap.openPinned(path));
  }

  /** Opens a map by its id. Needs CAP_SYS_ADMIN. @throws KernelError `ENOENT` when there is no such map */
  static openById(id: number): BpfMap {
    return new BpfMap(addon.BpfMap.openById(id));
  }

  /** Yields the ids of all maps in the kernel. Needs CAP_SYS_ADMIN. */
  static *ids(): Generator<number, void, undefined> {
    for (let id = addon.BpfMap.nextId(0); id !== undefined; id = addon.BpfMap.nextId(id)) {
      yield id;
    }
  }

  /** Reads the properties that change during the map's life. */
  get state(): MapState {
    const text = this.native.fdInfo();
    const number = (name: string): number | undefined => {
      const [, digits] = new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text) ?? [];
      return digits === undefined ? undefined : Number(digits);
    };
    return { memory: number('memlock'), frozen: number('frozen') === 1 };
  }

  /** Reads the map's properties. */
  get info(): MapInfo {
    const info = this.native.info();
    return { ...info, type: TYPE_NAMES[info.type] ?? `type ${info.type}` };
  }

  /**
   * Sets the number of entries. To call before the object is loaded.
   *
   * @throws KernelError `EBUSY` after load, as all setters
   */
  setMaxEntries(maxEntries: number): void {
    this.native.setMaxEntries(maxEntries);
  }

  /**
   * Sets the size of a value in bytes. To call before the object is loaded. A value that is a struct with an array at its
   * end keeps its type information: the array gets as many elements as fit.
   */
  setValueSize(bytes: number): void {
    this.native.setValueSize(bytes);
  }

  /** Sets whether the object creates this map. To call before it is loaded. */
  setAutocreate(autocreate: boolean): void {
    this.native.setAutocreate(autocreate);
  }

  /**
   * Sets the initial content of a map of global variables, `.rodata` or `.data`. To call before the object is loaded.
   *
   * @param value exactly `valueSize` bytes
   */
  setInitialValue(value: Uint8Array): void {
    this.native.setInitialValue(value);
  }

  /**
   * Makes the object use an existing map instead of creating one. To call before it is loaded. The verifier checks programs
   * against the existing map.
   */
  reuse(other: BpfMap): void {
    this.native.reuse(other.native);
  }

  /** Returns the value of a key, or undefined if the key does not exist. */
  lookup(key: Uint8Array): Uint8Array | undefined {
    return this.native.lookup(key);
  }

  /**
   * Writes an entry.
   *
   * @throws KernelError `E2BIG` when the map is full, `EEXIST` or `ENOENT` if `mode` does not allow the write
   */
  update(key: Uint8Array, value: Uint8Array, mode: UpdateMode = UpdateMode.any): void {
    this.native.update(key, value, mode);
  }

  /** Deletes an entry. Returns whether it existed. @throws KernelError `EINVAL` for arrays, whose elements always exist */
  delete(key: Uint8Array): boolean {
    return this.native.delete(key);
  }

  /**
   * Removes an entry and returns its value. Queues and stacks have no keys: give an empty one, also to `lookup`, which
   * leaves the value in place, and to `update`, which adds one.
   *
   * Minimum kernel version: 5.14 for hash maps.
   */
  take(key: Uint8Array): Uint8Array | undefined {
    return this.native.take(key);
  }

  /**
   * Yields all keys, with a system call for each. Keys that are added or deleted meanwhile may be missed. If the current key
   * is deleted, a hash map starts from its first key again; `batches` does not.
   */
  *keys(): Generator<Uint8Array, void, undefined> {
    for (let key = this.nextKey(); key !== undefined; key = this.nextKey(key)) {
      yield key;
    }
  }

  /** Returns the key after `previous`; the first one if it is missing or does not exist. Returns undefined after the last. */
  nextKey(previous?: Uint8Array): Uint8Array | undefined {
    return this.native.nextKey(previous);
  }

  /** Yields all entries. Leaves out an entry that is deleted between reading its key and its value. */
  *entries(): Generator<[key: Uint8Array, value: Uint8Array], void, undefined> {
    for (const key of this.keys()) {
      const value = this.lookup(key);
      if (value !== undefined) {
        yield [key, value];
      }
    }
  }

  /**
   * Yields all entries, many with each system call: keys and values one after another.
   *
   * Minimum kernel version: 5.6; for per-CPU arrays 5.13.
   *
   * @param count entries of a batch; more if one bucket of a hash map holds more
   * @throws KernelError `EINVAL` or `ENOTSUPP` when the map type has no batches
   */
  *batches(count = 256): Generator<{ count: number; keys: Uint8Array; values: Uint8Array }, void, undefined> {
    let token: Uint8Array | undefined;
    for (let size = count; ;) {
      const batch = this.#batch(size, token);
      if (batch === undefined) {
        size *= 2;
        continue;
      }
      if (batch.count > 0) {
        yield batch;
      }
      token = batch.next;
      if (token === undefined) {
        return;
      }
    }
  }

  /** Reads a batch. Returns undefined if a bucket holds more than `count` entries. */
  #batch(count: number, token: Uint8Array | undefined): NativeBatch | undefined {
    try {
      return this.native.lookupBatch(count, token);
    } catch (error) {
      if (error instanceof KernelError && error.code === 'ENOSPC' && count < this.native.info().maxEntries) {
        return undefined;
      }
      throw error;
    }
  }

  /** Writes `count` entries in one system call. Returns how many were written. */
  updateBatch(count: number, keys: Uint8Array, values: Uint8Array, mode: UpdateMode = UpdateMode.any): number {
    return this.native.updateBatch(count, keys, values, mode);
  }

  /** Deletes `count` keys in one system call. @throws KernelError `ENOENT` at the first that does not exist */
  deleteBatch(count: number, keys: Uint8Array): number {
    return this.native.deleteBatch(count, keys);
  }

  /**
   * Maps an array that was created with BPF_F_MMAPABLE into memory. The distance of elements is `valueSize`, rounded up to
   * 8 bytes.
   *
   * Minimum kernel version: 5.5.
   */
  mmap(access: 'read' | 'write'): Mapping {
    return new Mapping(this.native.mmap(access === 'write'));
  }

  /** Forbids all further writes from user space. */
  freeze(): void {
    this.native.freeze();
  }

  /** Pins the map to a path in a BPF file system. @throws KernelError `EEXIST`; `EPERM` for a dot in the name */
  pin(path: string): void {
    this.native.pin(path);
  }

  close(): void {
    this.native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * An array map's memory. Bytes are copied in and out, at 10 GB/s; the memory itself is never exposed. So no buffer can dangle
 * after `close`, crash the process by a write to read-only memory, or be moved to another thread (docs/adr/0003).
 */
export class Mapping implements Disposable {
  /** The addon's handle, for functions of the addon that work on this memory. */
  readonly native: NativeMapping;

  /** Mappings come from `BpfMap.mmap`. */
  constructor(native: NativeMapping) {
    this.native = native;
  }

  /** The size of the memory; 0 after `close`. */
  get byteLength(): number {
    return this.native.byteLength;
  }

  /** Fills `target` with the bytes at `offset` and returns it. @throws RangeError past the end */
  read<Target extends Uint8Array>(offset: number, target: Target): Target {
    return this.native.read(offset, target);
  }

  /** Writes bytes at `offset`. @throws RangeError past the end; KernelError `EACCES` when mapped for reading */
  write(offset: number, bytes: Uint8Array): void {
    this.native.write(offset, bytes);
  }

  /** Sets `length` bytes to zero. */
  zero(offset: number, length: number): void {
    this.native.zero(offset, length);
  }

  /** Reads an aligned word atomically (acquire): later reads see all that its writer wrote before it. */
  load32(offset: number): number {
    return this.native.load32(offset);
  }

  /** Writes an aligned word atomically (release): a reader of it sees all that was written before it. */
  store32(offset: number, value: number): void {
    this.native.store32(offset, value);
  }

  /** Replaces an aligned word of 64 bits atomically, if it is `before`. Returns whether it was. */
  exchange64(offset: number, before: bigint, after: bigint): boolean {
    return this.native.exchange64(offset, before, after);
  }

  close(): void {
    this.native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
