/** Tests of what takes flows while real servers are down, disabled, advised or ramping. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isQuorumMet, type PoolPolicy, poolOf, type ServerView, weightUp } from '../../../src/health/pool.js';
import { UNITS } from '../../../src/health/ramp.js';
import {
  canRamp,
  type Destination,
  mac,
  MAX_WEIGHT,
  parseIp,
  type Scheduler,
  SCHEDULERS,
} from '../../../src/model/index.js';

const at = (text: string, weight = 1): Destination => ({ address: parseIp(text)!, weight });
const [A, B, C] = [at('192.168.1.31'), at('192.168.1.32', 3), at('192.168.1.33')];
const SORRY = parseIp('192.168.1.99')!;
const UP: ServerView = { isUp: true, units: UNITS };
const DOWN: ServerView = { isUp: false, units: UNITS };

interface Case {
  readonly policy?: PoolPolicy;
  readonly views?: Readonly<Record<string, Partial<ServerView>>>;
  readonly met?: boolean;
  readonly scheduler?: Scheduler;
  readonly destinations?: readonly Destination[];
}

function pool({ policy = {}, views = {}, met = true, scheduler = 'maglev', destinations = [A, B, C] }: Case = {}) {
  const viewOf = ({ address }: Destination): ServerView => ({ ...UP, ...views[address.slice(-2)] });
  return poolOf(destinations, scheduler, policy, viewOf, met);
}

/** "31:1 32:0 down!": address, weight, condition; "!" where nothing goes there. */
function names(destinations: readonly Destination[]): string {
  return destinations
    .map(({ address, weight, condition }) => {
      const word = condition?.word === undefined ? '' : ` ${condition.word}`;
      return `${address.slice(-2)}:${weight}${word}${condition?.takesNothing === true ? '!' : ''}`;
    })
    .join(', ');
}

test('while all are up nothing changes, not even the object: that is how unchanged services are told', () => {
  const all = [A, B, C];
  assert.equal(pool({ destinations: all }), all);
});

test('a failed real server gets no packet, or no new flow', () => {
  const views = { 32: DOWN };
  assert.equal(names(pool({ views })), '31:1, 32:0 down!, 33:1');
  assert.equal(names(pool({ views, policy: { onFailure: 'quiesce' } })), '31:1, 32:0 down, 33:1');
  assert.equal(pool({ views })[1]!.condition!.asked, 3);
});

test('a condition says whether an agent or a file asked for it', () => {
  for (const [source, who] of [
    [undefined, 'its agent'],
    ['agent', 'its agent'],
    ['file', 'its file'],
    ['both', 'its agent or file'],
  ] as const) {
    const reason = (advice: ServerView['advice']): string =>
      pool({ views: { 32: { advice: { ...advice, source } } } })[1]!.condition!.reason!;
    assert.equal(reason({ weight: 9 }), `${who} asks for weight 9`);
    assert.equal(reason({ state: 'drain' }), `${who} says "drain"`);
    assert.equal(reason({ state: 'maint' }), `${who} says "maint"`);
  }
});

test('a fallback takes new flows while the quorum is lost, and breaks none of those that live', () => {
  const of = { policy: { fallback: [SORRY] }, views: { 32: DOWN }, destinations: [A, B] };
  assert.equal(names(pool({ ...of, met: false })), '31:0 replaced, 32:0 down!, 99:1 fallback');
  // It stays in the list, so that the flows that it took end as they like.
  assert.equal(names(pool(of)), '31:1, 32:0 down!, 99:0 standby');
});

test('a real server of the pool that is its fallback too is there once', () => {
  const policy = { onFailure: 'quiesce', fallback: [A.address] } as const;
  const views = { 31: DOWN, 32: DOWN };
  assert.equal(names(pool({ policy, views, met: false, destinations: [A, B] })), '31:1 fallback, 32:0 down');
});

test('a real server that becomes the fallback keeps its MAC, its port and its limits', () => {
  const own: Destination = { ...B, mac: mac('02:00:00:00:00:32'), port: 8080, upperThreshold: 9 };
  const [, after] = pool({
    policy: { fallback: [own.address] },
    views: { 31: DOWN, 32: DOWN },
    met: false,
    destinations: [A, own],
  });
  const { condition, ...rest } = after!;
  assert.deepEqual(rest, { ...own, weight: 1 });
  assert.equal(condition!.word, 'fallback');
});

test('in panic all are used at their weights, before any fallback, but none that an operator took out', () => {
  const policy = { panic: true, fallback: [SORRY] };
  const views = { 31: DOWN, 32: DOWN, 33: { disabled: { reason: 'disks', moves: true } } };
  assert.equal(names(pool({ policy, views, met: false })), '31:1 panic, 32:3 panic, 33:0 disabled!, 99:0 standby');
  assert.equal(names(pool({ policy, views: { 31: DOWN } })), '31:0 down!, 32:3, 33:1, 99:0 standby');
});

