/** Replays go on from the last one: that saves time, and says the same. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { compile } from '../../../src/image/compile.js';
import type { History } from '../../../src/image/epoch.js';
import { advance, windowsOf } from '../../../src/image/history.js';
import { movesOf } from '../../../src/image/moves.js';
import { DEFAULT_TIMEOUTS, ip, type Scheduler } from '../../../src/model/index.js';
import { Random } from '../../fuzz/random.js';
import { service as serviceOf, worldOf } from '../../support/models.js';

const TIMEOUTS = { ...DEFAULT_TIMEOUTS, established: 50, synReceived: 10 };

/** Changes weights, real servers, ring size, tracking and reachability at random; returns what `movesOf` said, both ways. */
function run(seed: number, scheduler: Scheduler): void {
  const random = new Random(seed);
  const weights = new Map(Array.from({ length: 5 }, (_, i) => [ip(`10.0.0.${i + 1}`), 1 + random.below(3)]));
  let [now, slots, isMoved] = [0, 64, true];
  let history: History | undefined;
  for (let change = 0; change < 60; change += 1) {
    now += random.pick([0, 100, 5000, 20_000]);
    slots = random.below(12) === 0 ? random.pick([32, 64, 128]) : slots;
    isMoved = random.below(10) === 0 ? !isMoved : isMoved;
    const address = ip(`10.0.0.${1 + random.below(7)}`);
    if (random.below(4) === 0) {
      weights.delete(address);
    } else {
      weights.set(address, random.below(4));
    }
    const service = serviceOf(ip('192.168.1.100'), 80, [...weights], {
      scheduler,
      track: isMoved ? 'moved' : 'all',
      unresolved: random.pick(['hold', 'move']),
      ...(scheduler === 'maglev' ? { slots } : {}),
    });
    const silent =
      random.below(3) === 0
        ? { [ip(`10.0.0.${1 + random.below(7)}`)]: { state: 'unresolved', reason: 'failed' } as const }
        : {};
    const world = worldOf([service], silent);
    const compiled = compile({ services: [service] }, world).services[0]!;
    history = advance(history, compiled, now);
    const windows = windowsOf(compiled, TIMEOUTS);
    const moves = movesOf(history, compiled, windows, now, undefined);
    const anew = movesOf(structuredClone(history), compiled, windows, now, undefined);
    assert.deepEqual(moves, anew, `seed ${seed}, change ${change}`);
    // Sometimes a publication fails: the next one goes on from the history before.
    history = random.below(8) === 0 ? history : moves.history;
  }
}

for (const scheduler of ['maglev', 'sh', 'mh'] as const) {
  test(`a replay of ${scheduler} that goes on from the last one is the same as one of the whole history`, () => {
    for (let seed = 1; seed <= (scheduler === 'mh' ? 10 : 100); seed += 1) {
      run(seed, scheduler);
    }
  });
}
