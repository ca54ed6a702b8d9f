/** Tests of what takes flows while real servers are down. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isQuorumMet, poolOf, weightUp } from '../../../src/health/pool.js';
import { type Destination, mac, parseIp } from '../../../src/model/index.js';

const at = (text: string, weight = 1): Destination => ({ address: parseIp(text)!, weight });
const [A, B, C] = [at('192.168.1.31'), at('192.168.1.32', 3), at('192.168.1.33')];
const SORRY = parseIp('192.168.1.99')!;

const names = (destinations: readonly Destination[]): string =>
  destinations.map(({ address, weight }) => `${address.slice(-2)}:${weight}`).join(' ');

test('while all are up nothing changes, not even the object: that is how unchanged services are told', () => {
  const all = [A, B, C];
  assert.equal(
    poolOf(all, { onFailure: 'remove' }, () => true, true),
    all,
  );
});

test('a failed real server gets no packet, or no new flow', () => {
  const isUp = (each: Destination): boolean => each !== B;
  assert.equal(names(poolOf([A, B, C], { onFailure: 'remove' }, isUp, true)), '31:1 33:1');
  assert.equal(names(poolOf([A, B, C], { onFailure: 'quiesce' }, isUp, true)), '31:1 32:0 33:1');
});

test('a fallback takes new flows while the quorum is lost, and breaks none of those that live', () => {
  const isUp = (each: Destination): boolean => each === A;
  const policy = { onFailure: 'remove', fallback: [SORRY] } as const;
  assert.equal(names(poolOf([A, B], policy, isUp, false)), '31:0 99:1');
  assert.equal(names(poolOf([A, B], policy, isUp, true)), '31:1');
});

test('a real server of the pool that is its fallback too is there once', () => {
  const policy = { onFailure: 'quiesce', fallback: [A.address] } as const;
  assert.equal(names(poolOf([A, B], policy, () => false, false)), '32:0 31:1');
});

test('a real server that becomes the fallback keeps its MAC, its port and its limits', () => {
  const own: Destination = { ...B, mac: mac('02:00:00:00:00:32'), port: 8080, upperThreshold: 9 };
  const policy = { onFailure: 'remove', fallback: [own.address] } as const;
  assert.deepEqual(
    poolOf([A, own], policy, () => false, false),
    [{ ...own, weight: 1 }],
  );
});

test('in panic all are used at their weights, before any fallback', () => {
  const policy = { onFailure: 'remove', panic: true, fallback: [SORRY] } as const;
  assert.equal(names(poolOf([A, B, C], policy, () => false, false)), '31:1 32:3 33:1');
  assert.equal(names(poolOf([A, B, C], policy, (each) => each === A, true)), '31:1');
});

test('the quorum counts weights, and between both limits it stays as it was', () => {
  assert.equal(
    weightUp([A, B, C], (each) => each !== A),
    4,
  );
  const quorum = { weight: 4, hysteresis: 1 };
  assert.deepEqual(
    [2, 3, 4, 5].map((weight) => isQuorumMet(weight, quorum, true)),
    [false, true, true, true],
  );
  assert.deepEqual(
    [3, 4, 5].map((weight) => isQuorumMet(weight, quorum, false)),
    [false, false, true],
  );
});

test('without a quorum one real server is enough, and none of weight 0 is', () => {
  assert.equal(isQuorumMet(1, undefined, false), true);
  assert.equal(isQuorumMet(0, undefined, true), false);
});