test('what an agent takes out is no matter of panic, and nothing goes to a fallback that is disabled', () => {
  const policy = { panic: true };
  const views = { 31: DOWN, 32: { advice: { state: 'maint' } }, 33: { advice: { state: 'down' } } } as const;
  assert.equal(names(pool({ policy, views, met: false })), '31:1 panic, 32:0 down!, 33:0 down!');
  const disabled = (moves: boolean): string => {
    const of = { policy: { fallback: [SORRY] }, met: false, destinations: [A] };
    return names(pool({ ...of, views: { 31: DOWN, 99: { disabled: { reason: 'disks', moves } } } }));
  };
  assert.equal(disabled(false), '31:0 down!, 99:0 disabled');
  assert.equal(disabled(true), '31:0 down!, 99:0 disabled!');
});

test('the weight of the configuration is known whatever happens, and no weight grows beyond the largest', () => {
  const heavy = { ...B, weight: MAX_WEIGHT };
  const views = {
    31: { units: 4 },
    32: { ...DOWN, advice: { percent: 1 } },
    33: { advice: { percent: 200 } },
  };
  for (const met of [true, false]) {
    const all = pool({ views, met, policy: { panic: true }, destinations: [A, heavy, { ...C, weight: 10 }] });
    assert.deepEqual(
      all.map(({ condition }) => condition!.configured),
      [1, MAX_WEIGHT, 10],
    );
    assert.ok(all.every(({ weight }) => weight <= MAX_WEIGHT));
  }
});

test('a real server that is disabled takes no new flow, and none at all if its flows are to move', () => {
  const disabled = { reason: 'disks', moves: false };
  assert.equal(names(pool({ views: { 31: { disabled } } })), '31:0 disabled, 32:3, 33:1');
  assert.equal(names(pool({ views: { 31: { ...DOWN, disabled } } })), '31:0 disabled, 32:3, 33:1');
});

test('an agent sets weights and drains, but a failed check and an operator’s 0 overrule it', () => {
  const by = (advice: ServerView['advice'], more: Partial<ServerView> = {}, destinations = [A, B]): string =>
    names(pool({ views: { 32: { advice, ...more } }, destinations }));
  assert.equal(by({ percent: 50 }), '31:1, 32:2 advised');
  assert.equal(by({ percent: 1 }), '31:1, 32:1 advised');
  assert.equal(by({ percent: 0 }), '31:1, 32:0 advised');
  assert.equal(by({ percent: 100 }), '31:1, 32:3');
  assert.equal(by({ weight: 20 }), '31:1, 32:20 advised');
  assert.equal(by({ state: 'drain' }), '31:1, 32:0 advised');
  assert.equal(by({ state: 'maint' }), '31:1, 32:0 down!');
  assert.equal(by({ state: 'up', weight: 7 }, DOWN), '31:1, 32:0 down!');
  assert.equal(by({ weight: 7 }, {}, [A, { ...B, weight: 0 }]), '31:1, 32:0');
});

test('while one ramps, all weights are in parts of which it has a few, whatever its scheduler’s weights are', () => {
  const views = { 31: { units: 4 } };
  for (const scheduler of SCHEDULERS) {
    const expected = !canRamp(scheduler)
      ? '31:1, 32:3, 33:1'
      : scheduler === 'ovf'
        ? '31:1 ramping, 32:3, 33:1'
        : '31:4 ramping, 32:48, 33:16';
    assert.equal(names(pool({ views, scheduler })), expected, scheduler);
  }
  const heavy = [at('192.168.1.31', MAX_WEIGHT), at('192.168.1.32', MAX_WEIGHT)];
  assert.equal(
    names(pool({ views, destinations: heavy })),
    `31:${Math.floor(MAX_WEIGHT / 4)} ramping, 32:${MAX_WEIGHT}`,
  );
  assert.deepEqual(
    pool({ views }).map(({ condition }) => condition!.asked),
    [1, 3, 1],
  );
});

test('the quorum counts weights of those that take flows, and between both limits it stays as it was', () => {
  const views: Readonly<Record<string, ServerView>> = {
    31: DOWN,
    33: { ...UP, disabled: { reason: '', moves: false } },
  };
  assert.equal(
    weightUp([A, B, C], ({ address }) => views[address.slice(-2)] ?? UP),
    3,
  );
  const drained: ServerView = { ...UP, advice: { state: 'drain' } };
  assert.equal(
    weightUp([A, B, C], () => drained),
    0,
    'an agent that drains counts as one that says 0',
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
