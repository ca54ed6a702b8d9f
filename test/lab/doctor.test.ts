/** The doctor in a lab: nothing is wrong there, until a test makes it so. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'node:test';

import { hostNamed, NIC, VIP4 } from '../../src/lab/index.js';
import { DEFAULT_CONFIG_PATH } from '../../src/model/index.js';
import { build, examine, lines, sh } from '../support/doctor-lab.js';

test('the doctor finds nothing in a lab where nothing is wrong, with the daemon and without it', async (context) => {
  const lab = await build(context, 'doc-clean');
  const diagnosis = await examine(lab);
  assert.deepEqual(lines(diagnosis.findings), []);
  assert.deepEqual(diagnosis.notLookedAt, []);
  await lab.run('stop');
  assert.deepEqual(lines((await examine(lab)).findings), []);
  await lab.run('stop', '--detach');
  // With neither daemon nor maps nor the usual file it says what to name.
  if (!existsSync(DEFAULT_CONFIG_PATH)) {
    const { status, stderr } = await lab.run('doctor');
    assert.equal(status, 2);
    assert.match(stderr, /^beeline: no director "test-doc-clean" runs here, and there is no configuration file/);
    assert.match(stderr, /beeline doctor --config FILE/);
  }
});

test('M5: a real server that answers ARP for the VIP is named', async (context) => {
  const lab = await build(context, 'doc-leak');
  await sh(lab, 'real1', 'echo 0 >/proc/sys/net/ipv4/conf/all/arp_ignore');
  const { findings, status } = await examine(lab);
  assert.equal(status, 2);
  assert.deepEqual(lines(findings), [
    `error vip-answered-by-others: real server 192.168.1.31 (${hostNamed('real1').mac}) answers for the VIP ${VIP4} on ${NIC}`,
  ]);
});
