/** What is recorded of frames is still what the kernel's IPVS does with them. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { IpvsGuest } from '../support/ipvs-guest.js';
import { recordStep } from '../support/record-step.js';

test('IPVS answers, forwards and drops frames as recorded', async () => {
  const text = readFileSync('test/golden/ipvs/wire-answers.txt', 'utf8');
  await using guest = await IpvsGuest.boot();
  const recorded: string[] = [];
  for (const line of text.trimEnd().split('\n')) {
    recorded.push(...(await recordStep(guest, line)));
  }
  assert.equal(`${recorded.join('\n')}\n`, text);
});
