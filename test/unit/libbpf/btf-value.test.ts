/** Values of BTF types: decoding and encoding loses nothing, and values that do not fit are refused. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import {
  BtfCodec,
  type BtfValue,
  declaration,
  definitions,
  fit,
  reshape,
  resolvePath,
  ValueError,
} from '../../../src/libbpf/index.js';
import { anyShape, btfOf, type Shape } from '../../support/btf.js';

const U8: Shape = { kind: 'int', name: 'unsigned char', size: 1, signed: false };
const U16: Shape = { kind: 'int', name: 'unsigned short', size: 2, signed: false };
const U32: Shape = { kind: 'int', name: 'unsigned int', size: 4, signed: false };
const S32: Shape = { kind: 'int', name: 'int', size: 4, signed: true };
const U64: Shape = { kind: 'int', name: 'unsigned long', size: 8, signed: false };
const CHAR: Shape = { kind: 'int', name: 'char', size: 1, signed: true };

const hasHoles = (shape: Shape): boolean => {
  switch (shape.kind) {
    case 'array':
    case 'typedef':
    case 'const':
      return hasHoles(shape.of);
    case 'struct':
      return shape.members.some(({ of, bits }) => bits !== undefined || hasHoles(of));
    case 'union':
      return true;
    default:
      return false;
  }
};

/** Draws a type and bytes of its size. */
const example = anyShape.chain((shape) => {
  const made = btfOf(shape);
  const bytes = fc.uint8Array({ minLength: made.size, maxLength: made.size });
  return fc.record({ shape: fc.constant(shape), made: fc.constant(made), bytes, other: bytes });
});

function codecOf(shape: Shape, options: { plain?: boolean } = {}) {
  const { btf, type, size } = btfOf(shape);
  const codec = new BtfCodec(btf, options);
  const whole = codec.whole(type);
  return {
    codec,
    whole,
    decode: (...bytes: number[]): BtfValue =>
      codec.decode(
        whole,
        Uint8Array.from({ length: size }, (_, i) => bytes[i] ?? 0),
      ),
    encode: (value: BtfValue, base: readonly number[] = []): number[] => {
      const bytes = Uint8Array.from({ length: size }, (_, i) => base[i] ?? 0);
      codec.encode(whole, value, bytes);
      return [...bytes];
    },
  };
}

test('decoding and encoding the bytes of any type returns the same bytes', () => {
  fc.assert(
    fc.property(example, fc.boolean(), ({ shape, made: { btf, type, size }, bytes, other }, plain) => {
      const codec = new BtfCodec(btf, { plain });
      const whole = codec.whole(type);
      const value = codec.decode(whole, bytes);

      const same = bytes.slice();
      codec.encode(whole, value, same);
      assert.deepEqual(same, bytes);

      // Encoded over other bytes.
      const over = other.slice();
      codec.encode(whole, value, over);
      assert.deepEqual(codec.decode(whole, over), value);
      if (!hasHoles(shape)) {
        assert.deepEqual(over, bytes);
      }

      // Through JSON, with large integers as text.
      const json = JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each));
      const parsed = new Uint8Array(size);
      codec.encode(whole, JSON.parse(json) as BtfValue, parsed);
      assert.deepEqual(codec.decode(whole, parsed), value);
    }),
    { numRuns: 2000 },
  );
});

test('any value is refused or fits its type, and encoding never changes the bytes around it', () => {
  fc.assert(
    fc.property(example, fc.jsonValue(), ({ made: { btf, type, size } }, garbage) => {
      const codec = new BtfCodec(btf);
      const bytes = new Uint8Array(size + 16).fill(0xa5);
      try {
        codec.encode({ ...codec.whole(type), offset: 8 }, garbage as BtfValue, bytes);
      } catch (error) {
        assert.ok(error instanceof ValueError, String(error));
      }
      assert.ok([...bytes.subarray(0, 8), ...bytes.subarray(size + 8)].every((byte) => byte === 0xa5));
    }),
    { numRuns: 1000 },
  );
});

test('any type is formatted as C, definition by definition', () => {
  fc.assert(
    fc.property(anyShape, (shape) => {
      const { btf, type } = btfOf(shape);
      assert.equal(typeof declaration(btf, type, 'x'), 'string');
      assert.ok(definitions(btf, type).every((text) => text.endsWith('\n')));
    }),
    { numRuns: 300 },
  );
});

test('integers are exact up to 128 bits, and values out of range are refused', () => {
  const { decode, encode } = codecOf(U64);
  assert.equal(decode(...Array<number>(8).fill(0xff)), 2n ** 64n - 1n);
  assert.deepEqual(encode('18446744073709551615'), Array<number>(8).fill(0xff));
  assert.equal(decode(1), 1);
  for (const wrong of ['18446744073709551616', -1, 2 ** 53, 1.5, '1e3', '010', '0x', '', ' 1', true, [1], { a: 1 }]) {
    assert.throws(() => encode(wrong), ValueError, JSON.stringify(wrong));
  }
  assert.deepEqual(codecOf(S32).encode('-1'), [255, 255, 255, 255]);
  assert.deepEqual(codecOf(S32).encode('-0x10'), [0xf0, 255, 255, 255]);
  assert.throws(() => codecOf(S32).encode('0x80000000'), /2147483648 is out of range.*-2147483648 and 2147483647/);
});

