/** IPVS's tables of hashes and sequences: what the kernel was recorded choosing, and what its algorithms say. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { compile } from '../../../src/image/compile.js';
import {
  buildMhTable,
  buildShTable,
  dhIndex,
  foldAddress,
  greatestCommonDivisor,
  MH_SLOTS,
  type MhMember,
  mhSlot,
  SH_SLOTS,
  shSlot,
  sipHash13,
} from '../../../src/image/ipvs-hash.js';
import { MAX_SEQUENCE, wrrSequence } from '../../../src/image/sequence.js';
import { ip, ipBytes } from '../../../src/model/index.js';
import { type Load, schedule } from '../../../src/oracle/index.js';
import { recordedPlacements, recordedServices } from '../../support/ipvs-golden.js';
import { worldOf } from '../../support/models.js';

const IDLE: Load = { active: 0, inactive: 0, overloaded: false, member: 0 };

function countEach(table: Uint16Array, members: number): number[] {
  const counts = new Array<number>(members).fill(0);
  for (const index of table) {
    counts[index]! += 1;
  }
  return counts;
}

function divisorOf(weights: readonly number[]): number {
  return weights.reduce(greatestCommonDivisor, 0);
}

function mhMembers(weights: readonly number[]): MhMember[] {
  return weights.map((weight, i) => ({ address: 0x0a63_000b + i, port: 80, weight }));
}

test('sh and mh choose the real server that the kernel chose, in every recorded placement', () => {
  const services = recordedServices();
  const image = compile({ services }, worldOf(services));
  const placements = recordedPlacements();
  const used = new Set<string>();
  for (const { vip, port, client, server } of placements) {
    const { service, ring, destinations } = image.services.find(
      (each) => 'address' in each.service && each.service.address === vip && each.service.port === port,
    )!;
    const index = schedule(
      {
        scheduler: service.scheduler,
        flags: service.flags ?? [],
        ring,
        weights: destinations.map(({ weight }) => weight),
        reachable: destinations.map(() => true),
      },
      { address: ipBytes(client.address), port: client.port },
      () => IDLE,
      { count: 0n, cached: undefined },
      () => undefined,
    );
    assert.equal(destinations[index!]?.address, server, `${client.address}:${client.port} to ${port}`);
    used.add(`${service.scheduler} ${service.flags?.join() ?? ''} ${destinations.map(({ weight }) => weight).join()}`);
  }
  // Lest files that were cut short, or read wrongly, pass for agreement.
  assert.equal(placements.length, 1498);
  assert.deepEqual([...used].sort(), ['mh  1,1', 'mh  1,3', 'mh mh-port 1,1', 'sh  1,1', 'sh  1,3', 'sh sh-port 1,1']);
});

test('sh: each destination fills as many slots in a row as its weight, and a drained one has one empty slot', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40), { minLength: 1, maxLength: 20 }), (weights) => {
      const expected: number[] = [];
      while (expected.length < SH_SLOTS) {
        weights.forEach((weight, i) => {
          expected.push(...new Array<number>(Math.max(1, weight)).fill(i));
        });
      }
      assert.deepEqual([...buildShTable(weights)], expected.slice(0, SH_SLOTS));
    }),
  );
});

test('sh: a weight above the number of slots fills the table, and later destinations get no slot', () => {
  assert.deepEqual(countEach(buildShTable([1, 2 ** 31 - 1, 1]), 3), [1, 255, 0]);
});

test('every hash falls on a slot, also the largest', () => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), (word) => {
      assert.ok(Number.isInteger(shSlot(word)) && shSlot(word) >= 0 && shSlot(word) < SH_SLOTS);
      assert.ok(Number.isInteger(mhSlot(word)) && mhSlot(word) >= 0 && mhSlot(word) < MH_SLOTS);
      // By ipvs.md, in numbers that do not overflow.
      assert.equal(shSlot(word), Number(((BigInt(word) * 0x61c8_8647n) % (1n << 32n)) >> 24n));
    }),
  );
});

test('mh: every slot leads to a real server that takes flows, whatever the weights', () => {
  const anyWeights = fc
    .array(fc.oneof(fc.nat(4), fc.nat(200), fc.nat(2 ** 31 - 1)), { minLength: 1, maxLength: 30 })
    .filter((weights) => weights.some((weight) => weight > 0));
  fc.assert(
    fc.property(anyWeights, (weights) => {
      const table = buildMhTable(mhMembers(weights))!;
      const counts = countEach(table, weights.length);
      assert.equal(table.length, MH_SLOTS);
      weights.forEach((weight, i) => {
        assert.equal(counts[i]! > 0, weight > 0, `weight ${weight}: ${counts[i]!} slots`);
      });
    }),
    { numRuns: 50 },
  );
});

test('mh: real servers take turns by weight, so shares are exact to one round', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 63 }), { minLength: 1, maxLength: 20 }), (weights) => {
      const divisor = divisorOf(weights);
      const round = weights.reduce((sum, weight) => sum + weight / divisor, 0);
      countEach(buildMhTable(mhMembers(weights))!, weights.length).forEach((count, i) => {
        const turns = weights[i]! / divisor;
        const whole = Math.floor(MH_SLOTS / round) * turns;
        assert.ok(count >= whole && count <= whole + turns, `${count} slots for ${turns} of ${round} turns`);
      });
    }),
    { numRuns: 50 },
  );
});

test('mh: weights above 63 times their divisor lose precision, as in IPVS', () => {
  const table = (...weights: number[]): string => buildMhTable(mhMembers(weights))!.join();
  // 63 still has its six bits; 64 loses one, and with it 1, 2 and 3 become the same.
  assert.notEqual(table(63, 2), table(63, 1));
  assert.equal(table(64, 3), table(32, 1));
  assert.equal(table(64, 2), table(64, 3));
  assert.equal(table(127, 2), table(63, 1));
  assert.equal(table(128, 1), table(32, 1));
  // A common divisor costs nothing.
  assert.equal(table(6300, 200), table(63, 2));
  // 2^31-1 has 31 bits: 25 go. A weight of 2^25 is then 1, and so is one of 1.
  assert.equal(table(2 ** 31 - 1, 1), table(63, 1));
  assert.equal(table(2 ** 31 - 1, 2 ** 26), table(63, 2));
});

test("mh: without weights there is no table, and a drained real server does not change the others' slots", () => {
  assert.equal(buildMhTable(mhMembers([0, 0])), undefined);
  assert.equal(buildMhTable([]), undefined);
  const [one, two, three] = mhMembers([2, 0, 1]);
  const withoutTwo = buildMhTable([one!, three!])!.map((index) => (index === 0 ? 0 : 2));
  assert.deepEqual(buildMhTable([one!, two!, three!]), withoutTwo);
});

test('SipHash-1-3 of a word matches the reference', () => {
  // CPython's hash of these bytes under PYTHONHASHSEED=0, which is the key 0, 0; the lower half.
  const reference: [bytes: number[], lower: number][] = [
    [[0, 0, 0, 0], 2_596_571_888],
    [[1, 2, 3, 4], 906_734_036],
    [[255, 255, 255, 255], 1_959_450_338],
  ];
  for (const [[a, b, c, d], lower] of reference) {
    const word = (a! | (b! << 8) | (c! << 16) | (d! << 24)) >>> 0;
    assert.equal(sipHash13(word, 0n), lower);
  }
});

test('addresses are folded as IPVS folds them: IPv4 in network order, the words of IPv6 XORed', () => {
  assert.equal(foldAddress(ipBytes(ip('10.99.0.1'))), 0x0a63_0001);
  assert.equal(foldAddress(ipBytes(ip('255.255.255.255'))), 0xffff_ffff);
  assert.equal(foldAddress(ipBytes(ip('fd99::1'))), 0xfd99_0001);
  assert.equal(
    foldAddress(ipBytes(ip('2001:db8:1:2:3:4:5:6'))),
    (0x2001_0db8 ^ 0x0001_0002 ^ 0x0003_0004 ^ 0x0005_0006) >>> 0,
  );
});

test('dh: the buckets of virtual addresses go to the destinations in turn', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.integer({ min: 1, max: 300 }), (vip, count) => {
      // As ip_vs_dh_reassign fills its 256 buckets.
      const buckets = Array.from({ length: 256 }, (_, i) => i % count);
      assert.equal(dhIndex(vip, count), buckets[shSlot(foldAddress(vip))]);
    }),
  );
});

/**
 * net/netfilter/ipvs/ip_vs_wrr.c step by step, with its own names: `cl` the place in the list, `cw` the weight asked for,
 * `mw` the highest, `di` by how much it falls. Destinations are added one by one, to the list's head.
 */
