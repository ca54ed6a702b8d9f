/** The doctor beside two directors with real keepalived: a pair that works has nothing wrong, and two masters are named. */

import assert from 'node:assert/strict';
import test from 'node:test';

import type { Diagnosis } from '../../src/doctor/index.js';
import { type Director, hostNamed, VIP4 } from '../../src/lab/index.js';
import { lines } from '../support/doctor-lab.js';
import { Pair } from '../support/pair.js';

async function examine(pair: Pair, director: Director): Promise<Diagnosis> {
  const { stdout, stderr } = await pair.beeline(director, 'doctor', '--json');
  assert.equal(stderr, '');
  return JSON.parse(stdout) as Diagnosis;
}

const OF_VRRP = /vrrp|VRRP|keepalived/;
const ofVrrp = async (pair: Pair, director: Director): Promise<string[]> =>
  lines((await examine(pair, director)).findings).filter((line) => OF_VRRP.test(line));

test('keepalived that was killed leaves two masters, and the doctor names both on either of them', async (context) => {
  const pair = await Pair.build(context, 'doc-vrrp');
  const [director, standby] = [hostNamed('director'), hostNamed('standby')];
  assert.deepEqual(await ofVrrp(pair, 'director'), []);
  assert.deepEqual(await ofVrrp(pair, 'standby'), []);
  // The kernel of the standby resets nothing that its doctor asked for: the VIP, to which that would go, is the master's.
  const { verdicts, warnings = [] } = await pair.status('director');
  assert.equal(verdicts['from-director'], undefined);
  assert.deepEqual(warnings, []);

  await pair.killKeepalived('director');
  await pair.untilState('standby', 'MASTER');
  assert.deepEqual(await pair.owners(), ['director', 'standby']);

  const left = await examine(pair, 'director');
  assert.deepEqual(
    lines(left.findings).filter((line) => OF_VRRP.test(line)),
    [`error vrrp-two-owners: vrrp VI_51 (id 51) has 2 masters: this host and ${standby.ipv4} (${standby.mac})`],
  );
  const [finding] = left.findings;
  assert.equal(finding?.evidence[0], `ens3 of this host has ${VIP4}`);
  assert.match(finding.evidence.join('\n'), /VRRPv3 192\.168\.1\.22 .* vrid 51, prio 240, intvl 0\.1s/);
  assert.deepEqual(finding.mend, [{ on: 'director', command: 'systemctl restart keepalived' }]);

  const [healthy] = await ofVrrp(pair, 'standby');
  assert.equal(
    healthy,
    `error vrrp-two-owners: vrrp VI_51 (id 51) has 2 masters: this host and ${director.ipv4} (${director.mac})`,
  );
  await pair.startKeepalived('director');
  await pair.untilOwner('director');
  assert.deepEqual(await ofVrrp(pair, 'director'), []);
});

test('without any keepalived nobody is master, and the doctor says so', async (context) => {
  const pair = await Pair.build(context, 'doc-vrrp0');
  await pair.stopKeepalived('director');
  await pair.stopKeepalived('standby');
  await pair.lab.until('nobody has the VIP', async () => (await pair.owners()).length === 0);
  const found = await ofVrrp(pair, 'director');
  assert.ok(
    found.includes(`error vrrp-no-owner: vrrp VI_51 (id 51) has no master: no host has ${VIP4}`),
    found.join('\n'),
  );
});

test('with virtual MACs a standby hears its master, and is told when its own keepalived is gone', async (context) => {
  const pair = await Pair.build(context, 'doc-vrrp-v', { vmac: true });
  const wrong = async (director: Director): Promise<string[]> =>
    lines((await examine(pair, director)).findings).filter((line) => OF_VRRP.test(line) || line.includes(VIP4));
  assert.deepEqual(await wrong('director'), []);
  assert.deepEqual(await wrong('standby'), []);
  await pair.stopKeepalived('standby');
  const [finding, ...others] = await wrong('standby');
  assert.deepEqual(others, []);
  assert.match(finding ?? '', /^warning vrrp-not-ready: vrrp VI_51: keepalived does not run on this host/);
});
