/** BTF: names, sizes, offsets, bit fields, enums, sections. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Btf } from '../../src/libbpf/index.js';
import { BINDING_OBJECT, loadBinding } from '../support/objects.js';

test("a struct's members have offsets and bit fields", () => {
  const { size, members } = Btf.parse(BINDING_OBJECT).struct('point');
  assert.equal(size, 8);
  assert.deepEqual(
    members.map(({ name, bitOffset, bitSize }) => [name, bitOffset, bitSize]),
    [
      ['x', 0, 0],
      ['y', 32, 0],
      ['flags', 48, 3],
      ['rest', 51, 5],
    ],
  );
});

test('typedefs and const resolve to their type', () => {
  const btf = Btf.parse(BINDING_OBJECT);
  const [x, y] = btf.struct('point').members;
  assert.deepEqual([btf.type(x!.type).kind, btf.type(x!.type).name], ['typedef', '__u32']);
  assert.equal(btf.sizeOf(x!.type), 4);
  const short = btf.resolve(y!.type);
  assert.ok(short.kind === 'int' && short.signed && short.bits === 16);
});

test('enums and variables are read', () => {
  const btf = Btf.parse(BINDING_OBJECT);
  assert.deepEqual(btf.enum('color').values, [
    { name: 'COLOR_RED', value: 0 },
    { name: 'COLOR_GREEN', value: 7 },
  ]);
  const sections = btf.types.filter(({ kind }) => kind === 'section').map(({ name }) => name);
  assert.ok(sections.includes('.rodata') && sections.includes('.maps'), sections.join());
});

test('unknown names are refused', () => {
  const btf = Btf.parse(BINDING_OBJECT);
  assert.throws(() => btf.struct('nothing'), { name: 'RangeError', message: /no struct "nothing"/ });
  assert.throws(() => btf.type(100_000), { name: 'RangeError' });
  assert.throws(() => btf.sizeOf(0), { name: 'RangeError', message: /has no size/ });
});

test('the kernel returns the types of a loaded map', () => {
  using map = loadBinding().map('points');
  const value = Btf.byId(map.info.btfId).type(map.info.btfValueTypeId);
  assert.deepEqual([value.kind, value.name], ['struct', 'point']);
});

test("the kernel's types are read too", () => {
  const btf = Btf.parse('/sys/kernel/btf/vmlinux');
  assert.ok(btf.types.length > 10_000);
  assert.ok(btf.struct('task_struct').size > 1000);
});

test('bytes without types are refused', () => {
  assert.throws(() => Btf.parse(new Uint8Array(64)), { name: 'KernelError', call: 'btf__parse' });
});
