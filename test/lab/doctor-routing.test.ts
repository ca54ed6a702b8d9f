/** The doctor's checks of what the kernel does by itself, each provoked by real settings, and real frames where it hears them. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { hostNamed, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { advertisementBy, build, examine, lines, sh } from '../support/doctor-lab.js';
import { execute, type TestLab } from '../support/lab.js';

const SEND_FRAMES = fileURLToPath(new URL('../support/send-frames.js', import.meta.url));

const [DIRECTOR, REAL1, REAL2, CLIENT] = [
  hostNamed('director'),
  hostNamed('real1'),
  hostNamed('real2'),
  hostNamed('client'),
];

/** Port 8080 is answered by the director itself. */
const CONFIG = `
interfaces: [${NIC}]
mode: auto
services:
  - { address: ${VIP4}, port: 80, realServers: [${REAL1.ipv4}, ${REAL2.ipv4}] }
  - { address: ${VIP4}, port: 8080, realServers: [${DIRECTOR.ipv4}] }
  - { address: "${VIP6}", port: 80, realServers: ["${REAL1.ipv6}", "${REAL2.ipv6}"] }
`;

const only = async (lab: TestLab, ...checks: readonly string[]): Promise<string[]> =>
  lines((await examine(lab, '--only', ...checks)).findings);

/** Runs each command that mends this host, as it stands, and returns what is found then. */
async function mended(lab: TestLab, check: string): Promise<string[]> {
  const { findings } = await examine(lab, '--only', check);
  for (const { mend } of findings) {
    const [command] = mend.filter(({ on }) => on === 'director').map((each) => each.command);
    await sh(lab, 'director', command!);
  }
  return only(lab, check);
}

/** A counter of /proc/net/snmp or netstat in the director's namespace. */
async function counter(lab: TestLab, name: string): Promise<number> {
  const text = await lab.exec('director', ['nstat', '--zeros', '--noupdate', '--ignore', name]);
  return Number(new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(text)?.[1] ?? NaN);
}

/** Another way out of a host: a network of its own, with the default route. */
const otherWay = (name: string): string => `
  ip link add ${name} type veth peer name ${name}p
  ip link set ${name} up; ip link set ${name}p up
  ip addr add 10.9.9.1/24 dev ${name}
  ip route replace default via 10.9.9.2`;

test('rp_filter drops clients of a service of the director itself, whose way back is another interface', async (context) => {
  const lab = await build(context, 'dr-rp', CONFIG);
  assert.deepEqual(await only(lab, 'reverse-filter'), []);
  await sh(lab, 'director', otherWay('out'));
  await lab.sysctls('director', {
    'net/ipv4/conf/all/rp_filter': '0',
    [`net/ipv4/conf/${NIC}/rp_filter`]: '1',
  });
  // It is so: the SYN of a client of another network is counted as forged.
  const before = await counter(lab, 'TcpExtIPReversePathFilter');
  // The question for the VIP would be dropped as well: it is asked in the name of another address.
  await sh(lab, 'client', `ip addr add 10.77.0.12/32 dev ${NIC}; ping -c 1 -W 2 ${VIP4}`);
  const visit = ['curl', '-sS', '--max-time', '1', '--interface', '10.77.0.12', `http://${VIP4}:8080/`];
  await execute(lab, 'client', visit);
  assert.ok((await counter(lab, 'TcpExtIPReversePathFilter')) > before);
  assert.deepEqual(await only(lab, 'reverse-filter'), [
    `warning reverse-filter: rp_filter drops clients of other networks that come by ${NIC} to the real server on this host`,
  ]);
  assert.deepEqual(await mended(lab, 'reverse-filter'), []);
});