class KernelWrr {
  readonly #list: number[] = [];
  #cl = -1;
  #cw = 0;
  #mw = 0;
  #di = 1;

  add(weight: number): void {
    this.#list.unshift(weight);
    this.#cl = -1;
    this.#di = divisorOf(this.#list) || 1;
    this.#mw = Math.max(...this.#list) - (this.#di - 1);
    if (this.#cw > this.#mw || this.#cw === 0) {
      this.#cw = this.#mw;
    } else if (this.#di > 1) {
      this.#cw = Math.floor(this.#cw / this.#di) * this.#di + 1;
    }
  }

  schedule(): number {
    for (;;) {
      for (this.#cl += 1; this.#cl < this.#list.length; this.#cl += 1) {
        if (this.#list[this.#cl]! >= this.#cw) {
          return this.#cl;
        }
      }
      this.#cl = -1;
      this.#cw -= this.#di;
      if (this.#cw <= 0) {
        this.#cw = this.#mw;
      }
    }
  }
}

/** As many picks as asked for, of real servers named in the order of adding. */
function wrrPicks(added: readonly (readonly [name: number, weight: number])[], count: number): string {
  const list = added.toReversed();
  const sequence = wrrSequence(list.map(([, weight]) => weight));
  return Array.from({ length: count }, (_, i) => list[sequence[i % sequence.length]!]![0]).join(' ');
}

