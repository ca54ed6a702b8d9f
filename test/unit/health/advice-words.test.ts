/** The words of agents and files: HAProxy's, keepalived's, and whatever else may come. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { type Advice, ADVISED_STATES, mostCautious } from '../../../src/health/advice.js';
import { adviceOfStatus, adviceText, parseAdvice, parseFileAdvice } from '../../../src/health/slow/advice-words.js';
import { MAX_WEIGHT } from '../../../src/model/index.js';

test("HAProxy's words mean what they mean there", () => {
  const cases: [string, Advice | undefined][] = [
    ['up\n', { state: 'up' }],
    ['UP', { state: 'up' }],
    ['down', { state: 'down' }],
    ['stopped', { state: 'down' }],
    ['fail', { state: 'down' }],
    ['failed', { state: 'down' }],
    ['ready', { state: 'up' }],
    ['drain', { state: 'drain' }],
    ['maint', { state: 'maint' }],
    ['75%', { percent: 75 }],
    ['0%', { percent: 0 }],
    ['200%', { percent: 200 }],
    ['weight 20', { weight: 20 }],
    ['weight:20', { weight: 20 }],
    ['up weight:20%', { state: 'up', percent: 20 }],
    ['weight:0 ready', { state: 'up', weight: 0 }],
    ['WEIGHT:7,maxconn:30', { weight: 7 }],
    ['weight: 20', undefined],
    ['weight:', undefined],
    ['weight:x 50%', { percent: 50 }],
    ['up 75%', { state: 'up', percent: 75 }],
    ['75%,maxconn:30,maint,down', { state: 'maint', percent: 75 }],
    ['up,drain', { state: 'drain' }],
    ['ready,up\t50% 60%', { state: 'up', percent: 60 }],
    ['down ready', { state: 'down' }],
    ['down up', { state: 'up' }],
    ['maint ready', { state: 'up' }],
    ['down #database is gone, not up', { state: 'down' }],
    ['drain, weight 3 # up', { state: 'drain', weight: 3 }],
    ['weight 3 50%', { percent: 50 }],
    ['50% weight 3', { weight: 3 }],
    ['\r\n up\r\ndown', { state: 'up' }],
  ];
  for (const [text, advice] of cases) {
    assert.deepEqual(parseAdvice(text), advice, JSON.stringify(text));
  }
});

test('what has no word that is known is no advice', () => {
  const texts = ['', '\n', '#up', 'upp', 'HTTP/1.1 400 Bad Request', '20', 'weight', 'weight -1', 'weight x', '75.5%'];
  const more = ['%', '-5%', '100000%', `weight ${MAX_WEIGHT + 1}`, '1e3%', 'constructor', '__proto__', 'up\u00a0'];
  for (const text of [...texts, ...more]) {
    assert.equal(parseAdvice(text), undefined, text);
  }
});

test('a file may have a weight alone', () => {
  assert.deepEqual(parseFileAdvice('20\n'), { weight: 20 });
  assert.deepEqual(parseFileAdvice(' 0 '), { weight: 0 });
  assert.deepEqual(parseFileAdvice(String(MAX_WEIGHT)), { weight: MAX_WEIGHT });
  assert.equal(parseFileAdvice(String(MAX_WEIGHT + 1)), undefined);
  assert.deepEqual(parseFileAdvice('drain\n20'), { state: 'drain' });
  assert.equal(parseFileAdvice('-1'), undefined);
});

test("the status of an agent that wrote nothing is that of keepalived's misc_dynamic", () => {
  assert.deepEqual(adviceOfStatus(0), { state: 'up' });
  assert.deepEqual(adviceOfStatus(1), { state: 'down' });
  assert.deepEqual(adviceOfStatus(2), { state: 'up', weight: 0 });
  assert.deepEqual(adviceOfStatus(255), { state: 'up', weight: 253 });
});

test('advice is told in words', () => {
  assert.equal(adviceText({ state: 'drain', percent: 75 }), 'drain, 75 % of the weight');
  assert.equal(adviceText({ weight: 3 }), 'weight 3');
});

test('whatever an agent says is parsed, and yields numbers within their bounds', () => {
  const words = ['up', 'down', 'ready', 'drain', 'maint', 'weight', '75%', '20', '#', ',', ' ', '\t', '\n', '\0', 'é'];
  const text = fc.array(fc.oneof(fc.constantFrom(...words), fc.string())).map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (said) => {
      const { weight = 0, percent = 0 } = parseAdvice(said) ?? {};
      assert.ok(Number.isInteger(weight) && weight >= 0 && weight <= MAX_WEIGHT);
      assert.ok(Number.isInteger(percent) && percent >= 0 && percent <= 10_000);
    }),
  );
});

test('only the first line counts, whatever follows', () => {
  fc.assert(
    fc.property(fc.string(), (rest) => {
      assert.deepEqual(parseAdvice(`drain 5%\n${rest}`), { state: 'drain', percent: 5 });
    }),
  );
});

test('one order says which of several states decides, within an answer and among agents', () => {
  assert.equal(mostCautious(['up', 'maint', 'down', 'drain', undefined]), 'maint');
  assert.equal(mostCautious(['drain', 'down']), 'down');
  assert.equal(mostCautious([undefined]), undefined);
  for (const [i, weak] of ADVISED_STATES.entries()) {
    for (const strong of ADVISED_STATES.slice(i)) {
      assert.equal(mostCautious([strong, weak]), strong);
    }
  }
});
