/** The hash of flows: no set of keys collides more often than under a random function, whatever pattern it has. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { FLOW_WAYS } from '../../../src/image/index.js';
import { flowHash, secondFlowHash } from '../../../src/oracle/hash.js';
import { crowdBound, drawSecret, keyBytes, keySets, SET_SIZE } from '../../support/flow-keys.js';

/** A power of two, and a number that is none. A secret for each. */
const BUCKETS = [8192, 5000];

/** entry_index() of bpf/flow_lookup.h. */
function bucketOf(hash: bigint, buckets: number): number {
  return Number(((hash >> 32n) * BigInt(buckets)) >> 32n);
}

/** Returns how many of the values are the same one. */
function crowd(values: readonly (number | bigint)[]): number {
  const counts = new Map<number | bigint, number>();
  let most = 0;
  for (const value of values) {
    const count = (counts.get(value) ?? 0) + 1;
    counts.set(value, count);
    most = Math.max(most, count);
  }
  return most;
}

for (const family of [4, 6] as const) {
  test(`no network's IPv${family} flows crowd in few buckets, and none share both of theirs, whatever the secret`, () => {
    for (const { name, keys } of keySets(family)) {
      const words = keys.map(keyBytes);
      for (const buckets of BUCKETS) {
        const secret = drawSecret();
        const hashes = words.map((key) => flowHash(key, secret));
        assert.equal(crowd(hashes), 1, `${name}: equal hashes`);
        const first = hashes.map((hash) => bucketOf(hash, buckets));
        const second = hashes.map((hash) => bucketOf(secondFlowHash(hash), buckets));
        const assertSpread = (values: readonly number[], bins: number, what: string): void => {
          const most = crowd(values);
          assert.ok(most < crowdBound(SET_SIZE, bins), `${name}: ${most} in one ${what} of ${bins}, ${secret.join()}`);
        };
        assertSpread(first, buckets, 'first bucket');
        assertSpread(second, buckets, 'second bucket');
        // Those who share their first bucket have different second ones.
        const pairs = first.map((bucket, key) => bucket * buckets + second[key]!);
        assertSpread(pairs, buckets * buckets, 'pair of buckets');
        // preferred_way().
        const ways = family === 4 ? FLOW_WAYS.ipv4 : FLOW_WAYS.ipv6;
        const entries = first.map((bucket, key) => bucket * ways + (Number((hashes[key]! >> 28n) & 7n) % ways));
        assertSpread(entries, buckets * ways, 'preferred entry');
      }
    }
  });
}

test('the bound on crowds is neither below what a random function does nor far above it', () => {
  // One key in each of 2^40 buckets; all keys in one bucket; eight of 65,536 in one of 65,536 is usual.
  assert.equal(crowdBound(1000, 2 ** 60), 2);
  assert.equal(crowdBound(100, 1), 100);
  const bound = crowdBound(65_536, 65_536);
  assert.ok(bound > 12 && bound < 20, String(bound));
});