test('wrr takes turns as recorded from IPVS', () => {
  const three = wrrPicks(
    [
      [31, 3],
      [32, 1],
    ],
    8,
  );
  assert.equal(three, '32 31 31 31 32 31 31 31');
  const five = wrrPicks(
    [
      [31, 5],
      [32, 3],
      [33, 2],
    ],
    20,
  );
  assert.equal(five, '33 32 31 31 31 32 31 33 32 31 33 32 31 31 31 32 31 33 32 31');
});

test("wrr picks, flow by flow, what the kernel's algorithm picks", () => {
  const anyWeights = fc
    .array(fc.oneof(fc.nat(6), fc.nat(60), fc.constantFrom(0, 10, 20, 50, 100)), { minLength: 1, maxLength: 8 })
    .filter((weights) => weights.some((weight) => weight > 0));
  fc.assert(
    fc.property(anyWeights, (weights) => {
      const kernel = new KernelWrr();
      weights.toReversed().forEach((weight) => {
        kernel.add(weight);
      });
      const sequence = wrrSequence(weights);
      // Twice, so that it is seen to repeat.
      for (let i = 0; i < sequence.length * 2; i += 1) {
        assert.equal(sequence[i % sequence.length], kernel.schedule(), `pick ${i} of ${weights.join()}`);
      }
    }),
    { numRuns: 300 },
  );
});

test('wrr: in each period every destination is picked as often as its weight', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 30 }), (weights) => {
      const divisor = divisorOf(weights);
      assert.deepEqual(
        countEach(wrrSequence(weights), weights.length),
        weights.map((weight) => weight / divisor),
      );
    }),
  );
});

test('wrr: no destination is picked while all are drained', () => {
  assert.equal(wrrSequence([]).length, 0);
  assert.equal(wrrSequence([0, 0, 0]).length, 0);
  assert.deepEqual([...wrrSequence([0, 1, 0])], [1]);
});

test('wrr: a pattern that would be too long is replaced by a shorter one of nearly the same shares', () => {
  const anyWeights = fc.array(fc.integer({ min: 1, max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(anyWeights, (weights) => {
      const sequence = wrrSequence(weights);
      const sum = weights.reduce((total, weight) => total + weight, 0);
      assert.ok(sequence.length > 0 && sequence.length <= MAX_SEQUENCE);
      countEach(sequence, weights.length).forEach((count, i) => {
        const [share, wanted] = [count / sequence.length, weights[i]! / sum];
        assert.ok(count > 0 && Math.abs(share - wanted) < 0.002, `${share} instead of ${wanted}`);
      });
    }),
    { numRuns: 30 },
  );
});

test('wrr: one heavy destination among thousands of light ones does not slow the computation', () => {
  const began = performance.now();
  const sequence = wrrSequence(Array.from({ length: 20_000 }, (_, i) => (i === 0 ? 2 ** 31 - 1 : 1)));
  assert.equal(new Set(sequence).size, 20_000);
  // The program's publication waits for it; the work need be no more than the picks are.
  assert.ok(performance.now() - began < 1000, `${Math.round(performance.now() - began)} ms`);
});
