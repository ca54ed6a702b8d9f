/** Opening and loading BPF objects. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { BpfObject, Btf, KernelError } from '../../src/libbpf/index.js';
import { BINDING_OBJECT, loadBinding, REFUSED_OBJECT, u32 } from '../support/objects.js';

test('an object has its maps and programs before it is loaded', () => {
  using object = new BpfObject(BINDING_OBJECT);
  assert.deepEqual([...object.programs.keys()], ['constant', 'origin', 'report', 'table_entry']);
  assert.ok(object.maps.has('points') && object.maps.has('events'));
  assert.deepEqual(
    [object.map('points').info.type, object.map('points').info.maxEntries, object.map('points').info.id],
    ['hash', 4096, 0],
  );
  assert.throws(() => object.map('point'), { name: 'RangeError', message: /no map "point" among .*points/ });
  assert.throws(() => object.program('none'), { name: 'RangeError', message: /no program "none" among constant, / });
});

test("bytes that are not an object are refused with libbpf's reason", () => {
  assert.throws(
    () => new BpfObject(new Uint8Array(100), 'noise'),
    (error: unknown) => {
      assert.ok(error instanceof KernelError);
      assert.equal(error.call, 'bpf_object__open_mem');
      assert.equal(error.object, 'noise');
      assert.match(error.message, /noise.*not a proper ELF object/);
      return true;
    },
  );
  assert.throws(() => new BpfObject(new Uint8Array(), 'empty'), { name: 'KernelError' });
  assert.throws(() => new BpfObject(readFileSync(BINDING_OBJECT).subarray(0, 2000), 'cut'), { name: 'KernelError' });
});

test('a missing file is an error of Node.js', () => {
  assert.throws(() => new BpfObject('/nonexistent.bpf.o'), { code: 'ENOENT' });
});

test('when the verifier refuses, the error has its log, and its last line in the message', () => {
  using object = new BpfObject(REFUSED_OBJECT);
  assert.throws(
    () => {
      object.load();
    },
    (error: unknown) => {
      assert.ok(error instanceof KernelError);
      assert.equal(error.code, 'EACCES');
      assert.equal(error.errno, 13);
      assert.equal(error.call, 'bpf_object__load');
      assert.match(error.message, /R\d offset is outside of the packet/);
      assert.match(error.log, /invalid access to packet/);
      assert.match(error.log, /processed \d+ insns/);
      return true;
    },
  );
});

test('loading in another thread does the same, and meanwhile the object is closed to others', async () => {
  using object = new BpfObject(BINDING_OBJECT);
  const loading = object.loadAsync();
  assert.throws(
    () => {
      object.map('points').setMaxEntries(5);
    },
    { code: 'CLOSED' },
  );
  assert.throws(() => object.loadAsync(), { code: 'CLOSED' });
  await loading;
  assert.notEqual(object.map('points').info.id, 0);
  assert.equal(typeof object.program('constant').run({ data: new Uint8Array(60) }).returnValue, 'number');
});

test("the verifier's log is kept when loading in another thread too", async () => {
  using object = new BpfObject(REFUSED_OBJECT);
  await assert.rejects(object.loadAsync(), (error: unknown) => {
    assert.ok(error instanceof KernelError);
    assert.equal(error.code, 'EACCES');
    assert.match(error.log, /invalid access to packet/);
    return true;
  });
});

test('an object that is closed while it is being loaded is closed after that', async () => {
  const object = new BpfObject(BINDING_OBJECT);
  const loading = object.loadAsync();
  object.close();
  await assert.rejects(loading, { code: 'CLOSED' });
});

test('constants are set before loading', () => {
  using object = loadBinding((unloaded) => {
    unloaded.section('.rodata').setInitialValue(u32(42));
  });
  assert.equal(object.program('constant').run({ data: new Uint8Array(60) }).returnValue, 42);
});

test('a map with a new value size keeps its type information, fitted to the size', () => {
  using object = loadBinding((unloaded) => {
    unloaded.map('resizable').setValueSize(8 + 5 * 8);
  });
  const { valueSize, btfId, btfValueTypeId } = object.map('resizable').info;
  assert.equal(valueSize, 48);
  const btf = Btf.byId(btfId);
  const table = btf.type(btfValueTypeId);
  assert.ok(table.kind === 'struct');
  const entries = btf.type(table.members[1]!.type);
  assert.ok(entries.kind === 'array' && entries.length === 5);
});

test('maps cannot be configured after they are created', () => {
  using object = loadBinding();
  const map = object.map('resizable');
  for (const configure of [
    () => {
      map.setValueSize(80);
    },
    () => {
      map.setMaxEntries(3);
    },
    () => {
      map.setAutocreate(false);
    },
    () => {
      map.reuse(object.map('numbers'));
    },
  ]) {
    assert.throws(configure, { name: 'KernelError', code: 'EBUSY' });
  }
});

test('a program without autoload is not loaded', () => {
  using object = loadBinding((unloaded) => {
    unloaded.program('report').setAutoload(false);
  });
  assert.throws(() => object.program('report').info, { code: 'CLOSED' });
  assert.ok(object.program('constant').info.id > 0);
});

test('the maps and programs of a closed object stay open', () => {
  const object = loadBinding();
  const map = object.map('numbers');
  const program = object.program('origin');
  object.close();
  object.close();
  assert.throws(
    () => {
      object.load();
    },
    { code: 'CLOSED' },
  );
  program.run({ data: new Uint8Array(60) });
  assert.ok(map.lookup(u32(1))![0]! > 0);
});

test('maps and programs of an object that was closed before load are closed', () => {
  const object = new BpfObject(BINDING_OBJECT);
  const map = object.map('numbers');
  object.close();
  assert.throws(
    () => {
      map.setMaxEntries(5);
    },
    { code: 'CLOSED' },
  );
  assert.throws(() => map.lookup(u32(0)), { code: 'CLOSED' });
  assert.throws(() => object.program('origin').info, { code: 'CLOSED' });
});
