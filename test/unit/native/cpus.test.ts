/** The numbers of CPUs, by which packets find their rows. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { cpuNumbers, highestOf, possibleCpus } from '../../../src/native/index.js';

test('a CPU behind a hole in the numbers has its rows, too', () => {
  assert.deepEqual(['0', '0-3', '0-3,8-11', '0,2,4-7', '0-127,256-383\n'].map(highestOf), [0, 3, 11, 7, 383]);
  assert.throws(() => highestOf('\n'), /list of CPUs is empty/);
  assert.ok(cpuNumbers() >= possibleCpus());
});
