/** A file for the next boot adds to what configures the interface, or is refused: it never takes an interface over. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';

import { parse } from 'yaml';

import { ip } from '../../../src/model/index.js';
import { deviceFor, type DeviceLink } from '../../../src/setup/vip/device.js';
import { planOf } from '../../../src/setup/vip/plan.js';
import {
  type AddressWay,
  type FileStep,
  noteOnWay,
  type Place,
  placeFor,
  requireLoopbackProfiles,
  wayInUse,
} from '../../../src/steps/index.js';
import { FakeHost, freshState } from '../../support/fake-host.js';

function place(way: AddressWay, files: Record<string, string>, device = 'ens3', ifindex = 3): Place {
  return placeFor(new FakeHost({ ...freshState(), files }, []), {
    ...{ way, device, ifindex, fileName: 'beeline-vip' },
  });
}

function textOf(found: Place, device = 'ens3'): string {
  const vips = [ip('192.168.1.100'), ip('fd00::100')].map((vip) => ({ vip, device, place: found }));
  const [file, ...others] = planOf({ vips }).filter((step): step is FileStep => step.kind === 'file');
  assert.deepEqual(others, []);
  return file!.text;
}

test('systemd-networkd gets a drop-in of the file that the interface follows', () => {
  const links = '/run/systemd/netif/links';
  const three = 'ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/10-netplan-ens3.network\n';
  const found = place('systemd-networkd', { [`${links}/3`]: three });
  assert.deepEqual(found, { way: 'systemd-networkd', network: '10-netplan-ens3.network' });
  const steps = planOf({ vips: [{ vip: ip('192.168.1.100'), device: 'ens3', place: found }] });
  const [, file] = steps;
  assert.ok(file?.kind === 'file');
  assert.equal(file.path, '/etc/systemd/network/10-netplan-ens3.network.d/beeline-vip.conf');
  assert.match(file.text, /^\[Address\]\nAddress=192\.168\.1\.100\/32\n$/m);
});

test('systemd-networkd without the interface, or with one file for several, is refused: others would change', () => {
  const links = '/run/systemd/netif/links';
  const shared = 'NETWORK_FILE=/etc/systemd/network/all.network\n';
  assert.throws(() => place('systemd-networkd', {}), { code: 'USAGE', message: /no file of it/ });
  assert.throws(() => place('systemd-networkd', { [`${links}/3`]: shared, [`${links}/4`]: shared }), {
    code: 'USAGE',
    message: /other interfaces too/,
  });
  assert.deepEqual(place('systemd-networkd', {}, 'lo', 1), { way: 'systemd-networkd' });
});

test('systemd-networkd: lo keeps the file that it has or will have, and our own file is not a drop-in of itself', () => {
  const own = '/etc/systemd/network/10-beeline-vip.network';
  const lo = (files: Record<string, string>): Place => place('systemd-networkd', files, 'lo', 1);
  assert.deepEqual(lo({ '/run/systemd/netif/links/1': `NETWORK_FILE=${own}\n`, [own]: '[Match]\nName=lo\n' }), {
    way: 'systemd-networkd',
  });
  const other = {
    '/etc/systemd/network/20-router-id.network': '# mine\n[Match]\nName = lo\n\n[Network]\nAddress=10.0.0.1/32\n',
  };
  const found = lo(other);
  assert.deepEqual(found, { way: 'systemd-networkd', network: '20-router-id.network' });
  assert.match(
    textOf(found, 'lo'),
    /\n\[Address\]\nAddress=192\.168\.1\.100\/32\n[^]*DuplicateAddressDetection=none\n$/,
  );
  assert.doesNotMatch(textOf(found, 'lo'), /Match/);
  assert.throws(() => lo({ '/etc/systemd/network/all.network': '[Match]\nName=lo ens3\n' }), {
    code: 'USAGE',
    message: /other interfaces too/,
  });
  assert.deepEqual(lo({ '/etc/systemd/network/a.network': '[Match]\nName=ens3\n[Network]\nName=lo\n' }), {
    way: 'systemd-networkd',
  });
});

test('a file of lo that another command wrote goes with that: nothing is put beside it', () => {
  const text = '[Match]\nName=lo\n';
  const of = (file: string): Place => place('systemd-networkd', { [`/etc/systemd/network/${file}`]: text }, 'lo', 1);
  assert.throws(() => of('10-beeline-realserver.network'), { code: 'USAGE', message: /another command/ });
  assert.deepEqual(of('10-beeline-vip.network'), { way: 'systemd-networkd' });
  assert.deepEqual(of('10-lo.network'), { way: 'systemd-networkd', network: '10-lo.network' });
});

test('netplan that hands over to NetworkManager cannot bring lo back, which it takes for a network card', () => {
  const toManager = { '/etc/netplan/01-all.yaml': 'network: {renderer: NetworkManager}' };
  assert.throws(() => place('netplan', toManager, 'lo', 1), { code: 'USAGE', message: /--persist networkmanager/ });
  assert.throws(
    () => place('netplan', { '/etc/netplan/a.yaml': 'network: {ethernets: {lo: {renderer: NetworkManager}}}' }, 'lo'),
    {
      code: 'USAGE',
    },
  );
  const back = { ...toManager, '/etc/netplan/02-server.yaml': 'network: {renderer: networkd}' };
  assert.deepEqual(place('netplan', back, 'lo', 1), { way: 'netplan', section: 'ethernets', id: 'lo' });
});

function auto(files: Record<string, string>, device = 'lo', programs?: readonly string[]): Promise<AddressWay> {
  const host = new FakeHost({ ...freshState(), files }, []);
  host.listing = () => Promise.resolve('1.42.4');
  host.programs = programs ?? host.programs;
  return wayInUse(host, { device, ifindex: device === 'lo' ? 1 : 3, fileName: 'beeline-vip' });
}

/** What systemd's package makes at each boot of every Debian, although systemd-networkd does not run. */
const NETIF = { '/run/systemd/netif': '', '/run/systemd/netif/links': '' };
const INTERFACES = { '/etc/network/interfaces': 'source interfaces.d/*\niface ens3 inet dhcp\n' };

