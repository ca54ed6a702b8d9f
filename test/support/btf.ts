/** Random types from fast-check, as BTF that a compiler could have written. */

import fc from 'fast-check';

import { Btf, type BtfMember, type BtfType, type BtfTypeId } from '../../src/libbpf/index.js';

/** A type before it has a BTF id. */
export type Shape =
  | { readonly kind: 'int'; readonly name: string; readonly size: number; readonly signed: boolean }
  | { readonly kind: 'bool' | 'pointer' }
  | { readonly kind: 'enum'; readonly size: number; readonly values: readonly (number | bigint)[] }
  | { readonly kind: 'float'; readonly size: number }
  | { readonly kind: 'array'; readonly of: Shape; readonly length: number }
  | { readonly kind: 'typedef' | 'const'; readonly name: string; readonly of: Shape }
  | { readonly kind: 'struct' | 'union'; readonly members: readonly Member[] };

export interface Member {
  readonly of: Shape;
  /** Bit field width, for integers only; 0 and widths above the size are clamped. */
  readonly bits?: number | undefined;
  /** Only members that are structs or unions may have no name. */
  readonly anonymous?: boolean | undefined;
}

const integer = fc.record({
  kind: fc.constant('int' as const),
  name: fc.constantFrom('int', 'unsigned char', '__int128'),
  size: fc.constantFrom(1, 2, 4, 8, 16),
  signed: fc.boolean(),
});

const networkOrder = fc.constantFrom(2, 4, 8).map((size) => ({
  kind: 'typedef' as const,
  name: `__be${size * 8}`,
  of: { kind: 'int' as const, name: 'unsigned', size, signed: false },
}));

const enumeration = fc
  .record({
    size: fc.constantFrom(1, 2, 4, 8),
    values: fc.oneof(
      fc.uniqueArray(fc.constantFrom(1, 2, 4, 8, 16, 32, 64), { minLength: 1 }),
      fc.uniqueArray(fc.integer({ min: -100, max: 100 }), { minLength: 1 }),
      fc.uniqueArray(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1, maxLength: 4 }),
    ),
  })
  .map((each) => ({ kind: 'enum' as const, ...each }));

const text = fc.nat(8).map((length) => ({
  kind: 'array' as const,
  length,
  of: { kind: 'int' as const, name: 'char', size: 1, signed: true },
}));

/** Any type, nested as deep as C allows. */
export const { type: anyShape } = fc.letrec<{ type: Shape; members: readonly Member[] }>((tie) => ({
  type: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    integer,
    networkOrder,
    enumeration,
    text,
    fc.constantFrom<Shape>({ kind: 'bool' }, { kind: 'pointer' }),
    fc.record({ kind: fc.constant('float' as const), size: fc.constantFrom(4, 8, 16) }),
    fc.record({ kind: fc.constant('array' as const), of: tie('type'), length: fc.nat(4) }),
    fc.record({ kind: fc.constantFrom('typedef' as const, 'const' as const), name: fc.constant('t'), of: tie('type') }),
    fc.record({ kind: fc.constant('struct' as const), members: tie('members') }),
    fc.record({ kind: fc.constant('union' as const), members: tie('members') }),
  ),
  members: fc.array(
    fc.record({
      of: tie('type'),
      bits: fc.option(fc.integer({ min: 1, max: 64 }), { nil: undefined }),
      anonymous: fc.boolean(),
    }),
    { maxLength: 4 },
  ),
}));

/** Gives the types of a shape their BTF ids; the last one is the shape itself. */
export function btfOf(shape: Shape): { btf: Btf; type: BtfTypeId; size: number } {
  const types: BtfType[] = [{ kind: 'void', name: 'void' }];
  const names = { next: 0 };
  const { id, size } = add(types, names, shape);
  return { btf: Btf.of(types), type: id, size };
}

interface Added {
  readonly id: BtfTypeId;
  readonly size: number;
}

function add(types: BtfType[], names: { next: number }, shape: Shape): Added {
  const push = (type: BtfType, size: number): Added => ({ id: types.push(type) - 1, size });
  switch (shape.kind) {
    case 'int': {
      const { name, size, signed } = shape;
      return push({ kind: 'int', name, size, bits: size * 8, signed, boolean: false }, size);
    }
    case 'bool':
      return push({ kind: 'int', name: '_Bool', size: 1, bits: 8, signed: false, boolean: true }, 1);
    case 'pointer':
      return push({ kind: 'pointer', name: '', type: 0 }, 8);
    case 'float':
      return push({ kind: 'float', name: 'float', size: shape.size }, shape.size);
    case 'enum': {
      const values = shape.values.map((value, i) => ({ name: `VALUE_${i}`, value }));
      return push({ kind: 'enum', name: 'e', size: shape.size, signed: false, values }, shape.size);
    }
    case 'typedef':
    case 'const': {
      const { id, size } = add(types, names, shape.of);
      return push({ kind: shape.kind, name: shape.kind === 'const' ? '' : shape.name, type: id }, size);
    }
    case 'array': {
      const { id, size } = add(types, names, shape.of);
      return push({ kind: 'array', name: '', type: id, length: shape.length }, size * shape.length);
    }
    case 'struct':
    case 'union': {
      const { members, size } = layOut(types, names, shape);
      return push({ kind: shape.kind, name: 's', size, members }, size);
    }
  }
}

/** Lays members out packed: one after another, bit fields without a gap. */
function layOut(
  types: BtfType[],
  names: { next: number },
  { kind, members }: { kind: 'struct' | 'union'; members: readonly Member[] },
): { members: BtfMember[]; size: number } {
  let end = 0;
  let largest = 0;
  const placed = members.map(({ of, bits, anonymous }) => {
    const { id, size } = add(types, names, of);
    const bitSize = of.kind === 'int' && of.size <= 8 && bits !== undefined ? Math.min(bits, size * 8) : 0;
    const begin = kind === 'union' ? 0 : bitSize > 0 ? end : Math.ceil(end / 8) * 8;
    end = begin + (bitSize > 0 ? bitSize : size * 8);
    largest = Math.max(largest, end);
    const nameless = anonymous === true && (of.kind === 'struct' || of.kind === 'union');
    names.next += 1;
    return { name: nameless ? '' : `m${names.next}`, type: id, bitOffset: begin, bitSize };
  });
  return { members: placed, size: Math.ceil(largest / 8) };
}
