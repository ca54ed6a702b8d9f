/** The kinds of maps: how user space finds their keys, and whether it can read and write them. Pure. */

import { Btf, type BtfTypeId } from '../libbpf/index.js';

export interface MapKind {
  /** 'index': numbers from 0 on. 'next': any keys, in the kernel's order. 'none': queues and stacks. */
  readonly keys: 'index' | 'next' | 'none';
  /** Why it cannot be read. */
  readonly unreadable?: string;
  /** Why it cannot be written. */
  readonly unwritable?: string;
  /** Why nothing can be deleted. */
  readonly undeletable?: string;
  /** The meaning of its values if it has no BTF. */
  readonly values?: 'map' | 'program' | 'interface' | 'cpu';
  readonly perCpu?: true;
  readonly lpm?: true;
}

const ALWAYS_THERE = 'the elements of an array always exist: set it to zeros instead';
const HANDLES = 'its values are file descriptors of the process that writes them';

const HASH: MapKind = { keys: 'next' };
const ARRAY: MapKind = { keys: 'index', undeletable: ALWAYS_THERE };
const OPAQUE: MapKind = {
  keys: 'none',
  unreadable: 'the kernel does not allow reading maps of this type',
  unwritable: 'the kernel does not allow writing maps of this type',
  undeletable: 'the kernel does not allow deleting from maps of this type',
};
const QUEUE: MapKind = { keys: 'none' };

const KINDS: Readonly<Record<string, MapKind>> = {
  hash: HASH,
  'lru-hash': HASH,
  'percpu-hash': { ...HASH, perCpu: true },
  'lru-percpu-hash': { ...HASH, perCpu: true },
  'lpm-trie': { ...HASH, lpm: true },
  array: ARRAY,
  'percpu-array': { ...ARRAY, perCpu: true },
  queue: QUEUE,
  stack: QUEUE,
  devmap: { keys: 'index', values: 'interface' },
  'devmap-hash': { ...HASH, values: 'interface' },
  cpumap: { keys: 'index', values: 'cpu' },
  'program-array': { keys: 'index', values: 'program', unwritable: HANDLES },
  'array-of-maps': { keys: 'index', values: 'map', unwritable: HANDLES },
  'hash-of-maps': { ...HASH, values: 'map', unwritable: HANDLES },
  sockmap: { keys: 'index', unwritable: HANDLES },
  sockhash: { ...HASH, unwritable: HANDLES },
  'stack-trace': { ...HASH, unwritable: 'only the kernel writes stacks' },
  'struct-ops': {
    keys: 'index',
    unwritable: 'writing one registers it with the kernel',
  },
  // A look-up needs the value.
  'bloom-filter': OPAQUE,
};

export function kindOf(type: string): MapKind {
  return KINDS[type] ?? OPAQUE;
}

/** Types that the kernel defines itself, so that the map has no BTF for them. */
const U8 = 1;
const U32 = 2;
const PREFIX4 = 5;
const PREFIX6 = 6;
const DEVICE = 7;
const CPU = 8;

const word = (name: string, bitOffset: number): { name: string; type: number; bitOffset: number; bitSize: number } => ({
  name,
  type: U32,
  bitOffset,
  bitSize: 0,
});
const prefix = (array: BtfTypeId, bytes: number) =>
  ({
    kind: 'struct',
    name: 'bpf_lpm_trie_key',
    size: 4 + bytes,
    members: [word('prefixlen', 0), { name: 'address', type: array, bitOffset: 32, bitSize: 0 }],
  }) as const;

const BUILT_IN = Btf.of([
  { kind: 'void', name: 'void' },
  { kind: 'int', name: '__u8', size: 1, bits: 8, signed: false, boolean: false },
  { kind: 'int', name: '__u32', size: 4, bits: 32, signed: false, boolean: false },
  { kind: 'array', name: '', type: U8, length: 4 },
  { kind: 'array', name: '', type: U8, length: 16 },
  prefix(3, 4),
  prefix(4, 16),
  { kind: 'struct', name: 'bpf_devmap_val', size: 8, members: [word('ifindex', 0), word('program', 32)] },
  { kind: 'struct', name: 'bpf_cpumap_val', size: 8, members: [word('qsize', 0), word('program', 32)] },
]);

/** A type and its BTF. */
export interface Described {
  readonly btf: Btf;
  readonly type: BtfTypeId;
}

/** Returns the type of the keys of a map without BTF; undefined: plain bytes. */
export function builtInKey({ keys, lpm, values }: MapKind, size: number): Described | undefined {
  if (lpm === true) {
    const type = { 8: PREFIX4, 20: PREFIX6 }[size];
    return type === undefined ? undefined : { btf: BUILT_IN, type };
  }
  return (keys === 'index' || values === 'interface') && size === 4 ? { btf: BUILT_IN, type: U32 } : undefined;
}

/** Returns the type of the values of a map without BTF; undefined: plain bytes. */
export function builtInValue({ values }: MapKind, size: number): Described | undefined {
  if (values === undefined) {
    return undefined;
  }
  const large = values === 'interface' ? DEVICE : values === 'cpu' ? CPU : undefined;
  const type = size === 4 ? U32 : size === 8 ? large : undefined;
  return type === undefined ? undefined : { btf: BUILT_IN, type };
}
