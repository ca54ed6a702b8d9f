/** Converts values of BTF types between bytes and plain JavaScript without loss. Pure. */

import { floatFromBits, floatToBits } from './btf-float.js';
import type { Btf, BtfComposite, BtfEnum, BtfInt, BtfTypeId } from './btf.js';
import { type ByteOrder, parseInteger, readBits, readInteger, writeBits, writeInteger } from './integer.js';
import { type BtfRecord, type BtfValue, isList, isRecord, showValue, ValueError } from './value.js';

/** The place of a value within another, and its type. */
export interface Place {
  readonly type: BtfTypeId;
  /** The path to it: "entry[5].address"; empty for the whole value. */
  readonly path: string;
  /** The name of the member or variable, for an element that of its array; empty if there is none. */
  readonly name: string;
  /** The name of the struct or union that contains it; empty if there is none. */
  readonly owner: string;
  /** In bytes. */
  readonly offset: number;
  /** For a bit field: its first bit in the byte at `offset`, and its length; else 0 and 0. */
  readonly bitShift: number;
  readonly bitSize: number;
}

/** A form in which values of some places are written, addresses for example. It converts both ways without loss. */
export interface Form {
  /** Returns undefined for bytes that have no such form. They are decoded by their type. */
  decode(bytes: Uint8Array): BtfValue | undefined;
  /** Returns undefined for a value that does not have the form. It is encoded by its type. */
  encode(value: BtfValue): Uint8Array | undefined;
}

export interface CodecOptions {
  /** Returns the form of a place. Called for every place that is not a bit field. */
  readonly formOf?: (place: Place, btf: Btf) => Form | undefined;
  /** Decodes numbers as they are in memory: no names of enums, no byte order but the machine's, no text, no forms. */
  readonly plain?: boolean;
}

/** Integers that the kernel keeps in network order, by the names of their types (linux/types.h). */
const BIG_ENDIAN = new Set(['__be16', '__be32', '__be64', 'be16', 'be32', 'be64']);
const TRUTH = new Map<BtfValue, bigint>([
  [true, 1n],
  ['true', 1n],
  [false, 0n],
  ['false', 0n],
]);
const BYTE_MASK = 0xff;

/** Decodes and encodes values of the types of one BTF. Assumes a little-endian machine, as all are that run BPF and Node. */
export class BtfCodec {
  readonly btf: Btf;
  readonly #plain: boolean;
  readonly #formOf: CodecOptions['formOf'];
  readonly #forms = new Map<string, Form | undefined>();

  constructor(btf: Btf, { formOf, plain = false }: CodecOptions = {}) {
    this.btf = btf;
    this.#formOf = formOf;
    this.#plain = plain;
  }

  /** Returns the place of a whole value. */
  whole(type: BtfTypeId, name = ''): Place {
    return { type, path: '', name, owner: '', offset: 0, bitShift: 0, bitSize: 0 };
  }

  /** Returns the number of bytes of a place; for a bit field, of the bytes that it touches. */
  sizeOf(place: Place): number {
    return place.bitSize > 0 ? Math.ceil((place.bitShift + place.bitSize) / 8) : this.btf.sizeOf(place.type);
  }

  /**
   * Returns the members of a struct or union, or the variables of a section. For a member without a name it returns the
   * members of that, as in C.
   */
  members(place: Place): Place[] {
    const type = this.btf.resolve(place.type);
    if (type.kind === 'section') {
      return type.entries.map(({ type: id, offset }) => {
        const variable = this.btf.type(id);
        const named = { name: variable.name, path: join(place.path, variable.name), owner: '' };
        return { ...named, type: 'type' in variable ? variable.type : id, offset, bitShift: 0, bitSize: 0 };
      });
    }
    return type.kind === 'struct' || type.kind === 'union' ? this.#membersOf(type, place) : [];
  }

