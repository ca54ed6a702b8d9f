/** Early fragments are kept for a second, within bounds, and go out in order after their first one. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { type KeptFragment, KeptFragments, lookAfter, pauseAfter } from '../../../src/dataplane/fragments/kept.js';
import { laterFragment } from '../../../src/dataplane/fragments/later.js';

function fragment(offset: number, bytes = 100, mark = offset): KeptFragment {
  return { ifindex: 3, frame: new Uint8Array(bytes).fill(mark), offset };
}

const offsets = (fragments: readonly KeptFragment[]): number[] => fragments.map(({ offset }) => offset);

test('fragments go out in the order of their bytes when their first one has come, and not before', () => {
  const kept = new KeptFragments<string>();
  for (const offset of [3, 1, 2]) {
    kept.add('a', 'a', fragment(offset), 0);
  }
  kept.add('b', 'b', fragment(9), 0);
  assert.deepEqual(
    kept.take(0, () => false),
    [],
  );
  assert.deepEqual(offsets(kept.take(100, (packet) => packet === 'a')), [1, 2, 3]);
  assert.deepEqual(
    kept.take(900, (packet) => packet === 'a'),
    [],
  );
  // It was not there at 900 ms, and is looked for again when the packet waited twice as long.
  assert.deepEqual(offsets(kept.take(1800, () => true)), [9]);
});

test('a fragment that the program gave back is not sent again and again, and a second copy is sent once', () => {
  const kept = new KeptFragments<string>();
  kept.add('a', 'a', fragment(1), 0);
  kept.add('a', 'a', fragment(1), 0);
  assert.deepEqual(offsets(kept.take(0, () => true)), [1]);
  kept.add('a', 'a', fragment(1), 1);
  assert.deepEqual(
    kept.take(1, () => true),
    [],
  );
  kept.add('a', 'a', fragment(2), 1);
  assert.deepEqual(offsets(kept.take(1, () => true)), [2]);
});

test('after a second a fragment is forgotten, and nothing of it is counted any more', () => {
  const kept = new KeptFragments<string>();
  kept.add('a', 'a', fragment(1), 0);
  kept.add('b', 'b', fragment(1), 500);
  kept.expire(999);
  assert.equal(kept.fragments, 2);
  kept.expire(1000);
  assert.deepEqual([kept.fragments, kept.bytes], [1, 100]);
  kept.expire(1500);
  assert.deepEqual([kept.fragments, kept.bytes, kept.isIdle], [0, 0, true]);
});

test('a flood of one size or another takes the oldest place, and the newest are kept', () => {
  for (const [bytes, most] of [
    [60, 4096],
    [1514, 1385],
    [9000, 233],
  ] as const) {
    const kept = new KeptFragments<string>();
    for (let i = 0; i < 10_000; i += 1) {
      kept.add(String(i), String(i), fragment(i, bytes), 0);
    }
    assert.equal(kept.fragments, most);
    assert.equal(kept.bytes, most * bytes);
    const sent = offsets(kept.take(0, (packet) => Number(packet) >= 9_990));
    assert.deepEqual(sent, [9990, 9991, 9992, 9993, 9994, 9995, 9996, 9997, 9998, 9999]);
  }
});

test('a flood of fragments of one packet is bounded too', () => {
  const kept = new KeptFragments<string>();
  for (let i = 0; i < 300; i += 1) {
    kept.add('a', 'a', fragment(i, 9000, i % 256), 0);
  }
  assert.ok(kept.bytes <= 2 ** 21);
});

test('of a packet no more is kept than fragments of 64 KB, so that a flood of one packet does not keep the daemon busy', () => {
  const kept = new KeptFragments<string>();
  for (let i = 0; i < 10_000; i += 1) {
    kept.add('a', 'a', { ifindex: 3, frame: Buffer.from(`fragment ${i}`), offset: i % 8000 }, 0);
    kept.add('b', 'b', fragment(i % 100, 552), 0);
    if (i === 100) {
      // Those that were sent count too: more of them may come.
      assert.equal(kept.take(0, (packet) => packet === 'a').length, 101);
    }
  }
  assert.equal(kept.fragments, 128 + 100);
});

test("a flood has a fifth of the daemon's time at most, and single fragments wait for nothing", () => {
  assert.deepEqual(
    [1, 255, 256, 1024].map((records) => pauseAfter(records, 1)),
    [0, 0, 20, 20],
  );
  assert.equal(pauseAfter(1024, 30), 120);
  assert.deepEqual([0, 0.1, 5].map(lookAfter), [2, 2, 20]);
});

test('a frame that ends within its headers is no fragment, and no error', () => {
  const frame = new Uint8Array(62);
  frame.set([0x86, 0xdd, 0x60], 12);
  frame[20] = 44;
  assert.equal(laterFragment(frame)?.family, 6);
  for (let bytes = 14; bytes < 58; bytes += 1) {
    assert.equal(laterFragment(frame.subarray(0, bytes)), undefined, String(bytes));
  }
});
