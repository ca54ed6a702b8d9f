/** How maps are typed and printed: addresses, notations, outlines of values too large to be looked at whole. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { nearest } from '../../../src/inspect/nearest.js';
import { formOf } from '../../../src/inspect/addresses.js';
import { formatHex, formatValue, parseHex, parseValue, toJson } from '../../../src/inspect/value-text.js';
import { hasLong, isNothing, isSummable, outline, sum } from '../../../src/inspect/outline.js';
import { isZero, pieces, type Region } from '../../../src/inspect/region.js';
import { type Btf, BtfCodec, type BtfValue, type Place, ValueError } from '../../../src/libbpf/index.js';
import { anyShape, btfOf, type Shape } from '../../support/btf.js';

const U8: Shape = { kind: 'int', name: 'unsigned char', size: 1, signed: false };
const U32: Shape = { kind: 'int', name: 'unsigned int', size: 4, signed: false };
const U64: Shape = { kind: 'int', name: 'unsigned long', size: 8, signed: false };
const BE32: Shape = { kind: 'typedef', name: '__be32', of: U32 };
const list = (of: Shape, length: number): Shape => ({ kind: 'array', of, length });

function formed(shape: Shape, name: string, meanings = new Map<string, 'address' | 'mac'>()) {
  const { btf, type, size } = btfOf(shape);
  const codec = new BtfCodec(btf, { formOf: (place: Place, types: Btf) => formOf(place, types, meanings) });
  const place = codec.whole(type, name);
  return {
    decode: (...bytes: number[]) =>
      codec.decode(
        place,
        Uint8Array.from({ length: size }, (_, i) => bytes[i] ?? 0),
      ),
    encode: (value: BtfValue) => {
      const bytes = new Uint8Array(size);
      codec.encode(place, value, bytes);
      return [...bytes];
    },
  };
}

test('addresses and MACs are recognised by type and name, and other numbers stay numbers', () => {
  for (const name of ['address', 'saddr', 'src_ip', 'remote_ip4', 'mask', 'vip', '']) {
    assert.equal(formed(BE32, name).decode(192, 168, 1, 100), '192.168.1.100', name);
  }
  for (const name of ['sequence', 'vni', 'trip', 'mask_length']) {
    assert.equal(formed(BE32, name).decode(0, 0, 1, 0), 256, name);
  }
  assert.equal(formed(U32, 'address').decode(1), 1);
  assert.equal(formed(list(U8, 6), 'source_mac').decode(0, 0x50, 0, 0, 1), '00:50:00:00:01:00');
  assert.deepEqual(formed(list(U8, 6), 'hmac').decode(1), [1, 0, 0, 0, 0, 0]);
  assert.equal(formed(list(BE32, 4), 'address').decode(0xfd, 0, ...Array<number>(13).fill(0), 1), 'fd00::1');
  assert.equal(formed(list(U8, 16), 'addr').decode(0xfd), 'fd00::');
  const own = new Map([['.own', 'mac'] as const]);
  assert.equal(formed(U64, 'own', own).decode(0, 0x50, 0, 0, 4), '00:50:00:00:04:00');
  assert.equal(formed(U64, 'own', own).decode(...Array<number>(8).fill(255)), 2n ** 64n - 1n);
  const either = formed(list(U8, 16), 'x', new Map([['.x', 'address'] as const]));
  assert.deepEqual(either.encode('10.0.0.1').slice(0, 5), [10, 0, 0, 1, 0]);
  assert.equal(either.decode(10, 0, 0, 1), '10.0.0.1');
});

test('addresses may be typed as addresses or as numbers, and incomplete ones are refused', () => {
  const { encode } = formed(BE32, 'address');
  assert.deepEqual(encode('10.0.0.1'), [10, 0, 0, 1]);
  assert.deepEqual(encode(0x0a000001), [10, 0, 0, 1]);
  for (const wrong of ['10.0.0', '010.0.0.1', '10.0.0.256', 'fd00::1', '10.0.0.1/8']) {
    assert.throws(() => encode(wrong), ValueError, wrong);
  }
  const mac = formed(list(U8, 6), 'mac');
  assert.deepEqual(mac.encode('00-50-00-00-01-0A'), [0, 0x50, 0, 0, 1, 10]);
  assert.throws(() => mac.encode('00:50:00:00:01'), ValueError);
  assert.throws(() => formed(list(BE32, 4), 'address').encode('10.0.0.1'), ValueError);
});

test('every address and MAC survives formatting and parsing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      for (const [shape, name, meaning] of [
        [BE32, 'address', undefined],
        [list(BE32, 4), 'address', undefined],
        [list(U8, 16), 'x', 'address'],
        [list(U8, 6), 'mac', undefined],
        [U64, 'x', 'mac'],
      ] as const) {
        const { decode, encode } = formed(shape, name, new Map(meaning && [[`.${name}`, meaning]]));
        const size = btfOf(shape).size;
        assert.deepEqual(encode(decode(...bytes)), [...bytes.subarray(0, size)]);
      }
      // IPv4 in IPv6, which elsewhere is no address.
      const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...bytes.subarray(12));
      const six = formed(list(U8, 16), 'address');
      assert.deepEqual(six.encode(six.decode(...mapped)), [...mapped]);
    }),
  );
});

test('every printed value of any type can be typed again, in one line or as JSON', () => {
  const example = anyShape.chain((shape) => {
    const made = btfOf(shape);
    return fc.record({ made: fc.constant(made), bytes: fc.uint8Array({ minLength: made.size, maxLength: made.size }) });
  });
  fc.assert(
    fc.property(example, ({ made: { btf, type, size }, bytes }) => {
      const codec = new BtfCodec(btf);
      const whole = codec.whole(type);
      const value = codec.decode(whole, bytes);
      for (const text of [formatValue(value), toJson(value)]) {
        const read = new Uint8Array(size);
        codec.encode(whole, parseValue(text), read);
        assert.deepEqual(codec.decode(whole, read), value, text);
      }
    }),
    { numRuns: 500 },
  );
});

test('values may be typed as YAML or JSON, and anything else is refused', () => {
  assert.deepEqual(parseValue('{ port: 80, mac: 00:50:00:00:01:00, "a b": [1, 0x10, yes] }'), {
    port: '80',
    mac: '00:50:00:00:01:00',
    'a b': ['1', '0x10', 'yes'],
  });
  assert.equal(parseValue('a: b'), 'a: b');
  for (const wrong of ['{ a: 1', '[1, 2', '{ a: 1, a: 2 }', '[*x]', '[&x [1], *x]', '{ a: 1 } b', '"\\q"']) {
    assert.throws(() => parseValue(wrong), ValueError, wrong);
  }
});

test('equal neighbouring elements are shown once, with their number', () => {
  assert.equal(formatValue([0, 0, 0, 1, 0, 0, 0, 0, 0], true), '[0, 0, 0, 1, 0 ×5]');
  assert.equal(
    formatValue({ a: 'two words', b: '', c: true, d: 2n ** 63n }),
    '{ a: "two words", b: "", c: true, d: 0x8000000000000000 }',
  );
  assert.equal(formatValue({}), '{}');
});

test('all bytes must be typed, in hexadecimal', () => {
  assert.equal(formatHex(Uint8Array.of(10, 0, 255)), '0a 00 ff');
  for (const text of ['0a 00 ff', '0a00ff', '0a:00:FF', '0x0a00ff']) {
    assert.deepEqual([...parseHex(text, 3, 'a key')], [10, 0, 255], text);
  }
  assert.throws(() => parseHex('0a00', 3, 'a key'), /a key of this map has 3 bytes, not 2/);
  for (const wrong of ['0a00f', '10', 'x', '0a00fg', '-1', '0a.00.ff']) {
    assert.throws(() => parseHex(wrong, 3, 'a key'), ValueError, wrong);
  }
});

test('names similar to the typed one are suggested, and no others', () => {
  const names = ['services4', 'services6', 'destinations', 'destination_counters', 'flows4'];
  assert.deepEqual(nearest('servces4', names), ['services4', 'services6']);
  assert.deepEqual(nearest('counters', names), ['destination_counters']);
  assert.deepEqual(nearest('xyz', names), []);
});

test('a table of eight gigabytes is read in small pieces, and no further than requested', () => {
  let read = 0;
  let largest = 0;
  const region: Region = {
    byteLength: 2 ** 33,
    read: (offset, length) => {
      read += length;
      largest = Math.max(largest, length);
      const bytes = new Uint8Array(length);
      // One element in a million is not zero.
      for (let at = Math.ceil(offset / 2 ** 24) * 2 ** 24; at < offset + length; at += 2 ** 24) {
        bytes[at - offset] = 1;
      }
      return bytes;
    },
  };
  const found: number[] = [];
  for (const { index } of pieces(region, { offset: 0, stride: 16, count: 2 ** 29, from: 2 ** 28, all: false })) {
    found.push(index);
    if (found.length === 3) {
      break;
    }
  }
  assert.deepEqual(found, [2 ** 28, 2 ** 28 + 2 ** 20, 2 ** 28 + 2 ** 21]);
  assert.ok(largest <= 1 << 16 && read < 2 ** 26, `${largest} at once, ${read} in all`);
});

test('zeros are found at any address and length', () => {
  const bytes = new Uint8Array(64);
  assert.ok(isZero(bytes) && isZero(bytes.subarray(1, 8)) && isZero(bytes.subarray(0, 0)));
  bytes[7] = 1;
  assert.ok(!isZero(bytes) && !isZero(bytes.subarray(1, 8)) && isZero(bytes.subarray(8)));
});

test('values are outlined: members line by line, long arrays by themselves', () => {
  const { btf, type } = btfOf({
    kind: 'struct',
    members: [
      { of: U32 },
      { of: list(U8, 6) },
      { of: list(U64, 64) },
      { of: { kind: 'struct', members: [{ of: list(U32, 20) }] } },
    ],
  });
  const codec = new BtfCodec(btf);
  const whole = codec.whole(type);
  const places = outline(codec, whole);
  assert.deepEqual(
    places.map((place) => hasLong(codec, place)),
    [false, false, true, true],
  );
  assert.match(places[3]!.path, /^m\d+\.m\d+$/);
});

test('per-CPU counters are summed exactly, and other values are not summed', () => {
  const { btf, type } = btfOf({ kind: 'struct', members: [{ of: U64 }, { of: list(U64, 2) }] });
  const codec = new BtfCodec(btf);
  assert.ok(isSummable(codec, codec.whole(type)));
  const values = [2n ** 63n, 2n ** 63n, 5].map((each) => ({ a: each, b: [1, each] }));
  assert.deepEqual(sum(values), { a: 2n ** 64n + 5n, b: [3, 2n ** 64n + 5n] });
  for (const other of [{ kind: 'bool' }, { kind: 'enum', size: 4, values: [0, 1] }, { kind: 'pointer' }] as const) {
    const made = btfOf(other);
    const its = new BtfCodec(made.btf);
    assert.ok(!isSummable(its, its.whole(made.type)), other.kind);
  }
});

test('values that are all zero are recognised', () => {
  assert.ok(isNothing([0, { a: '', b: '0.0.0.0' }, false, '0x0']));
  assert.ok(!isNothing([0, { a: 'x' }]) && !isNothing('00:00:00:00:00:01'));
});
