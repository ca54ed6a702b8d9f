/** What network cards and senders do to frames before the director sees them: what is lost by it, and who says so. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import type { Warning } from '../../src/model/index.js';
import { NIC, PAGES, VIP4 } from '../../src/lab/index.js';
import { TestLab } from '../support/lab.js';

const CONFIG = `interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: 80, realServers: [192.168.1.31, 192.168.1.32] }
`;

async function codes(lab: TestLab): Promise<string[]> {
  const { warnings = [] } = await lab.status();
  return warnings.map(({ code }) => code);
}

function logOf(lab: TestLab): string {
  return readFileSync(join(lab.directory, 'director.log'), 'utf8');
}

test('a sender that leaves checksums to a card that there is none of is found by the other end of the cable', async (context) => {
  const lab = await TestLab.build(context, 'sums');
  lab.configure(CONFIG);
  await lab.startDirector();
  await lab.exec('client', ['ethtool', '-K', NIC, 'tx', 'on']);
  // The switch's end finishes them.
  assert.deepEqual(new Set(await lab.pages(30)), new Set([PAGES.real1, PAGES.real2]));
  assert.deepEqual(await codes(lab), []);

  await lab.exec('switch', ['ethtool', '-K', 'director', 'tx', 'on']);
  await assert.rejects(lab.pages(1));
  await lab.becomes(['CHECKSUMS_UNFINISHED'], () => codes(lab));
  const { warnings = [], problems } = await lab.status();
  assert.deepEqual(
    warnings.map(({ code, interface: name, peer }) => [code, name, peer]),
    [['CHECKSUMS_UNFINISHED', NIC, 'director']],
  );
  // The senders on this host may be none of its clients.
  assert.deepEqual(problems, []);
  const command = `ip netns exec ${lab.namespace('switch')} ethtool -K director tx off`;
  assert.ok(warnings[0]!.remedy.includes(`"${command}"`), warnings[0]!.remedy);
  assert.match(await lab.beeline(['status']), /^warning +the other end of ens3, director in the namespace /m);
  await lab.until('it is logged', () => logOf(lab).includes('leaves checksums to the card'));

  await lab.exec('director', command.split(' '));
  assert.equal((await lab.pages(4)).length, 4);
  await lab.becomes([], () => codes(lab));
  assert.equal(logOf(lab).split('leaves checksums to the card').length, 2);
});

test('segments that a card below a bridge merges are a problem in generic mode, until the director may mend it', async (context) => {
  const lab = await TestLab.build(context, 'merged');
  for (const command of [
    ['link', 'add', 'port9', 'type', 'veth', 'peer', 'name', 'port8'],
    ['link', 'add', 'br9', 'type', 'bridge'],
    ['link', 'set', 'port9', 'master', 'br9', 'up'],
    ['link', 'set', 'port8', 'up'],
    ['link', 'set', 'br9', 'up'],
  ]) {
    await lab.exec('director', ['ip', ...command]);
  }
  await lab.exec('director', ['ethtool', '-K', 'port9', 'gro', 'on']);
  await lab.exec('director', ['ethtool', '-K', 'port8', 'tso', 'off']);
  lab.configure('interfaces: [br9]\nmode: generic\nservices: []\n');

  const { stdout } = await lab.run('check', '--json', lab.configPath);
  const { warnings } = JSON.parse(stdout) as { warnings: Warning[] };
  assert.deepEqual(
    warnings.map(({ code, interface: name }) => [code, name]),
    [['SEGMENTS_MERGED', 'br9']],
    'without a daemon',
  );

  await lab.startDirector();
  assert.deepEqual((await lab.status()).problems, [
    'port9 merges TCP segments before br9 gets them in generic mode, longer than packets may be: ' +
      'turn that off, "ethtool -K port9 gro off lro off"',
  ]);
  await lab.beeline(['stop']);
  assert.match(await lab.exec('director', ['ethtool', '-k', 'port9']), /^generic-receive-offload: on$/m);

  await lab.startDirector(['--set-offloads']);
  assert.deepEqual((await lab.status()).problems, []);
  assert.match(await lab.exec('director', ['ethtool', '-k', 'port9']), /^generic-receive-offload: off$/m);
  assert.match(logOf(lab), /switched off gro of port9, and leaves it off: \\?"ethtool -K port9 gro on\\?" undoes it/);
  await lab.beeline(['stop', '--detach']);
  assert.match(await lab.exec('director', ['ethtool', '-k', 'port9']), /^generic-receive-offload: off$/m);
});
