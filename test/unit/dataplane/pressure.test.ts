/** Pressure: when a flow table counts as full, and which flows end sooner then. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Pressure } from '../../../src/dataplane/flows/pressure.js';
import { secondsOf } from '../../../src/dataplane/flows/clock.js';
import { timeoutsOf } from '../../../src/dataplane/flows/timeouts.js';
import * as layout from '../../../src/layout/index.js';
import { DEFAULT_TIMEOUTS } from '../../../src/model/index.js';

const EMPTY = { most: 1000, used: 0 };

test('a table is full from nine tenths on, and remains so until less than seven tenths are in use', () => {
  const pressure = new Pressure();
  const states = [899, 900, 899, 700, 699, 899].map((used) => {
    pressure.update({ ipv4: { most: 1000, used }, ipv6: EMPTY });
    return pressure.isFull('ipv4');
  });
  assert.deepEqual(states, [false, true, true, true, false, false]);
  assert.equal(pressure.isFull('ipv6'), false);
});

test('under pressure flows that sent little end sooner, in that table alone, and those that last keep their time', () => {
  const units = timeoutsOf({ persistence: { timeout: 360 } }, DEFAULT_TIMEOUTS);
  const pressure = new Pressure();
  assert.deepEqual(pressure.shorten(units, 'ipv4', 'ipv6'), units);
  pressure.update({ ipv4: { most: 1000, used: 990 }, ipv6: EMPTY });
  assert.deepEqual(pressure.shorten(units, 'ipv6'), units);
  const shortened = pressure.shorten(units, 'ipv4');
  const seconds = (state: keyof typeof layout.flowState): number =>
    Math.floor(secondsOf(shortened[layout.flowState[state]]!));
  // Rounded up to the data path's units, of 0.8 to 1.3 seconds.
  for (const [state, most] of [
    ['syn-recv', 10],
    ['udp-new', 10],
    ['unconfirmed', 60],
    ['template-new', 60],
    ['established', 300],
  ] as const) {
    assert.ok(seconds(state) >= most && seconds(state) <= most + 1, state);
  }
  for (const state of ['established-lasting', 'udp-lasting', 'template-lasting', 'close'] as const) {
    assert.equal(shortened[layout.flowState[state]], units[layout.flowState[state]], state);
  }
  // What is told about a flow is what will happen to it.
  for (const state of ['syn-recv', 'established', 'established-lasting', 'template-new'] as const) {
    const own = Math.floor(secondsOf(units[layout.flowState[state]]!));
    assert.ok(Math.abs(pressure.shortenOne(own, state, 'ipv4') - seconds(state)) <= 1, state);
    assert.equal(pressure.shortenOne(own, state, 'ipv6'), own);
  }
  // A state that no service has a timeout for still has none.
  assert.equal(shortened[layout.flowState.free], 0);
});