  #membersOf(composite: BtfComposite, place: Place): Place[] {
    return composite.members.flatMap(({ name, type: id, bitOffset, bitSize }) => {
      const type = this.btf.resolve(id);
      const bits = bitSize === 0 && type.kind === 'int' && type.bits < type.size * 8 ? type.bits : bitSize;
      const member: Place = {
        type: id,
        path: join(place.path, name),
        name,
        owner: composite.name === '' ? place.owner : composite.name,
        offset: place.offset + Math.floor(bitOffset / 8),
        bitShift: bits === 0 ? 0 : bitOffset % 8,
        bitSize: bits,
      };
      if (name !== '') {
        return [member];
      }
      // A bit field without a name is padding.
      return type.kind === 'struct' || type.kind === 'union'
        ? this.#membersOf(type, { ...member, path: place.path, owner: member.owner })
        : [];
    });
  }

  /** Returns the place of an array's element. It does not check the length; `resolvePath` does. */
  element(array: Place, index: number): Place {
    const type = this.btf.resolve(array.type);
    if (type.kind !== 'array') {
      throw new ValueError(array.path, 'this is no array');
    }
    const offset = array.offset + index * this.btf.sizeOf(type.type);
    return { ...array, type: type.type, path: `${array.path}[${index}]`, offset };
  }

  /** Returns whether a value is shown as one although it has parts: text, an address. */
  isWhole(place: Place): boolean {
    return this.#form(place) !== undefined || this.#isText(place);
  }

  /** Decodes the value at a place. @param bytes the whole value, which contains the place */
  decode(place: Place, bytes: Uint8Array): BtfValue {
    const type = this.btf.resolve(place.type);
    const formed = this.#form(place)?.decode(bytes.subarray(place.offset, place.offset + this.sizeOf(place)));
    if (formed !== undefined) {
      return formed;
    }
    switch (type.kind) {
      case 'int':
        return this.#decodeInt(type, place, bytes);
      case 'enum':
        return this.#decodeEnum(type, place, bytes);
      case 'pointer':
        return `0x${readInteger(bytes, place.offset, 8).toString(16)}`;
      case 'float':
        return floatFromBits(BigInt(readInteger(bytes, place.offset, type.size)), type.size);
      case 'array':
        return (
          (this.#isText(place) ? decodeText(bytes.subarray(place.offset, place.offset + type.length)) : undefined) ??
          Array.from({ length: type.length }, (_, i) => this.decode(this.element(place, i), bytes))
        );
      case 'struct':
      case 'union':
      case 'section':
        return Object.fromEntries(this.members(place).map((member) => [member.name, this.decode(member, bytes)]));
      default:
        throw new ValueError(place.path, `a ${type.kind} has no value`);
    }
  }

  /**
   * Encodes a value into the bytes of the whole value. Members and elements that it does not name stay as they are.
   *
   * @throws ValueError; some of the bytes may have been written by then, so give a copy
   */
  encode(place: Place, value: BtfValue, bytes: Uint8Array): void {
    const type = this.btf.resolve(place.type);
    const formed = this.#form(place)?.encode(value);
    if (formed !== undefined) {
      bytes.set(formed, place.offset);
      return;
    }
    switch (type.kind) {
      case 'int':
        this.#encodeInt(type, place, value, bytes);
        return;
      case 'enum':
        this.#write(place, enumNumber(type, value, place.path), type.size, isSigned(type), bytes);
        return;
      case 'pointer':
        this.#write(place, integer(value, place.path), 8, false, bytes);
        return;
      case 'float':
        writeInteger(bytes, place.offset, type.size, floatToBits(value, type.size, place.path));
        return;
      case 'array':
        this.#encodeArray(place, value, bytes);
        return;
      case 'struct':
      case 'union':
      case 'section':
        this.#encodeMembers(place, value, bytes);
        return;
      default:
        throw new ValueError(place.path, `a ${type.kind} has no value`);
    }
  }

  #form(place: Place): Form | undefined {
    if (this.#plain || this.#formOf === undefined || place.bitSize > 0) {
      return undefined;
    }
    const key = `${place.type} ${place.owner}.${place.name}`;
    if (!this.#forms.has(key)) {
      this.#forms.set(key, this.#formOf(place, this.btf));
    }
    return this.#forms.get(key);
  }

  /** Returns the byte order of a place: network order if one of its typedefs says so. */
  byteOrder({ type: id }: Place): ByteOrder {
    for (let type = this.btf.type(id); !this.#plain && 'type' in type; type = this.btf.type(type.type)) {
      if (type.kind === 'typedef' && BIG_ENDIAN.has(type.name)) {
        return 'big';
      }
      if (type.kind === 'array' || type.kind === 'pointer') {
        break;
      }
    }
    return 'little';
  }

  #decodeInt(type: BtfInt, place: Place, bytes: Uint8Array): BtfValue {
    const number =
      place.bitSize > 0
        ? readBits(bytes, place, type.signed)
        : readInteger(bytes, place.offset, type.size, { signed: type.signed, order: this.byteOrder(place) });
    return type.boolean && !this.#plain && (number === 0 || number === 1) ? number === 1 : number;
  }

  #encodeInt(type: BtfInt, place: Place, value: BtfValue, bytes: Uint8Array): void {
    const truth = type.boolean ? TRUTH.get(value) : undefined;
    this.#write(place, truth ?? integer(value, place.path), type.size, type.signed, bytes);
  }

  #decodeEnum(type: BtfEnum, place: Place, bytes: Uint8Array): BtfValue {
    const signed = isSigned(type);
    const number =
      place.bitSize > 0
        ? readBits(bytes, place, signed)
        : readInteger(bytes, place.offset, type.size, { signed, order: 'little' });
    return this.#plain ? number : enumName(type, number);
  }

  /** Writes an integer. @throws ValueError for one that is out of range */
  #write(place: Place, number: bigint, size: number, signed: boolean, bytes: Uint8Array): void {
    const bits = BigInt(place.bitSize > 0 ? place.bitSize : size * 8);
    const low = signed ? -(1n << (bits - 1n)) : 0n;
    const high = (1n << (signed ? bits - 1n : bits)) - 1n;
    if (number < low || number > high) {
      throw new ValueError(place.path, `${number} is out of range, it must be within ${low} and ${high}`);
    }
    if (place.bitSize > 0) {
      writeBits(bytes, place, number);
    } else {
      writeInteger(bytes, place.offset, size, number, this.byteOrder(place));
    }
  }

  /** Returns whether a place is an array of `char`, which only its name distinguishes from other bytes. */
  #isText({ type: id, bitSize }: Place): boolean {
    const type = this.btf.resolve(id);
    if (this.#plain || bitSize > 0 || type.kind !== 'array') {
      return false;
    }
    const element = this.btf.resolve(type.type);
    return element.kind === 'int' && element.name === 'char';
  }

  #encodeArray(place: Place, value: BtfValue, bytes: Uint8Array): void {
    const type = this.btf.resolve(place.type);
    const length = type.kind === 'array' ? type.length : 0;
    if (typeof value === 'string') {
      bytes.set(this.#isText(place) ? encodeText(value, length, place.path) : this.#hexOf(place, value), place.offset);
      return;
    }
    if (isList(value)) {
      if (value.length !== length) {
        throw new ValueError(place.path, `it must have ${length} elements, not ${value.length}`);
      }
      value.forEach((each, i) => {
        this.encode(this.element(place, i), each, bytes);
      });
      return;
    }
    for (const [key, each] of Object.entries(record(value, place.path, 'a list, or an object by index'))) {
      const index = Number(key);
      if (!/^(0|[1-9]\d*)$/.test(key) || index >= length) {
        throw new ValueError(place.path, `there is no element "${key}", it has ${length}, from 0 on`);
      }
      this.encode(this.element(place, index), each, bytes);
    }
  }

  /** Parses the hexadecimal digits that an array of bytes may be given as. */
  #hexOf(place: Place, text: string): Uint8Array {
    const size = this.sizeOf(place);
    const type = this.btf.resolve(place.type);
    const ofBytes = type.kind === 'array' && this.btf.resolve(type.type).kind === 'int' && size === type.length;
    const digits = text.replace(/^0x/i, '').replaceAll(/[ :]/g, '');
    if (!ofBytes || !/^[0-9a-f]*$/i.test(digits) || digits.length !== size * 2) {
      throw new ValueError(
        place.path,
        `"${text}" is no list of ${type.kind === 'array' ? type.length : 0} elements` +
          (ofBytes ? ` nor ${size} bytes in hexadecimal` : ''),
      );
    }
    return Buffer.from(digits, 'hex');
  }

  #encodeMembers(place: Place, value: BtfValue, bytes: Uint8Array): void {
    const members = new Map(this.members(place).map((member) => [member.name, member]));
    const given = Object.entries(record(value, place.path, 'an object')).map(([name, each]) => {
      const member = members.get(name);
      if (member === undefined) {
        throw new ValueError(place.path, `there is no member "${name}" among ${[...members.keys()].join(', ')}`);
      }
      return { member, value: each };
    });
    const places = given.map(({ member }) => member);
    if (places.some((one, i) => places.slice(0, i).some((other) => this.#overlap(one, other)))) {
      this.#encodeOverlapping(place, given, bytes);
    } else {
      given.forEach(({ member, value: each }) => {
        this.encode(member, each, bytes);
      });
    }
  }

  #overlap(one: Place, other: Place): boolean {
    const begin = (place: Place): number => place.offset * 8 + place.bitShift;
    const end = (place: Place): number => begin(place) + (place.bitSize > 0 ? place.bitSize : this.sizeOf(place) * 8);
    return begin(one) < end(other) && begin(other) < end(one);
  }

  /**
   * Encodes members of a union, which must not contradict each other in the bytes that they share. The bits that a member
   * sets are found by encoding it into zeros and into ones.
   */
  #encodeOverlapping(
    place: Place,
    given: readonly { readonly member: Place; readonly value: BtfValue }[],
    bytes: Uint8Array,
  ): void {
    const size = this.sizeOf(place);
    // Copies also a Buffer, whose slice() would not copy.
    const result = Uint8Array.from(bytes.subarray(place.offset, place.offset + size));
    const written = new Uint8Array(size);
    for (const { member, value } of given) {
      const zeros = new Uint8Array(size);
      const ones = new Uint8Array(size).fill(BYTE_MASK);
      const there = { ...member, offset: member.offset - place.offset };
      this.encode(there, value, zeros);
      this.encode(there, value, ones);
      for (let i = 0; i < size; i += 1) {
        const mask = ~(zeros[i]! ^ ones[i]!) & BYTE_MASK;
        if ((mask & written[i]! & (result[i]! ^ zeros[i]!)) !== 0) {
          throw new ValueError(member.path, 'this contradicts another member of the same union: give one of them');
        }
        result[i] = (result[i]! & ~mask) | (zeros[i]! & mask);
        written[i]! |= mask;
      }
    }
    bytes.set(result, place.offset);
  }
}

