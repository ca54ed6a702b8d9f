/** BPF maps: configured before their object is loaded, read and written after, mapped into memory. */

import { addon, KernelError, type NativeBatch, type NativeMap, type NativeMapping } from '../native/index.js';

/** Map types by their number (enum bpf_map_type in linux/bpf.h); the rest are told by number alone. */
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

/** What a map is. Sizes are in bytes. */
export interface MapInfo {
  readonly name: string;
  /** "array", "lru-hash", …; "type 99" for one that this version does not know. */
  readonly type: string;
  readonly keySize: number;
  readonly valueSize: number;
  /** The length of what `lookup` returns: `valueSize`, or for per-CPU maps one value a CPU, each padded to 8. */
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** The kernel's id; 0 before load. */
  readonly id: number;
  /** Where its types are described; 0 when they are not. */
  readonly btfId: number;
  readonly btfKeyTypeId: number;
  readonly btfValueTypeId: number;
  /** Of struct_ops: the value's type among the kernel's own; else 0. */
  readonly vmlinuxValueTypeId: number;
  /** What the type of map makes of it: a bloom filter's number of hashes, an arena's address. */
  readonly extra: bigint;
}

/** What the kernel tells of a map in /proc alone. */
export interface MapState {
  /** Bytes of memory; undefined where the kernel does not tell. */
  readonly memory: number | undefined;
  /** Programs alone can write it, since somebody called `freeze`. */
  readonly frozen: boolean;
}

/** BPF_F_RDONLY, BPF_F_WRONLY and so on (linux/bpf.h): how a map was created. */
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

/** How `update` treats a key that is there, or is not (linux/bpf.h). */
export const UpdateMode = { any: 0, onlyNew: 1, onlyExisting: 2 } as const;
export type UpdateMode = (typeof UpdateMode)[keyof typeof UpdateMode];

