/** Writes into maps, after checking everything. */

import { type BtfValue, MapFlag, type Place } from '../libbpf/index.js';
import { BeelineError } from '../model/index.js';
import { askKernel, withErrorCode } from './errors.js';
import type { InspectedMap } from './inspected-map.js';
import { formatHex, parseHex, parseValue } from './value-text.js';

export interface Edit {
  /** The key as typed; undefined for queues and stacks, which get a new element. */
  readonly key: string | undefined;
  /** The part of the value to write; undefined: the whole value. */
  readonly path?: string | undefined;
  readonly value: string;
  /** Also write maps of a director. */
  readonly force?: boolean;
  /** The value is a list with one value for each CPU. */
  readonly perCpu?: boolean;
}

/**
 * The value before and after; undefined if there was none, or if it is too large to print. In per-CPU maps that of the
 * first CPU.
 */
export interface Edited {
  readonly key: Uint8Array;
  readonly before: BtfValue | undefined;
  readonly after: BtfValue | undefined;
}

/** Larger values are not printed. */
const MAX_PRINTED_BYTES = 4096;

/** The risk of writing into a director's maps: hint of the refusal, and warning after the write. */
export const BYPASSED =
  'The daemon is the only writer of its tables: its next publication overwrites this change, nothing checks that the ' +
  'tables still fit each other, and packets may see half of the change.';

/** @throws BeelineError `MAP_GUARDED` */
function requireForce(map: InspectedMap, force: boolean | undefined): void {
  const { owner } = map.context;
  if (owner !== undefined && force !== true) {
    throw new BeelineError('MAP_GUARDED', `"${map.name}" belongs to the director "${owner}": nothing was changed`, {
      hint: `${BYPASSED} --force writes nevertheless.`,
    });
  }
}

/** The bytes of the value of each CPU; in other maps of the single value. */
type CpuValues = readonly Uint8Array[];

/**
 * Writes a value, or a part of one. Members that the new value does not name keep their content, or are zero in a new
 * entry.
 *
 * @throws BeelineError `MAP_GUARDED`, `MAP_KEY`, `MAP_VALUE`, `MAP_NO_ENTRY`, `MAP_READ_ONLY`, `MAP_UNSUPPORTED`,
 *   `MAP_FULL`; nothing was changed
 */
export function setValue(map: InspectedMap, edit: Edit): Edited {
  map.requireWritable();
  const key = edit.key === undefined ? new Uint8Array() : map.parseKey(edit.key);
  const place = edit.path === undefined ? undefined : map.placeOf(edit.path);
  requireForce(map, edit.force);
  if (map.mapping() !== undefined) {
    return setInMemory(map, key, place, edit.value);
  }
  const current = map.kind.keys === 'none' ? undefined : readValues(map, key);
  if (current === undefined && place !== undefined) {
    throw map.noEntry(key);
  }
  const next = (current ?? zeroValues(map)).map((value) => Uint8Array.from(value));
  const texts = edit.perCpu === true ? valuesByCpu(map, edit.value) : next.map(() => parsed(edit.value, map));
  next.forEach((value, cpu) => {
    encode(map, place, texts[cpu]!, value);
  });
  askKernel(`"${map.name}"`, () => {
    map.map.update(key, joined(map, next));
  });
  return { key, before: current && printable(map, place, current[0]!), after: printable(map, place, next[0]!) };
}

/**
 * Writes only the words that differ into an array's shared memory, so that the writes of programs to the rest of the
 * element stay.
 */
function setInMemory(map: InspectedMap, key: Uint8Array, place: Place | undefined, text: string): Edited {
  const region = map.read(key)!;
  const start = place?.offset ?? 0;
  const length = place === undefined ? region.byteLength : (map.value?.codec.sizeOf(place) ?? 0);
  const here = place && { ...place, offset: 0 };
  const before = region.read(start, length);
  const after = Uint8Array.from(before);
  encode(map, here, parsed(text, map), after);
  const index = new DataView(key.buffer, key.byteOffset).getUint32(0, true);
  const base = index * map.cpuStride + start;
  askKernel(`"${map.name}"`, () => {
    using memory = map.map.mmap('write');
    for (const [from, to] of differences(before, after, base)) {
      memory.write(base + from, after.subarray(from, to));
    }
  });
  return { key, before: printable(map, here, before), after: printable(map, here, after) };
}