test('auto finds what configures the network of the host', async () => {
  const runs = { ...NETIF, '/run/systemd/netif/state': '' };
  const toManager = { '/etc/netplan/01-all.yaml': 'network: {renderer: NetworkManager}' };
  assert.equal(await auto({ ...INTERFACES, '/etc/netplan/50-cloud-init.yaml': '' }), 'netplan');
  assert.equal(await auto({ ...INTERFACES, '/run/NetworkManager': '' }), 'networkmanager');
  assert.equal(await auto(toManager), 'networkmanager');
  assert.equal(await auto({ ...toManager, '/etc/netplan/02-server.yaml': 'network: {renderer: networkd}' }), 'netplan');
  assert.equal(await auto({ ...INTERFACES, ...runs }), 'systemd-networkd');
  await assert.rejects(auto({}), { code: 'USAGE', message: /none that Beeline knows/ });
});

test('auto: the folder of a systemd-networkd that does not run is on every Debian, whose VIPs would be gone after a boot', async () => {
  assert.equal(await auto({ ...INTERFACES, ...NETIF }), 'ifupdown');
});

test('auto passes over a program that cannot bring the interface back, and says why if none can', async () => {
  const manager = { '/run/NetworkManager': '', '/run/NetworkManager/devices/1': '[device]\nmanaged=true\n' };
  assert.equal(await auto({ ...INTERFACES, ...manager }), 'networkmanager');
  assert.equal(await auto({ ...INTERFACES, ...manager }, 'ens3'), 'ifupdown');
  const profile = { '/etc/NetworkManager/system-connections/lan.nmconnection': 'type=loopback\n' };
  // NetworkManager takes away what another program adds to lo when it activates its profile.
  await assert.rejects(auto({ ...INTERFACES, ...manager, ...profile }), { message: /lan\.nmconnection/ });
  await assert.rejects(auto({ ...manager, ...profile }), { code: 'USAGE', message: /lan\.nmconnection/ });
});

test('auto: what systemd-networkd configures is known to NetworkManager too, whose script does not run for it', async () => {
  const both = {
    '/run/NetworkManager': '',
    '/run/NetworkManager/devices/3': 'managed=true\n',
    '/run/systemd/netif/state': '',
    '/run/systemd/netif/links/3': 'NETWORK_FILE=/etc/systemd/network/lan.network\n',
  };
  assert.equal(await auto(both, 'ens3'), 'systemd-networkd');
  const ens3 = { '/etc/netplan/2.yaml': 'network: {ethernets: {ens3: {renderer: networkd}}}' };
  const netplan = { '/etc/netplan/1.yaml': 'network: {renderer: NetworkManager}', ...ens3 };
  assert.equal(await auto({ ...both, ...netplan }, 'ens3'), 'netplan');
});