test("values in network order by their type's name are decoded so, and no others", () => {
  const be: Shape = { kind: 'typedef', name: '__be16', of: U16 };
  assert.equal(codecOf({ kind: 'const', name: '', of: be }).decode(0, 80), 80);
  assert.deepEqual(codecOf(be).encode(80), [0, 80]);
  assert.equal(codecOf({ kind: 'typedef', name: '__u16', of: U16 }).decode(0, 80), 80 * 256);
  assert.equal(codecOf(be, { plain: true }).decode(0, 80), 80 * 256);
});

test('bit fields of one byte, several bytes and signed integers leave neighbouring bits unchanged', () => {
  const { decode, encode, codec, whole } = codecOf({
    kind: 'struct',
    members: [
      { of: U8, bits: 3 },
      { of: S32, bits: 5 },
      { of: U64, bits: 63 },
      { of: U8, bits: 1 },
    ],
  });
  const [a, b, c, d] = codec.members(whole).map(({ name }) => name);
  assert.deepEqual(decode(0b10111_101), { [a!]: 5, [b!]: -9, [c!]: 0, [d!]: 0 });
  assert.deepEqual(encode({ [b!]: -16 }, [255, 255])[0], 0b10000_111);
  assert.equal(encode({ [d!]: 1 })[8], 0x80);
  assert.throws(() => encode({ [a!]: 8 }), /8 is out of range, it must be within 0 and 7/);
  assert.throws(() => encode({ [b!]: 16 }), /-16 and 15/);
});

test('enums are names, flags are joined, and values without a name are numbers', () => {
  const flags = codecOf({ kind: 'enum', size: 1, values: [1, 2, 4] });
  assert.equal(flags.decode(5), 'VALUE_0|VALUE_2');
  assert.equal(flags.decode(0x81), 'VALUE_0|0x80');
  assert.equal(flags.decode(0), 0);
  assert.equal(flags.decode(0x80), 0x80);
  assert.deepEqual(flags.encode('VALUE_0|VALUE_2'), [5]);
  assert.deepEqual(flags.encode('VALUE_1 | 0x80'), [0x82]);
  assert.throws(() => flags.encode('VALUE_9'), /"VALUE_9" is none of VALUE_0, VALUE_1, VALUE_2/);
  assert.throws(() => flags.encode('256'), /out of range/);
  const counted = codecOf({ kind: 'enum', size: 4, values: [0, 1, 2] });
  assert.equal(counted.decode(3), 3);
  const wide = codecOf({ kind: 'enum', size: 8, values: [2n ** 64n - 1n] });
  assert.equal(wide.decode(...Array<number>(8).fill(255)), 'VALUE_0');
  assert.equal(codecOf({ kind: 'enum', size: 1, values: [-1, 5] }).decode(255), 'VALUE_0');
});

test('arrays of char are text if all of it is printable, and bytes otherwise', () => {
  const { decode, encode } = codecOf({ kind: 'array', length: 4, of: CHAR });
  assert.equal(decode(...Buffer.from('ab')), 'ab');
  assert.equal(decode(...Buffer.from('abcd')), 'abcd');
  assert.deepEqual(decode(97, 0, 98, 0), [97, 0, 98, 0]);
  assert.deepEqual(decode(10), [10, 0, 0, 0]);
  assert.deepEqual(encode('ab', [1, 1, 1, 1]), [97, 98, 0, 0]);
  assert.throws(() => encode('abcde'), /5 bytes, there is room for 4/);
  assert.throws(() => encode('a\0b'), /zero byte/);
});

test('floats keep every bit, also if JSON has no number for them', () => {
  const { decode, encode } = codecOf({ kind: 'float', size: 4 });
  assert.equal(decode(0, 0, 0xc0, 0x7f), 'NaN');
  assert.equal(decode(1, 0, 0xc0, 0x7f), '0x7fc00001');
  assert.equal(decode(0, 0, 0, 0x80), '-0');
  assert.equal(decode(0, 0, 0x80, 0x7f), 'Infinity');
  assert.deepEqual(encode('-0'), [0, 0, 0, 0x80]);
  assert.deepEqual(encode('1.5'), encode(1.5));
  assert.throws(() => encode(1e39), /out of range for 4 bytes/);
  assert.throws(() => encode('one'), ValueError);
});

