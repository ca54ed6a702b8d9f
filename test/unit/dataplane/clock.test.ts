/** How long a jiffy is: what kernels say of it, and what they leave unsaid. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { gzipSync } from 'node:zlib';

import { clockShift, fromConfig, fromTimerList } from '../../../src/dataplane/flows/clock.js';

const timerList = (seconds: number, hz: number): Buffer => {
  // The kernel starts to count five minutes before the lower 32 bits overflow.
  const jiffies = 2 ** 32 - 300 * hz + Math.floor(seconds * hz);
  return Buffer.from(
    `Timer List Version: v0.9\nnow at ${seconds * 1e9} nsecs\n\n  .last_jiffies   : 1\njiffies: ${jiffies}\n`,
  );
};

test('the rate of jiffies follows from the list of timers', () => {
  // As Linux 6.18 with CONFIG_HZ=250 said it.
  const real = 'now at 1563382657242 nsecs\n  .idle_jiffies   : 4295282947\njiffies: 4295283079\n';
  assert.equal(fromTimerList(Buffer.from(real)), 250);
  for (const hz of [100, 250, 300, 1000]) {
    for (const seconds of [20, 250, 350, 86_400, 86_400 * 400]) {
      assert.equal(fromTimerList(timerList(seconds, hz)), hz, `${hz} Hz, up ${seconds} s`);
    }
  }
});

test('within five minutes of boot, or from a list without figures, no rate is given', () => {
  assert.equal(fromTimerList(timerList(300, 250)), undefined);
  assert.equal(fromTimerList(Buffer.from('')), undefined);
  assert.equal(fromTimerList(Buffer.from('now at 1 nsecs\n')), undefined);
});

test("the rate of jiffies follows from the kernel's configuration, compressed or not", () => {
  const text = 'CONFIG_HZ_250=y\n# CONFIG_HZ_1000 is not set\nCONFIG_HZ=250\n';
  assert.equal(fromConfig(Buffer.from(text)), 250);
  assert.equal(fromConfig(gzipSync(text)), 250);
  assert.equal(fromConfig(Buffer.from('# CONFIG_HZ is not set\n')), undefined);
});

test('a unit of the data path is about a second on this machine', () => {
  assert.ok([7, 8, 10].includes(clockShift()));
});
