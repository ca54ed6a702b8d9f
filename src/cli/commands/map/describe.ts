/** Describes maps, as text and as JSON, for `beeline map list` and `show`. */

import { definitions, type FoundMap, MapFlag, type Maps, type Typed } from '../../../inspect/index.js';
import { BeelineError } from '../../../model/index.js';
import { formatBytes, formatCount, formatTable } from '../../terminal/format.js';

export interface DescribedMap {
  readonly name: string;
  readonly id: number;
  readonly type: string;
  readonly flags: readonly string[];
  readonly key: DescribedType;
  readonly value: DescribedType;
  readonly maxEntries: number;
  /** Bytes; null if the kernel does not report them. */
  readonly memory: number | null;
  readonly frozen: boolean;
  readonly perCpu: boolean;
  /** The number of CPUs that have their own value; 1 for maps that are not per CPU. */
  readonly cpus: number;
  readonly btfId: number | null;
  readonly pinned: string | null;
  /** The instance of the director that owns the map. */
  readonly instance: string | null;
  /** Arrays in the value whose length is not known. */
  readonly ambiguous: readonly string[];
}

export interface DescribedType {
  readonly bytes: number;
  /** Null without BTF. */
  readonly type: string | null;
  /** Its definitions as C. */
  readonly layout: readonly string[];
}

/** @returns undefined if the map no longer exists */
export function describe(maps: Maps, found: FoundMap): DescribedMap | undefined {
  try {
    using map = maps.open(found);
    const { info, state } = map;
    const typed = (bytes: number, type: Typed | undefined): DescribedType => ({
      bytes,
      type: type?.name ?? null,
      layout: type === undefined ? [] : definitions(type.codec.btf, type.whole.type),
    });
    return {
      name: found.name,
      id: info.id,
      type: info.type,
      flags: flagNames(info.flags),
      key: typed(info.keySize, map.key),
      value: typed(info.valueSize, map.value),
      maxEntries: info.maxEntries,
      memory: state.memory ?? null,
      frozen: state.frozen,
      perCpu: map.kind.perCpu === true,
      cpus: map.cpus,
      btfId: info.btfId === 0 ? null : info.btfId,
      pinned: found.pinned ?? null,
      instance: found.owner ?? null,
      ambiguous: map.ambiguous,
    };
  } catch (error) {
    if (error instanceof BeelineError && error.code === 'MAP_UNKNOWN') {
      return undefined;
    }
    throw error;
  }
}

function flagNames(flags: number): string[] {
  const named = Object.entries(MapFlag).filter(([, bit]) => (flags & bit) !== 0);
  const rest = named.reduce((left, [, bit]) => left & ~bit, flags);
  const words = named.map(([name]) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
  return [...words, ...(rest === 0 ? [] : [`0x${(rest >>> 0).toString(16)}`])];
}

/** @param withOwners the maps of the whole machine: say which directors own some */
export function listText(maps: readonly DescribedMap[], withOwners: boolean): string {
  if (maps.length === 0) {
    return 'no maps\n';
  }
  const rows = maps.map(({ name, id, type, key, value, maxEntries, memory, frozen, instance }) => [
    name,
    type,
    typeName(key),
    typeName(value),
    formatBytes(value.bytes),
    formatCount(maxEntries),
    memory === null ? '-' : formatBytes(memory),
    String(id),
    [...(frozen ? ['frozen'] : []), ...(withOwners && instance !== null ? [`beeline ${instance}`] : [])].join(', '),
  ]);
  return formatTable(
    [
      { title: 'MAP' },
      { title: 'TYPE' },
      { title: 'KEY' },
      { title: 'VALUE' },
      { title: 'SIZE', align: 'right' },
      { title: 'ENTRIES', align: 'right' },
      { title: 'MEMORY', align: 'right' },
      { title: 'ID', align: 'right' },
      { title: '' },
    ],
    rows,
  );
}

function typeName({ type, bytes }: DescribedType): string {
  return type ?? (bytes === 0 ? '-' : `${bytes} bytes`);
}

export function showText(map: DescribedMap): string {
  const { name, id, type, flags, key, value, maxEntries, memory, frozen, cpus, perCpu, pinned, instance } = map;
  const size = ({ bytes, type: typed }: DescribedType): string =>
    bytes === 0 ? 'none' : `${typed ?? 'no BTF'}, ${formatCount(bytes)} ${bytes === 1 ? 'byte' : 'bytes'}`;
  const lines: [string, string][] = [
    ['map', name],
    ['id', String(id)],
    ['type', [type, ...flags].join(', ')],
    ['key', size(key)],
    ['value', `${size(value)}${perCpu ? ` for each of ${cpus} CPUs` : ''}`],
    ['entries', `${formatCount(maxEntries)} at most`],
    ['memory', memory === null ? 'not known' : formatBytes(memory)],
    ['writable', frozen ? 'only by programs: it is frozen' : flags.includes('read-only') ? 'only by programs' : 'yes'],
    ['pinned', pinned ?? 'not known'],
    ...(instance === null ? [] : [['director', instance] as [string, string]]),
    ...(map.btfId === null ? [] : [['BTF', `id ${map.btfId}`] as [string, string]]),
    ...(map.ambiguous.length === 0
      ? []
      : [['note', `${map.ambiguous.join(', ')} share the place of the last array`] as [string, string]]),
  ];
  const layouts = [...new Set([...key.layout, ...value.layout])];
  return [lines.map(([label, text]) => `${label.padEnd(10)}${text}\n`).join(''), ...layouts].join('\n');
}
