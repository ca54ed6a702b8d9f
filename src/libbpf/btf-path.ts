/** Resolves paths into a value, "entry[5].address", and gives arrays at the end of structs their real length. Pure. */

import type { BtfCodec, Place } from './btf-value.js';
import type { Btf, BtfTypeId } from './btf.js';
import { ValueError } from './value.js';

/** A member's name or an element's index at the beginning of a path. */
const STEP = /^(?:\.?([A-Za-z_]\w*)|\[(\d+)\])/;

/**
 * Returns the place that a path leads to.
 *
 * @throws ValueError if there is no such member or element
 */
export function resolvePath(codec: BtfCodec, from: Place, path: string): Place {
  let place = from;
  for (let rest = path; rest !== '';) {
    const [step, name, index] = STEP.exec(rest) ?? [];
    if (step === undefined) {
      throw new ValueError(place.path, `"${rest}" is no path; "entry[5].address" is one`);
    }
    place = name === undefined ? elementAt(codec, place, Number(index)) : stepInto(codec, place, name);
    rest = rest.slice(step.length);
  }
  return place;
}

function stepInto(codec: BtfCodec, place: Place, name: string): Place {
  const members = codec.members(place);
  const found = members.find((member) => member.name === name);
  if (found === undefined) {
    const { kind } = codec.btf.resolve(place.type);
    throw new ValueError(
      place.path,
      members.length === 0
        ? `there is no "${name}" in ${kind === 'array' ? 'an array: give an index, [0]' : `an ${kind}`}`
        : `there is no member "${name}" among ${members.map((member) => member.name).join(', ')}`,
    );
  }
  return found;
}

function elementAt(codec: BtfCodec, place: Place, index: number): Place {
  const type = codec.btf.resolve(place.type);
  if (type.kind !== 'array') {
    throw new ValueError(place.path, `this is a ${type.kind}, it has no element [${index}]`);
  }
  if (index >= type.length) {
    throw new ValueError(place.path, `there is no element [${index}]: it has ${type.length}, from 0 on`);
  }
  return codec.element(place, index);
}

/** The real offset in bytes and length of an array that is declared without a length. */
export interface RealArray {
  readonly member: string;
  readonly offset: number;
  readonly length: number;
}

/** Returns BTF with a further type: a struct with some of its arrays at another offset, with another length. */
export function reshape(
  btf: Btf,
  id: BtfTypeId,
  size: number,
  arrays: readonly RealArray[],
): { btf: Btf; type: BtfTypeId } {
  const struct = btf.resolve(id);
  if (struct.kind !== 'struct') {
    throw new RangeError(`type ${id} is no struct`);
  }
  const real = new Map(arrays.map((array, i) => [array.member, { ...array, ordinal: i }]));
  const next = btf.with((idOf) => [
    ...arrays.map(({ member, length }) => {
      const array = btf.resolve(struct.members.find(({ name }) => name === member)?.type ?? 0);
      if (array.kind !== 'array') {
        throw new RangeError(`struct ${struct.name} has no array "${member}"`);
      }
      return { kind: 'array', name: '', type: array.type, length } as const;
    }),
    {
      ...struct,
      size,
      members: struct.members.map((member) => {
        const array = real.get(member.name);
        return array === undefined
          ? member
          : { ...member, type: idOf(array.ordinal), bitOffset: array.offset * 8, bitSize: 0 };
      }),
    },
  ]);
  return { btf: next, type: next.types.length - 1 };
}

/**
 * Gives a struct's last array, if it is declared without a length, as many elements as `size` has room for.
 *
 * @returns the new type, and in `ambiguous` the names of other arrays at the same offset, whose lengths are unknown
 */
export function fit(
  btf: Btf,
  id: BtfTypeId,
  size: number,
): { btf: Btf; type: BtfTypeId; ambiguous: readonly string[] } {
  const struct = btf.resolve(id);
  const last = struct.kind === 'struct' ? struct.members.at(-1) : undefined;
  const array = last === undefined ? undefined : btf.resolve(last.type);
  if (struct.kind !== 'struct' || last === undefined || array?.kind !== 'array') {
    return { btf, type: id, ambiguous: [] };
  }
  const ambiguous = struct.members
    .filter((member) => {
      const type = btf.resolve(member.type);
      return member !== last && type.kind === 'array' && type.length === 0 && member.bitOffset === last.bitOffset;
    })
    .map(({ name }) => name);
  const offset = last.bitOffset / 8;
  const stride = btf.sizeOf(array.type);
  if (array.length > 0 || stride === 0 || size <= struct.size) {
    return { btf, type: id, ambiguous };
  }
  const fitted = reshape(btf, id, size, [{ member: last.name, offset, length: Math.floor((size - offset) / stride) }]);
  return { ...fitted, ambiguous };
}