test('a director that is a gateway and sends redirects is named with the real servers that it tells them to', async (context) => {
  const lab = await build(context, 'dr-redirect', CONFIG);
  await lab.sysctls('director', { 'net/ipv4/ip_forward': '1', [`net/ipv4/conf/${NIC}/send_redirects`]: '1' });
  assert.deepEqual(await only(lab, 'redirects-sent'), [], 'no real server has it as its gateway');
  await sh(lab, 'real1', `ip route add default via ${DIRECTOR.ipv4}`);
  await sh(lab, 'director', `ip route add 10.77.0.0/24 via ${CLIENT.ipv4}`);
  const before = await counter(lab, 'IcmpOutRedirects');
  await execute(lab, 'real1', ['ping', '-c', '2', '-i', '0.2', '-W', '1', '10.77.0.12']);
  assert.ok((await counter(lab, 'IcmpOutRedirects')) > before, 'it sends them');
  assert.deepEqual(await only(lab, 'redirects-sent'), [
    `warning redirects-sent: this host is the gateway of ${REAL1.ipv4}, and tells them by ICMP redirects to take another`,
  ]);
  assert.deepEqual(await mended(lab, 'redirects-sent'), []);
});

test('a router of IPv6 that a forwarding director ignores is named while its advertisements come', async (context) => {
  const lab = await build(context, 'dr-ra', CONFIG);
  const check = 'router-advertisements-ignored';
  await lab.sysctls('director', {
    [`net/ipv6/conf/${NIC}/forwarding`]: '1',
    [`net/ipv6/conf/${NIC}/accept_ra`]: '1',
  });
  assert.deepEqual(await only(lab, check), [], 'nobody advertises');
  const frame = advertisementBy(CLIENT.mac, 'fe80::250:ff:fe00:300');
  const sending = sh(lab, 'client', `${process.execPath} ${SEND_FRAMES} ${NIC} ${frame} 60 200`);
  assert.deepEqual(await only(lab, check), [
    `warning ${check}: ${NIC} ignores its IPv6 router, because this host forwards`,
  ]);
  assert.deepEqual(await mended(lab, check), []);
  await sending;
});

test('generic mode that a driver left to the director is named with its reason, and ends with what it names', async (context) => {
  const lab = await build(context, 'dr-generic', CONFIG);
  assert.deepEqual(await only(lab, 'generic-mode'), []);
  await lab.run('stop', '--detach');
  // A veth has no native mode while its other end sends by more queues than it receives by.
  await lab.exec('switch', ['ethtool', '-L', 'director', 'tx', '2']);
  await lab.startDirector();
  const [finding] = (await examine(lab, '--only', 'generic-mode')).findings;
  assert.equal(finding?.text, `${NIC} runs the director in generic mode, because its driver veth refused native mode`);
  assert.match(finding.evidence[0]!, /refuses native XDP|native/);
  await lab.run('stop', '--detach');
  await lab.exec('switch', ['ethtool', '-L', 'director', 'tx', '1']);
  await lab.startDirector();
  assert.deepEqual(await only(lab, 'generic-mode'), []);
});

test('a host that answers ARP for others is named as such, and not as one that has the VIP', async (context) => {
  const lab = await build(context, 'dr-proxy', CONFIG);
  await sh(lab, 'client', `${otherWay('out')}; ip route add ${VIP4}/32 dev out`);
  await lab.sysctls('client', { 'net/ipv4/ip_forward': '1', [`net/ipv4/conf/${NIC}/proxy_arp`]: '1' });
  const checks = ['vip-answered-by-others', 'vip-duplicate', 'same-mac-twice', 'vip-unanswered'];
  const [finding, ...more] = (await examine(lab, '--only', ...checks)).findings;
  assert.deepEqual(more, []);
  assert.match(
    `${finding?.severity} ${finding?.text}`,
    new RegExp(`^error a host that answers for others \\(.*${CLIENT.mac}\\) answers for the VIP ${VIP4} on ${NIC}$`),
  );
  assert.match(finding!.mend[0]!.command, /proxy_arp=0/);
  await lab.sysctl('client', `net/ipv4/conf/${NIC}/proxy_arp`, '0');
  assert.deepEqual(await only(lab, ...checks), []);
});
