/** The look over SSH: the script is a clean one, and whatever a host prints, what is read from it is plain. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';

import { ip } from '../../../src/model/index.js';
import { checkSnapshot, lookScript, readLook, type Snapshot } from '../../../src/realserver/index.js';

const VIP4 = ip('192.168.1.100');
const VIP6 = ip('fd00::100');
const SCRIPT = lookScript([VIP4, VIP6]);

const ADDRESSES = `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
    inet 192.168.1.100/32 scope global lo
    inet6 fd00::100/128 scope global nodad tentative dadfailed
2: ens3@if5: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 00:50:00:00:01:00 brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 192.168.1.31/24 brd 192.168.1.255 scope global ens3
    inet6 fd00::1:2:3:4/64 scope global temporary dynamic
3: tun0: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1400 qdisc noqueue
    link/none
    inet 10.0.0.1 peer 10.0.0.2/32 scope global tun0`;

const part = (name: string, text: string): string =>
  `@${name}\n${text
    .split('\n')
    .map((line) => ` ${line}\n`)
    .join('')}\n`;

function outputOf(parts: Readonly<Record<string, string>>): string {
  return `Welcome to web1!\n${Object.entries({ boot: 'b', addresses: ADDRESSES, ...parts })
    .map(([name, text]) => part(name, text))
    .join('')}@end\n`;
}

const read = (parts: Readonly<Record<string, string>> = {}): Snapshot => readLook(outputOf(parts))!;

/** "check severity" of what is not as it should be. */
async function check(host: Snapshot, listen = [80]): Promise<string[]> {
  const found = await checkSnapshot(host, new Map([[VIP4, { listen, pass: listen }]]));
  return found.filter(({ severity }) => severity !== 'ok').map(({ check: name, severity }) => `${name} ${severity}`);
}

const SYSCTLS = ['all', 'lo', 'ens3']
  .flatMap((device) => [
    `/proc/sys/net/ipv4/conf/${device}/arp_ignore:${device === 'all' ? 1 : 0}`,
    `/proc/sys/net/ipv4/conf/${device}/arp_announce:${device === 'all' ? 2 : 0}`,
  ])
  .join('\n');
const LISTENING = '   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1';
const RULES = '{"nftables": [{"metainfo": {"version": "1.0.6"}}]}';
const FINE = { sysctls: SYSCTLS, tcp: LISTENING, nft: RULES };

test('the script is a clean one for any POSIX shell, and what it prints here can be read', () => {
  const checked = spawnSync('shellcheck', ['-s', 'sh', '-'], { input: SCRIPT, encoding: 'utf8' });
  assert.deepEqual([checked.status, checked.stdout], [0, '']);
  for (const shell of ['sh', 'bash']) {
    const { stdout, stderr } = spawnSync(shell, ['-s'], { input: SCRIPT, encoding: 'utf8' });
    assert.equal(stderr, '');
    const { look } = readLook(stdout)!;
    assert.ok(look.links.some(({ device }) => device === 'lo'));
    assert.ok(look.addresses.some(({ address }) => address === '127.0.0.1'));
  }
});

test('interfaces, addresses, gateways and neighbours are read from what iproute2 prints', () => {
  const { look } = read({
    routes: 'default via 192.168.1.1 dev ens3 proto dhcp\ndefault via inet6 fe80::1 dev ens3\nblackhole default',
    neighbours: '192.168.1.100 dev ens3 lladdr 00:50:00:00:04:00 REACHABLE\n192.168.1.9 dev ens3 FAILED',
  });
  assert.deepEqual(
    look.links.map(({ device, mtu, mac }) => `${device} ${mtu} ${mac ?? ''}`),
    ['lo 65536 00:00:00:00:00:00', 'ens3 1500 00:50:00:00:01:00', 'tun0 1400 '],
  );
  assert.deepEqual(
    look.addresses.map(({ device, address, prefix }) => `${device} ${address}/${prefix}`),
    [
      'lo 127.0.0.1/8',
      'lo 192.168.1.100/32',
      'lo fd00::100/128',
      'ens3 192.168.1.31/24',
      'ens3 fd00::1:2:3:4/64',
      'tun0 10.0.0.1/32',
    ],
  );
  assert.ok(look.addresses.find(({ address }) => address === 'fd00::1:2:3:4')?.flags.includes('temporary'));
  assert.deepEqual(
    look.gateways.map(({ address }) => address),
    ['192.168.1.1', 'fe80::1'],
  );
  assert.deepEqual(look.neighbours, [{ address: VIP4, device: 'ens3', mac: '00:50:00:00:04:00' }]);
});

