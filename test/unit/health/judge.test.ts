/** Tests of what results of checks do to the state of a real server. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { type CheckState, judge, unchecked } from '../../../src/health/judge.js';
import type { Outcome } from '../../../src/health/outcome.js';

const PASSED: Outcome = { passed: true, layer: 'L4', words: 'ok', ms: 1 };
const FAILED: Outcome = { passed: false, layer: 'L4', words: 'refused', ms: 1 };

/** Judges a text of results, one a second: "+" passed, "-" failed. Returns the states as text: "U" up, "d" down. */
function states(results: string, judging: Parameters<typeof judge>[2], initially: 'up' | 'down' = 'down'): string {
  let state: CheckState = unchecked({ initially }, 0);
  return Array.from(results)
    .map((each, i) => {
      state = judge(state, each === '+' ? PASSED : FAILED, judging, (i + 1) * 1000);
      return state.isUp ? 'U' : 'd';
    })
    .join('');
}

test('a real server that was never checked is decided by its first check, whatever was assumed', () => {
  const judging = { rise: 3, fall: 3 };
  assert.equal(states('+', judging, 'down'), 'U');
  assert.equal(states('-', judging, 'up'), 'd');
  assert.equal(states('-', judging, 'down'), 'd');
  assert.equal(states('+', judging, 'up'), 'U');
});

test('one lost check takes nobody out, and one lucky check brings nobody back', () => {
  assert.equal(states('+-+--+---', { rise: 2, fall: 3 }), 'UUUUUUUUd');
  assert.equal(states('-+-++', { rise: 2, fall: 1 }), 'ddddU');
});

test('the first check of a real server that is assumed down does not need to rise', () => {
  assert.equal(states('-++', { rise: 2, fall: 1 }), 'ddU');
});

test('a real server that comes and goes stays down until it has been steady', () => {
  const damping = { changes: 2, within: 60, hold: 5 };
  // Down at 2 s and 4 s: held from then on; the failure at 7 s begins the time anew.
  assert.equal(states('+-+-++-+++++', { rise: 1, fall: 1, damping }), 'UdUddddddddU');
});

test('downs of long ago do not hold a real server', () => {
  const damping = { changes: 2, within: 3, hold: 100 };
  assert.equal(states('+-+++-+', { rise: 1, fall: 1, damping }), 'UdUUUdU');
});

test('after enough equal results in a row the state is what they say, whatever came before', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('+', '-'), { maxLength: 40 }),
      fc.constantFrom('+', '-'),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 5 }),
      (history, last, rise, fall) => {
        const results = history.join('') + last.repeat(Math.max(rise, fall));
        assert.equal(states(results, { rise, fall }).at(-1), last === '+' ? 'U' : 'd');
      },
    ),
  );
});
