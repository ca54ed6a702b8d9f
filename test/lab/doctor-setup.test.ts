/** The doctor where VIPs, interfaces and a bridge were set up wrongly, two things at once among them; its commands are run. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import test from 'node:test';

import { hostNamed, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { answering } from '../support/arp.js';
import { build, examine, lines, sh } from '../support/doctor-lab.js';
import { execute, type TestLab } from '../support/lab.js';

const [DIRECTOR, REAL1, REAL2] = [hostNamed('director'), hostNamed('real1'), hostNamed('real2')];

const CONFIG = `
interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: 80, realServers: [${REAL1.ipv4}, ${REAL2.ipv4}] }
  - { address: "${VIP6}", port: 80, realServers: ["${REAL1.ipv6}", "${REAL2.ipv6}"] }
`;

const told = async (lab: TestLab, ...words: readonly string[]): Promise<string[]> =>
  lines((await examine(lab, ...words)).findings);

test('a VIP as /24 on a real server’s lo makes it answer ARP and nobody, and the real server is named', async (context) => {
  const lab = await build(context, 'ds-wide', CONFIG);
  await sh(lab, 'real1', `ip addr del ${VIP4}/32 dev lo; ip addr add ${VIP4}/24 dev lo`);
  const { findings } = await examine(lab, '--listen', '0s');
  assert.deepEqual(lines(findings), [
    `error real-server-unreachable: real server ${REAL1.ipv4} answers ARP, and nothing else that comes from this host`,
  ]);
  assert.match(findings[0]!.mend[0]!.command, /as \/32 or \/128/);
});

test('a wide VIP on the director is mended by the command as it stands, and the host keeps its own addresses', async (context) => {
  const lab = await build(context, 'ds-prefix', CONFIG);
  // The VIP is the first address of its network, so that the kernel would take the others away with it.
  await sh(
    lab,
    'director',
    `ip addr flush dev ${NIC}
     ip addr add ${VIP4}/24 dev ${NIC}; ip addr add ${DIRECTOR.ipv4}/24 dev ${NIC}
     ip addr add ${VIP6}/64 dev ${NIC} nodad; ip addr add ${DIRECTOR.ipv6}/64 dev ${NIC} nodad`,
  );
  const words = ['--passive', '--only', 'vip-prefix'];
  const { findings } = await examine(lab, ...words);
  assert.equal(findings.length, 2);
  for (const { mend } of findings) {
    await sh(lab, 'director', mend.at(-1)!.command);
  }
  assert.deepEqual(await told(lab, ...words), []);
  const shown = await lab.exec('director', ['ip', '-brief', 'addr', 'show', 'dev', NIC]);
  for (const address of [`${VIP4}/32`, `${DIRECTOR.ipv4}/24`, `${VIP6}/128`, `${DIRECTOR.ipv6}/64`]) {
    assert.ok(shown.split(/\s+/).includes(address), `${address} in ${shown}`);
  }
});

test('two mistakes at once are both told: a real server that answers for a VIP, which the director lacks', async (context) => {
  const lab = await build(context, 'ds-two', CONFIG);
  await sh(lab, 'director', `ip addr del ${VIP4}/32 dev ${NIC}`);
  await sh(lab, 'real2', 'echo 0 >/proc/sys/net/ipv4/conf/all/arp_ignore');
  const leak = `error vip-answered-by-others: real server ${REAL2.ipv4} (${REAL2.mac}) answers for the VIP ${VIP4} on ${NIC}`;
  const lack = `error vip-unanswered: the VIP ${VIP4} is on no interface of this host, and no other director on ${NIC} answers for it`;
  assert.deepEqual(await told(lab), [leak, lack]);
  await sh(lab, 'real2', 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore');
  // A host with a route for the VIP to the director needs nobody to answer (M8).
  await sh(lab, 'client', `ip neigh flush to ${VIP4}; ip route add ${VIP4}/32 via ${DIRECTOR.ipv4}`);
  const looking = told(lab);
  for (let i = 0; i < 20; i += 1) {
    await execute(lab, 'client', ['curl', '-s', '--max-time', '1', `http://${VIP4}/`]);
  }
  const [note, ...more] = await looking;
  assert.match(note!, /^note vip-unanswered: .*; packets for it come all the same$/);
  assert.deepEqual(more, []);
});

test('an interface that is missing or down, and a director beside its bridge, are named by the root of it', async (context) => {
  const lab = await build(context, 'ds-card', CONFIG);
  const path = `${lab.directory}/other.yaml`;
  writeFileSync(path, CONFIG.replace(NIC, 'ens9'));
  const words = ['--listen', '0s'];
  const missing = await examine(lab, '--config', path, ...words);
  assert.deepEqual(lines(missing.findings), ["error interface-down: the director's interface ens9 does not exist"]);
  assert.equal(missing.findings[0]!.mend[0]!.command, `interfaces: [${NIC}], which leads to the real servers`);

  // Its addresses are on a bridge now, and the director sends by no bridge.
  await sh(
    lab,
    'director',
    `ip link add br0 type bridge; ip link set ${NIC} master br0; ip addr flush dev ${NIC}; ip link set br0 up
     ip addr add ${DIRECTOR.ipv4}/24 dev br0; ip addr add ${VIP4}/32 dev br0
     ip addr add ${DIRECTOR.ipv6}/64 dev br0 nodad; ip addr add ${VIP6}/128 dev br0 nodad`,
  );
  const bridged = (await examine(lab, ...words, '--only', 'real-server-off-link', 'real-server-unreachable')).findings;
  assert.deepEqual(
    lines(bridged),
    [REAL1.ipv4, REAL2.ipv4, REAL1.ipv6, REAL2.ipv6].map(
      (each) => `error real-server-off-link: real server ${each} is on br0, which the director does not use`,
    ),
  );
  assert.equal(bridged[0]!.evidence[0], `the route to it leads out by br0, a bridge over ${NIC}`);
  await sh(lab, 'director', `ip link del br0; ip link set ${NIC} down`);
  const [down] = (await examine(lab, ...words, '--only', 'interface-down', 'real-server-off-link')).findings;
  assert.equal(down!.text, `the director's interface ${NIC} is down`);
  assert.deepEqual(down!.mend[0]!.fix, ['ip', 'link', 'set', NIC, 'up']);
});

test('a second interface on the network of a VIP answers for it, until it keeps to its own addresses', async (context) => {
  const lab = await build(context, 'ds-flux', CONFIG);
  await lab.exec('switch', ['ip', 'link', 'add', 'second', 'type', 'veth', 'peer', 'name', 'ens4']);
  await lab.exec('switch', ['ip', 'link', 'set', 'ens4', 'netns', lab.namespace('director')]);
  await lab.exec('switch', ['ip', 'link', 'set', 'second', 'master', 'br0', 'up']);
  await sh(lab, 'director', 'ip link set ens4 up; ip addr add 192.168.1.23/24 dev ens4');
  const check = ['--only', 'other-interface-answers', '--passive'];
  const [finding, ...more] = (await examine(lab, ...check)).findings;
  assert.deepEqual(more, []);
  assert.equal(finding?.text, `ens4 answers for the VIP ${VIP4}, and the director does not use it`);
  assert.equal((await answering(lab)).size, 2, 'both answer');
  await sh(lab, 'director', finding.mend[0]!.command);
  assert.equal((await answering(lab)).size, 1);
  assert.deepEqual(await told(lab, ...check), []);
  assert.equal((await lab.pages(2)).length, 2);
});