/** Finds the aligned words that differ, neighbours together, so that each integer is written in one piece. */
function* differences(before: Uint8Array, after: Uint8Array, base: number): Generator<[number, number]> {
  const word = 8;
  let begun: number | undefined;
  let at = 0;
  while (at < after.length) {
    const end = Math.min(after.length, at + word - ((base + at) % word));
    const differs = Buffer.compare(before.subarray(at, end), after.subarray(at, end)) !== 0;
    if (differs) {
      begun ??= at;
    } else if (begun !== undefined) {
      yield [begun, at];
      begun = undefined;
    }
    at = end;
  }
  if (begun !== undefined) {
    yield [begun, at];
  }
}

/**
 * Removes an entry, or the next element of a queue or stack.
 *
 * @returns its key, and its value if the kernel returns it
 * @throws BeelineError as `setValue`
 */
export function deleteEntry(
  map: InspectedMap,
  keyText: string | undefined,
  force?: boolean,
): { key: Uint8Array; value?: BtfValue } {
  if (map.kind.undeletable !== undefined) {
    const what = `nothing can be deleted from "${map.name}" (${map.info.type}): ${map.kind.undeletable}`;
    throw new BeelineError('MAP_UNSUPPORTED', what);
  }
  map.requireThawed();
  const key = keyText === undefined ? new Uint8Array() : map.parseKey(keyText);
  requireForce(map, force);
  if (map.kind.keys === 'none') {
    const taken = askKernel(`"${map.name}"`, () => map.map.take(key));
    if (taken === undefined) {
      throw map.noEntry(key);
    }
    return { key, value: decode(map, undefined, taken) };
  }
  if (!askKernel(`"${map.name}"`, () => map.map.delete(key))) {
    throw map.noEntry(key);
  }
  return { key };
}

function readValues(map: InspectedMap, key: Uint8Array): CpuValues | undefined {
  if ((map.info.flags & MapFlag.writeOnly) !== 0) {
    return undefined;
  }
  const region = map.has(key) ? map.read(key) : undefined;
  return (
    region && Array.from({ length: map.cpus }, (_, cpu) => region.read(cpu * map.cpuStride, map.info.valueSize).slice())
  );
}

function zeroValues(map: InspectedMap): CpuValues {
  return Array.from({ length: map.cpus }, () => new Uint8Array(map.info.valueSize));
}

function joined(map: InspectedMap, values: CpuValues): Uint8Array {
  const bytes = new Uint8Array(map.info.valueBytes);
  values.forEach((value, cpu) => {
    bytes.set(value, cpu * map.cpuStride);
  });
  return bytes;
}

const VALUE_HINT = '"beeline map show" shows the type of the values. Nothing was changed.';

function parsed(text: string, map: InspectedMap): BtfValue {
  return map.value === undefined ? text : withErrorCode('MAP_VALUE', VALUE_HINT, () => parseValue(text));
}

function valuesByCpu(map: InspectedMap, text: string): readonly BtfValue[] {
  const values = withErrorCode('MAP_VALUE', VALUE_HINT, () => parseValue(text));
  if (!Array.isArray(values) || values.length !== map.cpus) {
    throw new BeelineError(
      'MAP_VALUE',
      `with --per-cpu the value must be a list of ${map.cpus} values, one for each CPU`,
      {
        hint: VALUE_HINT,
      },
    );
  }
  return values as readonly BtfValue[];
}

function encode(map: InspectedMap, place: Place | undefined, value: BtfValue, bytes: Uint8Array): void {
  withErrorCode('MAP_VALUE', VALUE_HINT, () => {
    if (map.value === undefined) {
      bytes.set(parseHex(typeof value === 'string' ? value : '', bytes.length, 'a value'));
    } else {
      map.value.codec.encode(place ?? map.value.whole, value, bytes);
    }
  });
}

function decode(map: InspectedMap, place: Place | undefined, bytes: Uint8Array): BtfValue {
  return map.value === undefined ? formatHex(bytes) : map.value.codec.decode(place ?? map.value.whole, bytes);
}

function printable(map: InspectedMap, place: Place | undefined, bytes: Uint8Array): BtfValue | undefined {
  return bytes.length > MAX_PRINTED_BYTES ? undefined : decode(map, place, bytes);
}
