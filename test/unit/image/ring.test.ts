/** The Maglev ring: shares, stability, and that it is the same everywhere. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { buildRing, hashBytes, quotas, type RingMember } from '../../../src/image/ring.js';

function member(index: number, weight = 1): RingMember {
  return { key: Uint8Array.of(10, 0, index >> 8, index & 0xff), weight };
}

function countSlots(ring: Uint16Array, members: number): number[] {
  const counts = new Array<number>(members).fill(0);
  for (const ordinal of ring) {
    counts[ordinal]! += 1;
  }
  return counts;
}

/** A power of two with at least `each` slots for each member. */
function slotsWith(each: number, members: number): number {
  return 2 ** Math.ceil(Math.log2(each * members));
}

const weightedMembers = fc
  .uniqueArray(fc.record({ index: fc.nat(5000), weight: fc.integer({ min: 1, max: 20 }) }), {
    minLength: 1,
    maxLength: 60,
    selector: ({ index }) => index,
  })
  .map((list) => list.map(({ index, weight }) => member(index, weight)));

test('every slot has a real server, and shares are exact to one slot', () => {
  fc.assert(
    fc.property(weightedMembers, (members) => {
      const slots = slotsWith(100, members.length);
      const sum = members.reduce((total, { weight }) => total + weight, 0);
      countSlots(buildRing(members, slots), members.length).forEach((count, i) => {
        const exact = (slots * members[i]!.weight) / sum;
        assert.ok(Math.abs(count - exact) < 1 || count === 1, `${count} slots instead of ${exact}`);
      });
    }),
    { numRuns: 60 },
  );
});

test('with 100 slots for each real server and equal weights, shares are within 1 % of each other', () => {
  for (const n of [2, 3, 7, 10, 100, 999]) {
    const slots = slotsWith(100, n);
    const ring = buildRing(
      Array.from({ length: n }, (_, i) => member(i)),
      slots,
    );
    for (const count of countSlots(ring, n)) {
      assert.ok(Math.abs(count / slots - 1 / n) <= 0.01 / n, `${n} members: ${count} of ${slots}`);
    }
  }
});

test('a weight too small for a slot still gets one', () => {
  const members = [member(1, 2 ** 31 - 1), member(2, 1), member(3, 1)];
  assert.deepEqual(countSlots(buildRing(members, 256), 3), [254, 1, 1]);
});

test('removing one of n real servers moves little more than its own slots', () => {
  // moved / own: 1 would be perfect. Maglev as published has 1.29, 1.80 and 2.34 here (docs/adr/0004).
  for (const [n, slots, limit] of [
    [10, 1024, 1.3],
    [32, 4096, 1.5],
    [100, 16_384, 1.8],
  ] as const) {
    const members = Array.from({ length: n }, (_, i) => member(i));
    const before = buildRing(members, slots);
    for (const removed of [0, 1, n >> 1, n - 1]) {
      const left = members.filter((_, i) => i !== removed);
      const after = buildRing(left, slots);
      const own = before.reduce((sum, ordinal) => sum + Number(ordinal === removed), 0);
      const moved = before.reduce((sum, ordinal, slot) => sum + Number(members[ordinal] !== left[after[slot]!]), 0);
      assert.ok(moved <= own * limit, `${n} members: ${moved} slots moved, ${own} of them its own`);
    }
  }
});

test('changing one weight moves few slots of the others', () => {
  const members = Array.from({ length: 10 }, (_, i) => member(i, 10));
  const before = buildRing(members, 4096);
  const after = buildRing(members.with(3, member(3, 20)), 4096);
  const moved = before.reduce((sum, ordinal, slot) => sum + Number(ordinal !== after[slot]), 0);
  // Its share grows from 1/10 to 2/11: 8.2 % of the slots must move.
  assert.ok(moved / 4096 < 0.1, `${moved} of 4096 slots moved`);
});

test('a ring depends only on keys and weights', () => {
  const members = [member(1, 3), member(2, 1), member(3, 2)];
  const copies = members.map(({ key, weight }) => ({ key: Uint8Array.from(key), weight }));
  assert.deepEqual(buildRing(members, 1024), buildRing(copies, 1024));
});

test('the same ring is built by every version and on every machine', () => {
  // Recorded once: a director and its standby may be of different versions.
  const ring = buildRing([member(1, 1), member(2, 2), member(3, 1)], 32);
  assert.equal(ring.join(''), '00111211020102012112112011102112');
});

test('a heavy real server among a thousand light ones does not slow the computation', () => {
  const members = Array.from({ length: 1000 }, (_, i) => member(i, i === 0 ? 1_000_000 : 1));
  const counts = countSlots(buildRing(members, 1 << 17), 1000);
  assert.equal(Math.min(...counts), 1);
  assert.equal(counts[0], (1 << 17) - 999);
});

test('sizes that a ring cannot have are refused', () => {
  assert.throws(() => buildRing([], 16), RangeError);
  assert.throws(() => buildRing([member(1), member(2), member(3)], 2), RangeError);
  assert.throws(() => buildRing([member(1)], 100), RangeError);
});

test('the sum of the quotas is the number of slots', () => {
  fc.assert(
    fc.property(weightedMembers, fc.constantFrom(64, 256, 1024), (members, slots) => {
      assert.equal(
        quotas(members, slots).reduce((sum, quota) => sum + quota, 0),
        slots,
      );
    }),
  );
});

test('keys are hashed by MurmurHash3', () => {
  // Test vectors of the 32-bit variant from its reference implementation.
  assert.equal(hashBytes(new Uint8Array(), 0), 0);
  assert.equal(hashBytes(new Uint8Array(), 1), 0x514e28b7);
  assert.equal(hashBytes(Uint8Array.of(0x21, 0x43, 0x65, 0x87), 0), 0xf55b516b);
  assert.equal(hashBytes(Uint8Array.of(0x21, 0x43, 0x65), 0), 0x7e4a8634);
});

test('the work is bounded by the numbers of slots and real servers, for any mixture of weights', () => {
  const members = (weights: number[]): RingMember[] =>
    weights.map((weight, i) => ({ key: Uint8Array.of(10, i >> 16, (i >> 8) & 255, i & 255), weight }));
  const weights = Array.from({ length: 20_000 }, (_, i) => (i === 0 ? 2 ** 31 - 1 : 1 + (i % 3)));
  // Without the bound this is minutes; the test then runs into its limit.
  const ring = buildRing(members(weights), 1 << 17);
  assert.equal(new Set(ring).size, 20_000);
});