function join(path: string, name: string): string {
  return path === '' || name === '' ? path + name : `${path}.${name}`;
}

function record(value: BtfValue, path: string, wanted: string): BtfRecord {
  if (!isRecord(value)) {
    throw new ValueError(path, `${showValue(value)} is not ${wanted}`);
  }
  return value;
}

function integer(value: BtfValue, path: string): bigint {
  const number = parseInteger(value);
  if (number === undefined) {
    throw new ValueError(path, `${showValue(value)} is no whole number`);
  }
  return number;
}

/** Returns whether an enum has a signed type, also for old compilers, which do not record it. */
function isSigned(type: BtfEnum): boolean {
  return type.signed || type.values.some(({ value }) => value < 0);
}

/** Returns whether an enum's values are flags: each but 0 is a different bit, and there are more than a count would have. */
export function isFlags({ values }: BtfEnum): boolean {
  const bits = values.map(({ value }) => BigInt(value)).filter((value) => value !== 0n);
  const single = bits.every((bit) => bit > 0n && (bit & (bit - 1n)) === 0n);
  return single && new Set(bits).size === bits.length && bits.length >= (bits.length < values.length ? 3 : 2);
}

/** Returns a value's name; for flags the names, and the rest in hexadecimal; else the number. */
function enumName(type: BtfEnum, number: number | bigint): BtfValue {
  const exact = type.values.find(({ value }) => BigInt(value) === BigInt(number));
  if (exact !== undefined) {
    return exact.name;
  }
  if (!isFlags(type) || number < 0) {
    return number;
  }
  const set = type.values.filter(({ value }) => value !== 0 && (BigInt(value) & BigInt(number)) !== 0n);
  const rest = set.reduce((left, { value }) => left & ~BigInt(value), BigInt(number));
  if (set.length === 0) {
    return number;
  }
  return [...set.map(({ name }) => name), ...(rest === 0n ? [] : [`0x${rest.toString(16)}`])].join('|');
}

