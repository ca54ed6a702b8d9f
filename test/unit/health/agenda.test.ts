/** Tests of when checks are due, and of slow starts. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { Agenda, dueAgain, firstDue } from '../../../src/health/agenda.js';
import { nextStepMs, UNITS, unitsAt } from '../../../src/health/ramp.js';

const PACE = { interval: 2000, fastInterval: 500, jitter: 0.1 };

test('what is due is taken in the order of time, whatever the order in which it was added', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1000 })), (times) => {
      const agenda = new Agenda<number>();
      times.forEach((at) => {
        agenda.add(at, at);
      });
      const due = agenda.take(500, Infinity);
      assert.deepEqual(
        due,
        times.filter((at) => at <= 500).sort((a, b) => a - b),
      );
      assert.equal(agenda.size, times.length - due.length);
      assert.equal(agenda.next, Math.min(...times.filter((at) => at > 500)));
    }),
  );
});

test('a stall is not made up for at once: the rest waits, and a check that was missed ten times is due once', () => {
  const agenda = new Agenda<number>();
  for (let i = 0; i < 100; i += 1) {
    agenda.add(i, i);
  }
  assert.equal(agenda.take(1e6, 30).length, 30);
  assert.equal(agenda.size, 70);
  assert.equal(dueAgain(1000, PACE, false, 21_000, 0.5), 21_000);
});

test('checks come at their interval, sooner while the state is in doubt, and never in step', () => {
  assert.equal(dueAgain(1000, PACE, false, 1100, 0.5), 3000);
  assert.equal(dueAgain(1000, PACE, true, 1100, 0.5), 1500);
  assert.equal(dueAgain(1000, PACE, false, 1100, 0), 2800);
  assert.equal(dueAgain(1000, PACE, false, 1100, 1), 3200);
});

test('the first checks are spread, and come within a bound whatever the interval', () => {
  assert.equal(firstDue(0, PACE, 0.5, 10_000), 1000);
  assert.equal(firstDue(0, { ...PACE, interval: 600_000 }, 0.5, 1000), 500);
});

test('a slow start grows by equal steps from the least to the whole weight', () => {
  const seconds = 32;
  const steps = [];
  for (let at: number | undefined = 0; at !== undefined; at = nextStepMs(at, seconds)) {
    steps.push(unitsAt(at, seconds));
  }
  assert.deepEqual(
    steps,
    Array.from({ length: UNITS }, (_, i) => i + 1),
  );
  assert.equal(unitsAt(0, 0), UNITS);
  assert.equal(nextStepMs(0, 0), undefined);
  assert.equal(unitsAt(1e9, seconds), UNITS);
});