/**
 * One BPF map. Keys and values are bytes in the machine's own order and layout.
 *
 * Every method throws KernelError: code `CLOSED` after `close`, else errno's name. A key or value of a wrong length is
 * a RangeError that carries both lengths. A map that came from an object stays usable after the object is closed.
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

  /** @throws KernelError `ENOENT` when nothing is pinned there, `EINVAL` when it is not a map */
  static openPinned(path: string): BpfMap {
    return new BpfMap(addon.BpfMap.openPinned(path));
  }

  /** Needs CAP_SYS_ADMIN. @throws KernelError `ENOENT` when there is no such map (any more) */
  static openById(id: number): BpfMap {
    return new BpfMap(addon.BpfMap.openById(id));
  }

  /** The ids of all maps there are. Needs CAP_SYS_ADMIN. */
  static *ids(): Generator<number, void, undefined> {
    for (let id = addon.BpfMap.nextId(0); id !== undefined; id = addon.BpfMap.nextId(id)) {
      yield id;
    }
  }

  /** What changes while a map lives. */
  get state(): MapState {
    const text = this.native.fdInfo();
    const number = (name: string): number | undefined => {
      const [, digits] = new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text) ?? [];
      return digits === undefined ? undefined : Number(digits);
    };
    return { memory: number('memlock'), frozen: number('frozen') === 1 };
  }

  get info(): MapInfo {
    const info = this.native.info();
    return { ...info, type: TYPE_NAMES[info.type] ?? `type ${info.type}` };
  }

  /** Before load. @throws KernelError `EBUSY` after, as all setters here do */
  setMaxEntries(maxEntries: number): void {
    this.native.setMaxEntries(maxEntries);
  }

  /**
   * Before load: the size of a value in bytes. A value that is a struct with an array at its end keeps its type
   * information: the array gets as many elements as fit.
   */
  setValueSize(bytes: number): void {
    this.native.setValueSize(bytes);
  }

  /** Before load: whether the object creates this map at all. */
  setAutocreate(autocreate: boolean): void {
    this.native.setAutocreate(autocreate);
  }

  /** Before load: the content of a map of global variables, `.rodata` or `.data`; exactly `valueSize` bytes. */
  setInitialValue(value: Uint8Array): void {
    this.native.setInitialValue(value);
  }

  /** Before load: use the other map, as it is, instead of creating one. The verifier judges the program by it. */
  reuse(other: BpfMap): void {
    this.native.reuse(other.native);
  }

  /** The value, or undefined when the key is not there. */
  lookup(key: Uint8Array): Uint8Array | undefined {
    return this.native.lookup(key);
  }

  /**
   * @throws KernelError `E2BIG` when the map is full, `EEXIST` or `ENOENT` as `mode` asks
   */
  update(key: Uint8Array, value: Uint8Array, mode: UpdateMode = UpdateMode.any): void {
    this.native.update(key, value, mode);
  }

  /** True when the key was there. @throws KernelError `EINVAL` for arrays, whose elements always exist */
  delete(key: Uint8Array): boolean {
    return this.native.delete(key);
  }

  /**
   * Takes the value out of the map (hash maps: kernel 5.14). Queues and stacks have no keys: give them an empty one, also
   * for `lookup`, which leaves the value there, and `update`, which puts one in.
   */
  take(key: Uint8Array): Uint8Array | undefined {
    return this.native.take(key);
  }

  /**
   * All keys, one system call each. Keys that come or go meanwhile may be missed, and when the current key vanishes a
   * hash map starts over; take `batches` where that matters.
   */
  *keys(): Generator<Uint8Array, void, undefined> {
    for (let key = this.nextKey(); key !== undefined; key = this.nextKey(key)) {
      yield key;
    }
  }

  /** The key behind another one; the first for want of one, or behind one that is not there. Undefined after the last. */
  nextKey(previous?: Uint8Array): Uint8Array | undefined {
    return this.native.nextKey(previous);
  }

  /** All entries; one that vanishes between key and value is left out. */
  *entries(): Generator<[key: Uint8Array, value: Uint8Array], void, undefined> {
    for (const key of this.keys()) {
      const value = this.lookup(key);
      if (value !== undefined) {
        yield [key, value];
      }
    }
  }

  /**
   * All entries, many a system call (kernel 5.6; per-CPU arrays 5.13): keys and values one after another.
   *
   * @param count entries a batch, more where one bucket of a hash map holds more
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

  /** Undefined when a bucket holds more than `count`. */
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

  /** Writes `count` entries in one system call and returns how many were written. */
  updateBatch(count: number, keys: Uint8Array, values: Uint8Array, mode: UpdateMode = UpdateMode.any): number {
    return this.native.updateBatch(count, keys, values, mode);
  }

  /** Deletes `count` keys in one system call. @throws KernelError `ENOENT` at the first that is not there */
  deleteBatch(count: number, keys: Uint8Array): number {
    return this.native.deleteBatch(count, keys);
  }

  /**
   * Maps an array that was created with BPF_F_MMAPABLE (kernel 5.5) into the process. Elements stand `valueSize`,
   * rounded up to 8, apart.
   */
  mmap(access: 'read' | 'write'): Mapping {
    return new Mapping(this.native.mmap(access === 'write'));
  }

  /** Forbids all further writing from user space. */
  freeze(): void {
    this.native.freeze();
  }

  /** Keeps the map alive under a path in a BPF file system. @throws KernelError `EEXIST`; `EPERM` for a dot in the name */
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
 * An array map's memory. Bytes are copied in and out, 10 GB/s, and never handed out: no buffer can dangle after
 * `close`, crash the process by a write to read-only memory, or travel to another thread (docs/adr/0003).
 */
export class Mapping implements Disposable {
  /** The addon's handle, for work of its own on this memory. */
  readonly native: NativeMapping;

  /** Mappings come from `BpfMap.mmap`. */
  constructor(native: NativeMapping) {
    this.native = native;
  }

  /** 0 after close. */
  get byteLength(): number {
    return this.native.byteLength;
  }

  /** Fills `target` with the bytes at `offset` and returns it. @throws RangeError beyond the end */
  read<Target extends Uint8Array>(offset: number, target: Target): Target {
    return this.native.read(offset, target);
  }

  /** @throws RangeError beyond the end; KernelError `EACCES` when mapped for reading */
  write(offset: number, bytes: Uint8Array): void {
    this.native.write(offset, bytes);
  }

  /** Sets `length` bytes to zero. */
  zero(offset: number, length: number): void {
    this.native.zero(offset, length);
  }

  /** Reads an aligned word atomically; what its writer wrote before is seen after. */
  load32(offset: number): number {
    return this.native.load32(offset);
  }

  /** Writes an aligned word atomically; who reads it sees all that was written before. */
  store32(offset: number, value: number): void {
    this.native.store32(offset, value);
  }

  close(): void {
    this.native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