test('a host that is set up has nothing wrong, and each setting that is missing is found', async () => {
  assert.deepEqual(await check(read(FINE)), ['boot note']);
  assert.deepEqual(await check(read({ ...FINE, sysctls: '' })), [
    'arp-ignore error',
    'arp-announce warning',
    'boot note',
  ]);
  assert.deepEqual(await check(read(FINE), [443]), ['listener error', 'boot note']);
  assert.deepEqual(await check(read({ ...FINE, addresses: ADDRESSES.replace(/.*192.168.1.100.*\n/, '') })), [
    ...['address error', 'boot note'],
  ]);
  assert.deepEqual(await check(read({ ...FINE, nft: '{"nftables": [' })), ['firewall note', 'boot note']);
  const host = read(FINE);
  const six = await checkSnapshot(host, new Map([[VIP6, { listen: [], pass: [] }]]));
  assert.match(six.find(({ check: name }) => name === 'address')!.text, /takes it for a duplicate/);
});

test('files of others are looked at, and a file of Beeline that was changed is named', async () => {
  const path = '/etc/sysctl.d/99-lvs.conf';
  const other = await check(read({ ...FINE, [`file ${path}`]: 'net.ipv4.conf.all.arp_ignore = 0' }));
  assert.deepEqual(other, ['boot note', 'other-config warning']);
});

test('output that was cut off, or is something else, is none', () => {
  assert.equal(readLook(''), undefined);
  assert.equal(readLook('Permission denied\n'), undefined);
  assert.equal(readLook(outputOf({}).replace('@end\n', '')), undefined);
});

test('names that a shell would take for more are left out', async () => {
  const hostile = read({
    ...FINE,
    addresses: `${ADDRESSES}\n4: $(reboot): <UP> mtu 1500\n    inet 192.168.1.100/32 scope global x\n5: a;b: <UP> mtu 9\n    inet 192.168.1.100/32 scope global x`,
    nft: JSON.stringify({
      nftables: [
        { table: { family: 'ip', name: 'filter; reboot' } },
        { chain: { family: 'ip', table: '`reboot`', name: 'input', hook: 'input', policy: 'drop' } },
        { rule: { family: 'inet', table: 'x', expr: ['x'.repeat(10_000)] } },
        null,
        7,
        { rule: null },
      ],
    }),
    'file /etc/netplan/$(reboot).yaml': 'ens3: 192.168.1.100',
    record:
      '{"version":1,"entries":[],"wish":{"vips":[{"vip":"192.168.1.100","method":"redirect","ports":[";reboot"]}]}}',
  });
  await assert.rejects(check(hostile), { code: 'HOST_RECORD' });
  const { record: _record, ...rest } = { record: '', ...FINE };
  const found = await checkSnapshot(
    read({
      ...rest,
      addresses: `${ADDRESSES}\n4: $(reboot): <BROADCAST,UP> mtu 1500\n    inet 192.168.1.100/32 scope global x`,
    }),
    new Map([[VIP4, { listen: [80], pass: [80] }]]),
  );
  assert.doesNotMatch(JSON.stringify(found), /reboot/);
  assert.deepEqual(
    found.filter(({ severity }) => severity === 'error'),
    [],
  );
});

test('megabytes of anything are read in a moment', async () => {
  const many = (text: string): string => text.repeat(Math.ceil(500_000 / text.length));
  const began = performance.now();
  for (const text of [many('a'), many('en'), many(' '), many('1: '), many('fd00:'), many('"dport"'), many('[')]) {
    const host = read({
      ...{ addresses: `${ADDRESSES}\n${text}`, routes: text, neighbours: text, sysctls: text, tcp: text },
      ...{ nft: text, arptables: text, iptables: `-A ${text}`, 'file /etc/netplan/x.yaml': text },
    });
    await check(host);
  }
  assert.ok(performance.now() - began < 10_000);
});
