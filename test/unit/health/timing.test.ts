/** Tests of the times of checks. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { timingOf } from '../../../src/model/index.js';

test('the times of a check are its own, its service’s, or the defaults', () => {
  const times = timingOf({ type: 'tcp', fall: 1, timeout: undefined }, { interval: 4, fall: 5 });
  assert.deepEqual(times, { interval: 4, timeout: 1, fastInterval: 1, jitter: 0.1, rise: 2, fall: 1 });
});

test('a check that is in doubt is never made more rarely than one that is not', () => {
  assert.equal(timingOf({ type: 'tcp' }, { interval: 0.5 }).fastInterval, 0.5);
});

test('a full check is made at every third interval only, and one over TLS less often by default', () => {
  assert.equal(timingOf({ type: 'http', every: 3 }, { interval: 4 }, { interval: 1 }).interval, 3);
  assert.equal(timingOf({ type: 'https' }).interval, 5);
});