function enumNumber(type: BtfEnum, value: BtfValue, path: string): bigint {
  const named = (word: string): bigint => {
    const found = type.values.find(({ name }) => name === word);
    const number = found === undefined ? parseInteger(word) : BigInt(found.value);
    if (number === undefined) {
      throw new ValueError(path, `"${word}" is none of ${type.values.map(({ name }) => name).join(', ')}`);
    }
    return number;
  };
  return typeof value === 'string'
    ? value
        .split('|')
        .map((word) => named(word.trim()))
        .reduce((all, each) => all | each)
    : integer(value, path);
}

const isPrintable = (byte: number): boolean => byte >= 0x20 && byte < 0x7f;

/** Decodes text: printable characters, then only zeros. Returns undefined for other bytes. */
function decodeText(bytes: Uint8Array): string | undefined {
  const zero = bytes.indexOf(0);
  const text = zero < 0 ? bytes : bytes.subarray(0, zero);
  const isText = text.every(isPrintable) && bytes.subarray(text.length).every((byte) => byte === 0);
  return isText ? Buffer.from(text).toString('latin1') : undefined;
}

function encodeText(text: string, length: number, path: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > length) {
    throw new ValueError(path, `"${text}" has ${bytes.length} bytes, there is room for ${length}`);
  }
  if (bytes.includes(0)) {
    throw new ValueError(path, 'text cannot contain a zero byte');
  }
  return Uint8Array.from({ length }, (_, i) => bytes[i] ?? 0);
}