test('a way whose program is not installed is refused: nothing would read its file', async () => {
  for (const way of ['systemd-networkd', 'netplan', 'ifupdown', 'networkmanager'] as const) {
    const host = new FakeHost({ ...freshState(), files: INTERFACES }, []);
    const request = { way, device: 'lo', ifindex: 1, fileName: 'beeline-vip' };
    assert.doesNotThrow(() => placeFor(host, request));
    host.programs = host.programs.filter((path) => !/networkd|netplan|ifup|NetworkManager/.test(path));
    assert.throws(() => placeFor(host, request), { code: 'USAGE', message: /not installed/ });
  }
  assert.equal(await auto({ ...INTERFACES, '/etc/netplan/left.yaml': '' }, 'lo', ['/sbin/ifup']), 'ifupdown');
});

test('a program that is installed and does not run is named: its file brings nothing back', () => {
  const host = (files: Record<string, string>) => new FakeHost({ ...freshState(), files }, []);
  assert.match(noteOnWay(host(NETIF), 'systemd-networkd')!, /^systemd-networkd does not run on this host/);
  assert.equal(noteOnWay(host({ '/run/systemd/netif/state': '' }), 'systemd-networkd'), undefined);
  assert.match(noteOnWay(host({}), 'networkmanager')!, /does not run/);
  assert.equal(noteOnWay(host({}), 'netplan'), undefined);
});

test('NetworkManager leaves an interface alone that it does not manage: its script would never run', () => {
  const devices = '/run/NetworkManager/devices';
  for (const state of [{ [`${devices}/1`]: 'managed=true\n' }, { [`${devices}/3`]: '[device]\nmanaged=false\n' }]) {
    assert.throws(() => place('networkmanager', state), { code: 'USAGE', message: /does not manage/ });
  }
  assert.deepEqual(place('networkmanager', { [`${devices}/3`]: '[device]\nmanaged=true\n' }), {
    way: 'networkmanager',
  });
});

test('netplan: a later file may change who gets a definition, or name its interface; one in /run hides one in /etc', () => {
  const lan = 'network: {ethernets: {lan: {match: {macaddress: "00:50:00:00:04:00"}, set-name: ens3}}}';
  const files = { '/etc/netplan/50-cloud-init.yaml': lan };
  const later = (text: string): Place =>
    place('netplan', { ...files, '/etc/netplan/60.yaml': `network: {ethernets: {${text}}}` });
  assert.deepEqual(later('lan: {dhcp4: true}'), { way: 'netplan', section: 'ethernets', id: 'lan' });
  assert.throws(() => later('lan: {renderer: NetworkManager}'), { code: 'USAGE', message: /NetworkManager/ });
  assert.throws(() => later('lan: {set-name: ens4}'), { code: 'USAGE', message: /no definition/ });
  assert.throws(() => place('netplan', { ...files, '/run/netplan/50-cloud-init.yaml': 'network: {}' }), {
    code: 'USAGE',
  });
  const named = { '/etc/netplan/60-beeline-host.yaml': 'network: {ethernets: {ens3: {}}}' };
  assert.deepEqual(place('netplan', named), { way: 'netplan', section: 'ethernets', id: 'ens3' });
});

test('netplan that hands a card to NetworkManager cannot say there that a VIP is no source: the way is a script', () => {
  for (const text of [
    'renderer: NetworkManager, ethernets: {ens3: {}}',
    'ethernets: {ens3: {renderer: NetworkManager}}',
  ]) {
    assert.throws(() => place('netplan', { '/etc/netplan/a.yaml': `network: {${text}}` }), {
      code: 'USAGE',
      message: /--persist networkmanager/,
    });
  }
});

