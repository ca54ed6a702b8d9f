/** The doctor in a lab: nothing is wrong there, until a test makes it so. */

import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';

import type { Diagnosis, Finding } from '../../src/doctor/index.js';
import { type HostName, hostNamed, NIC, VIP4 } from '../../src/lab/index.js';
import { execute, TestLab } from '../support/lab.js';

const CONFIG = `
interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: 80, protocol: tcp, scheduler: rr, realServers: [192.168.1.31, 192.168.1.32] }
`;

async function build(context: TestContext, name: string, config = CONFIG): Promise<TestLab> {
  const lab = await TestLab.build(context, name);
  lab.configure(config);
  await lab.startDirector();
  return lab;
}

async function sh(lab: TestLab, host: HostName, script: string): Promise<void> {
  const { status, stderr } = await execute(lab, host, ['sh', '-ec', script]);
  assert.equal(status, 0, stderr);
}

async function examine(lab: TestLab, ...words: readonly string[]): Promise<Diagnosis> {
  const { status, stdout, stderr } = await lab.run('doctor', '--json', ...words);
  assert.equal(stderr, '');
  const diagnosis = JSON.parse(stdout) as Diagnosis;
  assert.equal(status, diagnosis.status);
  return diagnosis;
}

/** One line a finding. */
const lines = (findings: readonly Finding[]): string[] =>
  findings.map(({ severity, check, text }) => `${severity} ${check}: ${text}`);

test('the doctor finds nothing in a lab where nothing is wrong, with the daemon and without it', async (context) => {
  const lab = await build(context, 'doc-clean');
  const diagnosis = await examine(lab);
  assert.deepEqual(lines(diagnosis.findings), []);
  assert.deepEqual(diagnosis.notLookedAt, []);
  await lab.run('stop');
  assert.deepEqual(lines((await examine(lab)).findings), []);
  await lab.run('stop', '--detach');
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
