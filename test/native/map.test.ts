/** Maps read and written: entry by entry, in batches, and through memory. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { BpfMap, BpfObject, BpfProgram, UpdateMode } from '../../src/libbpf/index.js';
import { possibleCpus } from '../../src/native/index.js';
import { loadBinding, u32, u64 } from '../support/objects.js';

const point = (x: number): Uint8Array => u32(x, 0);

test('an entry is written, read, deleted', () => {
  using map = loadBinding().map('points');
  assert.equal(map.lookup(u32(1)), undefined);
  map.update(u32(1), point(11));
  assert.deepEqual(Buffer.compare(map.lookup(u32(1))!, point(11)), 0);
  assert.equal(map.delete(u32(1)), true);
  assert.equal(map.delete(u32(1)), false);
});

test('update can require a new key, or an existing one', () => {
  using map = loadBinding().map('points');
  assert.throws(
    () => {
      map.update(u32(1), point(1), UpdateMode.onlyExisting);
    },
    { code: 'ENOENT' },
  );
  map.update(u32(1), point(1), UpdateMode.onlyNew);
  assert.throws(
    () => {
      map.update(u32(1), point(2), UpdateMode.onlyNew);
    },
    { code: 'EEXIST' },
  );
  map.update(u32(1), point(2), UpdateMode.onlyExisting);
});

test('keys and values of a wrong size are refused before the kernel reads them', () => {
  using map = loadBinding().map('points');
  assert.throws(() => map.lookup(new Uint8Array(3)), { name: 'RangeError', message: /key has 3 bytes, must have 4/ });
  assert.throws(
    () => {
      map.update(u32(1), new Uint8Array(9));
    },
    { name: 'RangeError', message: /9 bytes, must have 8/ },
  );
  assert.throws(() => map.lookup('key' as unknown as Uint8Array), { name: 'TypeError' });
  assert.throws(() => map.lookup(new Uint16Array(2) as unknown as Uint8Array), { name: 'TypeError' });
});

test('a full map throws E2BIG', () => {
  using map = loadBinding((object) => {
    object.map('points').setMaxEntries(1);
  }).map('points');
  map.update(u32(1), point(1));
  assert.throws(
    () => {
      map.update(u32(2), point(2));
    },
    { name: 'KernelError', code: 'E2BIG', object: 'points' },
  );
});

test('all entries are found, one by one and in batches', () => {
  using map = loadBinding().map('points');
  const count = 1000;
  const keys = u32(...Array.from({ length: count }, (_, i) => i));
  const values = u32(...Array.from({ length: count }, (_, i) => [i * 10, 0]).flat());
  assert.equal(map.updateBatch(count, keys, values), count);

  const single = new Map([...map.entries()].map(([key, value]) => [Buffer.from(key).readUInt32LE(), value[0]]));
  assert.equal(single.size, count);

  const found = new Map<number, number>();
  for (const batch of map.batches(300)) {
    const view = new DataView(batch.values.buffer, batch.values.byteOffset);
    for (let i = 0; i < batch.count; i += 1) {
      found.set(Buffer.from(batch.keys).readUInt32LE(i * 4), view.getUint32(i * 8, true));
    }
  }
  assert.equal(found.size, count);
  assert.equal(found.get(999), 9990);

  assert.equal(map.deleteBatch(count, keys), count);
  assert.deepEqual([...map.keys()], []);
});

test('a batch with too few bytes is refused', () => {
  using map = loadBinding().map('points');
  assert.throws(() => map.updateBatch(2, u32(1), point(1)), { name: 'RangeError' });
});

test('a per-CPU map has a value for each CPU', () => {
  using map = loadBinding().map('per_cpu');
  assert.equal(map.info.valueBytes, possibleCpus() * 8);
  const values = new Uint8Array(map.info.valueBytes).fill(1);
  map.update(u32(0), values);
  assert.equal(map.lookup(u32(0))!.length, values.length);
});

test('memory and system calls access the same map', () => {
  using map = loadBinding().map('numbers');
  using memory = map.mmap('write');
  assert.equal(memory.byteLength, 32);
  memory.write(8, u64(7n));
  assert.deepEqual(Buffer.compare(map.lookup(u32(1))!, u64(7n)), 0);
  map.update(u32(2), u64(9n));
  assert.equal(memory.read(16, new Uint8Array(8))[0], 9);
  memory.zero(0, 32);
  assert.deepEqual([...memory.read(0, new Uint8Array(32))], new Array(32).fill(0));
  memory.store32(4, 0xffffffff);
  assert.equal(memory.load32(4), 0xffffffff);
});

test('memory past the end is not touched', () => {
  using memory = loadBinding().map('numbers').mmap('write');
  for (const beyond of [
    () => {
      memory.write(25, u64(1n));
    },
    () => {
      memory.write(33, new Uint8Array());
    },
    () => {
      memory.write(-1, u64(1n));
    },
    () => memory.read(32, new Uint8Array(1)),
    () => {
      memory.zero(0, 33);
    },
    () => memory.load32(32),
    () => memory.load32(2),
    () => {
      memory.store32(0, 2 ** 32);
    },
    () => {
      memory.write(2 ** 53, u64(1n));
    },
  ]) {
    assert.throws(beyond, { name: 'RangeError' });
  }
  assert.throws(() => memory.load32(0.5), { name: 'TypeError' });
  assert.throws(() => memory.load32(NaN), { name: 'TypeError' });
});

test('memory that is mapped for reading cannot be written, and the process lives', () => {
  using memory = loadBinding().map('numbers').mmap('read');
  assert.throws(
    () => {
      memory.write(0, u64(1n));
    },
    { code: 'EACCES' },
  );
  assert.throws(
    () => {
      memory.store32(0, 1);
    },
    { code: 'EACCES' },
  );
  assert.throws(
    () => {
      memory.zero(0, 8);
    },
    { code: 'EACCES' },
  );
  memory.read(0, new Uint8Array(8));
});

test('a mapping stays usable after its map is closed, until it is closed', () => {
  const map = loadBinding().map('numbers');
  const memory = map.mmap('write');
  map.close();
  memory.store32(0, 5);
  assert.equal(memory.load32(0), 5);
  memory.close();
  memory.close();
  assert.equal(memory.byteLength, 0);
  assert.throws(() => memory.load32(0), { code: 'CLOSED' });
  assert.throws(() => memory.read(0, new Uint8Array(1)), { code: 'CLOSED' });
});

test('only arrays with BPF_F_MMAPABLE can be mapped', () => {
  const object = loadBinding();
  assert.throws(() => object.map('points').mmap('read'), { code: 'EOPNOTSUPP' });
  assert.throws(() => object.map('per_cpu').mmap('read'), { code: 'EOPNOTSUPP' });
});

test('a closed map refuses calls', () => {
  const map = loadBinding().map('points');
  map.close();
  map.close();
  for (const use of [
    () => map.lookup(u32(1)),
    () => {
      map.update(u32(1), point(1));
    },
    () => map.delete(u32(1)),
    () => [...map.keys()],
    () => [...map.batches()],
    () => map.mmap('read'),
    () => {
      map.pin('/sys/fs/bpf/x');
    },
    () => map.info,
  ]) {
    assert.throws(use, { name: 'KernelError', code: 'CLOSED' });
  }
});

test('another object can use the same map', () => {
  using first = loadBinding().map('numbers');
  const object = loadBinding((unloaded) => {
    unloaded.map('numbers').reuse(first);
  });
  assert.equal(object.map('numbers').info.id, first.info.id);
  object.program('origin').run({ data: new Uint8Array(60) });
  assert.equal(first.lookup(u32(1))![0], 1);
});

test('a map is found by its id', () => {
  using map = loadBinding().map('points');
  using same = BpfMap.openById(map.info.id);
  map.update(u32(3), point(3));
  assert.ok(same.lookup(u32(3)));
  assert.equal(same.info.name, 'points');
  assert.throws(() => BpfMap.openById(2 ** 31), { code: 'ENOENT' });
});

test('only programs can write to a frozen map', () => {
  const object = loadBinding();
  const map = object.map('points');
  map.freeze();
  assert.throws(
    () => {
      map.update(u32(1), point(1));
    },
    { code: 'EPERM' },
  );
});

test('the ids of all maps and programs can be listed', () => {
  const object = loadBinding();
  assert.ok([...BpfMap.ids()].includes(object.map('points').info.id));
  assert.ok([...BpfProgram.ids()].includes(object.program('origin').info.id));
});

test('properties that only /proc has are read: memory, and whether a map is frozen', () => {
  using map = loadBinding().map('numbers');
  assert.equal(map.state.frozen, false);
  assert.ok(map.state.memory! > 0);
  map.freeze();
  assert.equal(map.state.frozen, true);
  map.close();
  assert.throws(() => map.state, { code: 'CLOSED' });
});

test('queues and stacks have no keys', () => {
  using object = new BpfObject('dist/test/bpf/maps.bpf.o');
  object.load();
  for (const [name, order] of [
    ['line', [5, 6]],
    ['pile', [6, 5]],
  ] as const) {
    const map = object.map(name);
    const none = new Uint8Array();
    const value = (first: number): Uint8Array => u32(first, 0).subarray(0, map.info.valueSize);
    assert.equal(map.lookup(none), undefined);
    assert.equal(map.take(none), undefined);
    map.update(none, value(5));
    map.update(none, value(6));
    assert.equal(map.lookup(none)![0], order[0], 'it stays');
    assert.deepEqual([map.take(none)![0], map.take(none)![0], map.take(none)], [...order, undefined]);
  }
});

test('a bucket with more entries than a batch is read completely', () => {
  using map = loadBinding((object) => {
    object.map('points').setMaxEntries(64);
  }).map('points');
  const count = 64;
  map.updateBatch(count, u32(...Array.from({ length: count }, (_, i) => i)), new Uint8Array(count * 8));
  const found = [...map.batches(1)].flatMap((batch) => [...new Uint32Array(new Uint8Array(batch.keys).buffer)]);
  assert.deepEqual(
    found.sort((a, b) => a - b),
    Array.from({ length: count }, (_, i) => i),
  );
});