test('NetworkManager has one profile of lo: another one is refused, the own one is not', () => {
  const folder = '/etc/NetworkManager/system-connections';
  const text = '[connection]\ntype=loopback\n';
  assert.throws(() => place('networkmanager', { [`${folder}/beeline-realserver.nmconnection`]: text }, 'lo', 1), {
    code: 'USAGE',
    message: /beeline-realserver/,
  });
  const fine = { [`${folder}/beeline-vip.nmconnection`]: text, [`${folder}/lan.nmconnection`]: 'type=ethernet\n' };
  assert.deepEqual(place('networkmanager', fine, 'lo', 1), { way: 'networkmanager' });
});

test('netplan: lo keeps the definition that it has', () => {
  const found = place(
    'netplan',
    { '/etc/netplan/a.yaml': 'network: {ethernets: {ids: {match: {name: lo}}}}' },
    'lo',
    1,
  );
  assert.deepEqual(parse(textOf(found, 'lo')), {
    network: { version: 2, ethernets: { ids: { addresses: ['192.168.1.100/32', 'fd00::100/128'] } } },
  });
});

test('a NetworkManager without profiles of lo is refused, and one that does not tell is not', async () => {
  for (const [version, isRefused] of [
    ['1.30.6', true],
    ['1.42.4', false],
    ['2.0', false],
    [undefined, false],
  ] as const) {
    const host = new FakeHost(freshState(), []);
    host.listing = () => Promise.resolve(version!);
    const asked = requireLoopbackProfiles(host);
    await (isRefused ? assert.rejects(asked, { code: 'USAGE', message: /1\.30\.6/ }) : asked);
  }
});

test('ifupdown: a pattern that our file does not match is no place, since nothing would read it', () => {
  const read = (line: string): Place => place('ifupdown', { '/etc/network/interfaces': `${line}\n` }, 'lo', 1);
  for (const line of [
    'source /etc/network/interfaces.d/*',
    'source interfaces.d/*',
    'source /etc/network/*/beeline-[a-z]??',
    'source-directory /etc/network/interfaces.d',
    'source-directory interfaces.d/',
  ]) {
    assert.deepEqual(read(line), { way: 'ifupdown' }, line);
  }
  for (const line of [
    'source /etc/network/interfaces.d/*.cfg',
    '# source /etc/network/interfaces.d/*',
    'source /etc/network/interfaces.d/eth0',
    'source-directory /etc/network/other.d',
    'source',
    'source [',
  ]) {
    assert.throws(() => read(line), { code: 'USAGE', message: /does not read/ }, line);
  }
});

test('no file makes an IPv6 VIP the source of this host’s own packets', () => {
  const one = { '/run/systemd/netif/links/3': 'NETWORK_FILE=/etc/systemd/network/lan.network\n' };
  assert.match(
    textOf(place('systemd-networkd', one)),
    /\[Address\]\nAddress=192\.168\.1\.100\/32\n\n\[Address\]\nAddress=fd00::100\/128\nPreferredLifetime=0\n/,
  );
  const main = { '/etc/network/interfaces': 'source interfaces.d/*\niface ens3 inet manual\n' };
  assert.match(
    textOf(place('ifupdown', main)),
    /inet static\n {4}address 192\.168\.1\.100\/32\niface ens3 inet6 static\n {4}address fd00::100\/128\n {4}preferred-lifetime 0\n/,
  );
});

test('netplan gets addresses for the definition that has the interface, by id, by set-name or by match', () => {
  for (const [text, id] of [
    ['network: {ethernets: {ens3: {dhcp4: true}}}', 'ens3'],
    ['network: {ethernets: {lan: {match: {macaddress: "00:50:00:00:04:00"}, set-name: ens3}}}', 'lan'],
    ['network: {ethernets: {lan: {match: {name: ens3}}, ens4: {}}}', 'lan'],
  ] as const) {
    const found = place('netplan', { '/etc/netplan/50-cloud-init.yaml': text });
    assert.deepEqual(found, { way: 'netplan', section: 'ethernets', id });
    assert.deepEqual(parse(textOf(found)), {
      network: {
        version: 2,
        ethernets: { [id]: { addresses: ['192.168.1.100/32', { 'fd00::100/128': { lifetime: 0 } }] } },
      },
    });
  }
  const bridge = place('netplan', { '/etc/netplan/a.yaml': 'network: {bridges: {br0: {}}}' }, 'br0');
  assert.deepEqual(bridge, { way: 'netplan', section: 'bridges', id: 'br0' });
});