test('members of a union must agree; one of them is enough', () => {
  const { codec, whole, encode } = codecOf({
    kind: 'union',
    members: [{ of: U32 }, { of: { kind: 'array', length: 4, of: U8 } }],
  });
  const [word, bytes] = codec.members(whole).map(({ name }) => name);
  assert.deepEqual(encode({ [word!]: 0x04030201 }), [1, 2, 3, 4]);
  assert.deepEqual(encode({ [word!]: 0x04030201, [bytes!]: [1, 2, 3, 4] }), [1, 2, 3, 4]);
  assert.deepEqual(encode({ [bytes!]: { 1: 9 } }, [1, 2, 3, 4]), [1, 9, 3, 4]);
  assert.throws(() => encode({ [word!]: 1, [bytes!]: [1, 2, 3, 4] }), /contradicts another member/);
});

test('unknown members are refused by name, and members that are not given stay', () => {
  const { codec, whole, encode } = codecOf({ kind: 'struct', members: [{ of: U8 }, { of: U8 }] });
  const [first, second] = codec.members(whole).map(({ name }) => name);
  assert.deepEqual(encode({ [second!]: 9 }, [7, 7]), [7, 9]);
  assert.throws(() => encode({ third: 9 }), { message: `there is no member "third" among ${first!}, ${second!}` });
  assert.throws(() => encode({ ['__proto__']: 9 }), ValueError);
  assert.throws(() => encode([1, 2]), /a list is not an object/);
});

test('lists have as many elements as the array; objects have some of them', () => {
  const { encode } = codecOf({ kind: 'array', length: 3, of: U8 });
  assert.deepEqual(encode([1, 2, 3]), [1, 2, 3]);
  assert.deepEqual(encode({ 2: 9 }, [1, 2, 3]), [1, 2, 9]);
  assert.deepEqual(encode('0a 0b:0c'), [10, 11, 12]);
  assert.throws(() => encode([1, 2]), /it must have 3 elements, not 2/);
  assert.throws(() => encode({ 3: 1 }), /no element "3", it has 3/);
  assert.throws(() => encode('0a0b'), /"0a0b" is no list of 3 elements nor 3 bytes in hexadecimal/);
  assert.throws(() => encode([1, 2, 256]), /^ValueError: \[2\]: 256 is out of range/);
});

test('paths lead to members, elements and members of anonymous structs, and nowhere else', () => {
  const point: Shape = {
    kind: 'struct',
    members: [{ of: U8 }, { of: { kind: 'union', members: [{ of: U16 }] }, anonymous: true }],
  };
  const { codec, whole } = codecOf({
    kind: 'struct',
    members: [{ of: U32 }, { of: { kind: 'array', length: 4, of: point } }],
  });
  const [head, list] = codec.members(whole);
  const [x, y] = codec.members(codec.element(list!, 0));
  const found = resolvePath(codec, whole, `${list!.name}[3].${y!.name}`);
  assert.deepEqual([found.offset, found.path], [4 + 3 * 3 + 1, `${list!.name}[3].${y!.name}`]);
  assert.equal(resolvePath(codec, list!, '[1]').offset, 7);
  for (const [path, message] of [
    [`${list!.name}[4]`, /no element \[4\]: it has 4, from 0 on/],
    [`${list!.name}.${x!.name}`, /an array: give an index/],
    [`${head!.name}[0]`, /this is a int, it has no element/],
    [`nobody`, new RegExp(`no member "nobody" among ${head!.name}, ${list!.name}`)],
    [`${head!.name}..x`, /is no path/],
    [`${list!.name}[-1]`, /is no path/],
    [`${list!.name}[1`, /is no path/],
  ] as const) {
    assert.throws(() => resolvePath(codec, whole, path), message, path);
  }
});

test('an array without a length gets the elements that fit; several at one offset are ambiguous', () => {
  const table = btfOf({ kind: 'struct', members: [{ of: U64 }, { of: { kind: 'array', length: 0, of: U16 } }] });
  const fitted = fit(table.btf, table.type, 8 + 6);
  const codec = new BtfCodec(fitted.btf);
  const [, entries] = codec.members(codec.whole(fitted.type));
  assert.deepEqual(
    [declaration(fitted.btf, entries!.type, 'x'), fitted.btf.sizeOf(fitted.type), fitted.ambiguous],
    ['unsigned short x[3]', 14, []],
  );
  assert.equal(fit(table.btf, table.type, 8).type, table.type);

  const none: Shape = { kind: 'array', length: 0, of: U16 };
  const several = btfOf({ kind: 'struct', members: [{ of: U64 }, { of: none }, { of: none }] });
  const [first, second] = new BtfCodec(several.btf).members(new BtfCodec(several.btf).whole(several.type)).slice(1);
  assert.deepEqual(fit(several.btf, several.type, 20).ambiguous, [first!.name]);
  const known = reshape(several.btf, several.type, 20, [
    { member: first!.name, offset: 8, length: 2 },
    { member: second!.name, offset: 12, length: 4 },
  ]);
  const real = new BtfCodec(known.btf);
  const bytes = Uint8Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? i : 0));
  assert.deepEqual(Object.values(real.decode(real.whole(known.type), bytes)).slice(1), [
    [8, 10],
    [12, 14, 16, 18],
  ]);
});
