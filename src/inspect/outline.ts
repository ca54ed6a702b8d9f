/** Divides a value into the parts that are shown: parts that fit in a line, and long arrays. Pure. */

import { type BtfCodec, type BtfRecord, type BtfValue, isList, isRecord, type Place } from '../libbpf/index.js';

/** Arrays of up to this many bytes are shown in one line. */
const SHORT_BYTES = 64;
/** Arrays of up to this many structs are shown member by member. */
const FEW = 4;

/** Returns whether a place is an array that is shown as a table, without elements that are zero. */
export function isLong(codec: BtfCodec, place: Place): boolean {
  const type = codec.btf.resolve(place.type);
  return type.kind === 'array' && !codec.isWhole(place) && codec.sizeOf(place) > SHORT_BYTES;
}

/** Returns whether a place has a long array that is not within another array. */
export function hasLong(codec: BtfCodec, place: Place): boolean {
  return isLong(codec, place) || membersOf(codec, place).some((member) => hasLong(codec, member));
}

/** Lists the parts of a value in their order: parts that fit in a line, and whole long arrays. */
export function outline(codec: BtfCodec, place: Place): Place[] {
  const members = membersOf(codec, place);
  if (members.length > 0) {
    return members.flatMap((member) => outline(codec, member));
  }
  const type = codec.btf.resolve(place.type);
  if (type.kind === 'array' && !isLong(codec, place) && !codec.isWhole(place) && type.length <= FEW) {
    const elements = Array.from({ length: type.length }, (_, i) => codec.element(place, i));
    return elements.some((element) => membersOf(codec, element).length > 0)
      ? elements.flatMap((element) => outline(codec, element))
      : [place];
  }
  return [place];
}

function membersOf(codec: BtfCodec, place: Place): Place[] {
  return codec.isWhole(place) ? [] : codec.members(place);
}

/** Returns whether a place is an array that is declared without elements. */
export function isEmpty(codec: BtfCodec, place: Place): boolean {
  const type = codec.btf.resolve(place.type);
  return type.kind === 'array' && type.length === 0;
}

/** A column of a table whose rows are values of one type: a member, or the value itself. */
export interface ValueColumn {
  /** Empty for the value itself. */
  readonly name: string;
  readonly numeric: boolean;
}

export function columnsOf(codec: BtfCodec, place: Place): ValueColumn[] {
  const members = membersOf(codec, place);
  const numeric = (each: Place): boolean => !codec.isWhole(each) && codec.btf.resolve(each.type).kind === 'int';
  return members.length === 0
    ? [{ name: '', numeric: numeric(place) }]
    : members.map((member) => ({ name: member.name, numeric: numeric(member) }));
}

/** Returns whether the sum of several CPUs' values has a meaning: counters, and structs and arrays of counters. */
export function isSummable(codec: BtfCodec, place: Place): boolean {
  if (codec.isWhole(place)) {
    return false;
  }
  const type = codec.btf.resolve(place.type);
  switch (type.kind) {
    case 'int':
      return !type.boolean;
    case 'array':
      return isSummable(codec, codec.element(place, 0));
    case 'struct': {
      const members = codec.members(place);
      return members.length > 0 && members.every((member) => isSummable(codec, member));
    }
    default:
      return false;
  }
}

/** Adds values of the same summable place exactly. */
export function sum(values: readonly BtfValue[]): BtfValue {
  const [first] = values;
  if (isList(first!)) {
    return first.map((_, i) => sum(values.map((value) => (value as readonly BtfValue[])[i]!)));
  }
  if (isRecord(first!)) {
    const records = values as readonly BtfRecord[];
    return Object.fromEntries(Object.keys(first).map((name) => [name, sum(records.map((each) => each[name]!))]));
  }
  const total = values.reduce((all: bigint, value) => all + BigInt(value as number | bigint), 0n);
  return Number.isSafeInteger(Number(total)) ? Number(total) : total;
}

/** Returns whether a value has only zeros, empty text and the like. */
export function isNothing(value: BtfValue): boolean {
  if (isList(value)) {
    return value.every(isNothing);
  }
  if (isRecord(value)) {
    return Object.values(value).every(isNothing);
  }
  return value === 0 || value === false || NOTHINGS.has(String(value));
}

const NOTHINGS = new Set(['', '0', '0x0', '0.0.0.0', '::', '00:00:00:00:00:00']);