test('netplan without the interface, or with a pattern, is refused; damaged files are passed over', () => {
  for (const text of ['network: {ethernets: {ens3: {match: {name: "en*"}}}}', 'network: {}', '[', 'network: 1', '']) {
    assert.throws(() => place('netplan', { '/etc/netplan/a.yaml': text }), { code: 'USAGE' }, text);
  }
});

test('ifupdown gets a second stanza of an interface that it has, and needs its folder to be read', () => {
  const main = 'source /etc/network/interfaces.d/*\nauto ens3\niface ens3 inet dhcp\n';
  const found = place('ifupdown', { '/etc/network/interfaces': main });
  const text = textOf(found);
  assert.match(text, /^iface ens3 inet static\n {4}address 192\.168\.1\.100\/32\niface ens3 inet6 static\n/m);
  assert.doesNotMatch(text, /^auto/m);
  assert.throws(() => place('ifupdown', { '/etc/network/interfaces': main }, 'ens30'), { code: 'USAGE' });
  assert.throws(() => place('ifupdown', { '/etc/network/interfaces': main.replace('source', '#') }), { code: 'USAGE' });
  const split = {
    '/etc/network/interfaces': 'source-directory interfaces.d\n',
    '/etc/network/interfaces.d/lan': 'iface ens3 inet manual\n',
  };
  assert.deepEqual(place('ifupdown', split), { way: 'ifupdown' });
});

test("NetworkManager's script is one that sh understands, and does nothing but for its interface coming up", () => {
  const text = textOf(place('networkmanager', {}));
  assert.equal(spawnSync('sh', ['-n'], { input: text }).status, 0);
  const run = (...args: string[]): string =>
    spawnSync('sh', ['-s', ...args], { input: text.replaceAll('ip address', 'echo ip address'), encoding: 'utf8' })
      .stdout;
  assert.equal(run('ens4', 'up') + run('ens3', 'down') + run(), '');
  // "nmcli device reapply" takes away what the profile does not have.
  assert.equal(run('ens3', 'reapply'), run('ens3', 'up'));
  assert.equal(
    run('ens3', 'up'),
    'ip address replace 192.168.1.100/32 dev ens3\nip address replace fd00::100/128 dev ens3 nodad preferred_lft 0\n',
  );
});

test('a name that a file or a shell would read otherwise is refused', () => {
  for (const device of ["e'; reboot", 'a*', 'e:1', 'x"y']) {
    assert.throws(() => place('networkmanager', {}, device), { code: 'USAGE', message: /characters/ });
  }
});

const link = (name: string, ifindex: number, rest: Partial<DeviceLink> = {}): DeviceLink => ({
  name,
  ifindex,
  kind: '',
  master: undefined,
  ...rest,
});
const LINKS = [
  link('lo', 1),
  link('ens3', 3),
  link('ens4', 4, { master: 9 }),
  link('ens5', 5, { master: 8 }),
  link('bond0', 8, { kind: 'bond', master: 9 }),
  link('br0', 9, { kind: 'bridge' }),
  link('ens6', 6, { master: 10 }),
  link('vrf0', 10, { kind: 'vrf' }),
];

test("the interface is the one that was named, or lo, or the director's first, or the bond or bridge over it", () => {
  const of = (request: Partial<Parameters<typeof deviceFor>[0]>): string =>
    deviceFor({ announce: false, interfaces: undefined, ...request }, LINKS);
  assert.equal(of({ interfaces: ['ens3', 'ens4'] }), 'ens3');
  assert.equal(of({ interfaces: ['ens4'] }), 'br0');
  assert.equal(of({ interfaces: ['ens5'] }), 'br0');
  assert.equal(of({ interfaces: ['ens6'] }), 'ens6');
  assert.equal(of({ interfaces: ['ens3'], announce: true }), 'lo');
  assert.equal(of({ named: 'br0', announce: true }), 'br0');
  assert.throws(() => of({ named: 'ens4' }), { code: 'USAGE', message: /belongs to br0/ });
  assert.throws(() => of({ named: 'ens33' }), { code: 'INTERFACE_MISSING', hint: /ens3/ });
  assert.throws(() => of({ interfaces: ['ens33'] }), { code: 'INTERFACE_MISSING' });
  assert.throws(() => of({}), { code: 'USAGE', hint: /--interface.*beeline init/ });
});
