/** One file for several directors: each takes what is its own, and all forward alike. */

import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import test from 'node:test';

import { parseConfig, updateConfig } from '../../../src/config/index.js';
import { diffModels, type Model } from '../../../src/model/index.js';

const FILE = `# for both
interfaces: [ens3]
vrrp: { instances: [{ id: 51, priority: 200 }, { id: 52, interface: ens9, addresses: [192.168.1.101] }] }
hosts:
  lb1: { priority: 250 }
  lb2.example.org: { interfaces: [eth0, eth1], mode: generic, vlans: true, directors: [192.168.1.21], priority: 240 }
services:
  - { address: 192.168.1.100, port: 80, realServers: [192.168.1.31, { address: 192.168.1.32, mac: '00:50:00:00:02:00' }] }
`;

/** Parses the file as on a host. */
function on(host: string, text = FILE): Model {
  return parseConfig(text, 'f', host);
}

function problems(text: string, host = 'lb1'): string[] {
  try {
    on(host, text);
  } catch (error) {
    return (error as Error).message.split('\n');
  }
  return [];
}

test('each host has its own interfaces and priority, and the same services', () => {
  const [one, two, other] = [on('lb1'), on('lb2.example.org'), on('lb3')];
  assert.deepEqual(
    [one, two, other].map(({ interfaces }) => interfaces),
    [['ens3'], ['eth0', 'eth1'], ['ens3']],
  );
  assert.deepEqual(
    [one, two, other].map(({ mode }) => mode),
    ['native', 'generic', 'native'],
  );
  assert.deepEqual(
    [one, two, other].map(({ vrrp }) => vrrp!.instances.map((each) => `${each.interface} ${each.priority}`)),
    [
      ['ens3 250', 'ens9 250'],
      ['eth0 240', 'ens9 240'],
      ['ens3 200', 'ens9 100'],
    ],
  );
  assert.deepEqual(one.services, two.services);
  assert.deepEqual(two.directors, ['192.168.1.21']);
  assert.ok(!('hosts' in one));
});

test('a host is known by its first label or its whole name, in any case, and by no other part', () => {
  for (const [host, isTwo] of [
    ['lb1', false],
    ['LB2.Example.ORG', true],
    ['lb2', false],
    ['lb2.example.org.', true],
    ['xlb2.example.org', false],
  ] as const) {
    assert.equal(on(host).mode === 'generic', isTwo, host);
  }
  assert.equal(on('lb1.example.org').vrrp!.instances[0]!.priority, 250);
  assert.equal(on('lb10').vrrp!.instances[0]!.priority, 200);
});

test('without multicast each host has its own peers, and a virtual router those of its family', () => {
  const file = FILE.replace('{ id: 51, priority: 200 }', '{ id: 51 }, { id: 51, family: ipv6 }')
    .replace('{ priority: 250 }', "{ peers: [192.168.1.22, 'fd00::22'] }")
    .replace('priority: 240', "peers: ['192.168.1.21']");
  const peersOn = (host: string): unknown => on(host, file).vrrp!.instances.map(({ peers }) => peers);
  assert.deepEqual(peersOn('lb1'), [['192.168.1.22'], ['fd00::22'], ['192.168.1.22']]);
  assert.deepEqual(peersOn('lb2.example.org'), [['192.168.1.21'], undefined, ['192.168.1.21']]);
  assert.deepEqual(peersOn('lb3'), [undefined, undefined, undefined]);
  assert.match(
    problems(file.replace('192.168.1.22', '192.168.1.100'), 'lb3')[0]!,
    /^f:5:17: hosts\.lb1\.peers on lb1: must be a director's own address; 192\.168\.1\.100 is a VIP/,
  );
});

test('a contradiction on another host is told with its name, and at its place', () => {
  const behind = FILE.replace("mac: '00:50:00:00:02:00'", "mac: '00:50:00:00:02:00', interface: ens3");
  assert.deepEqual(problems(behind), [
    "f:8:131: services[0].realServers[1].interface on lb2.example.org: must be one of the director's interfaces, eth0, eth1, not ens3",
  ]);
  assert.match(problems(behind, 'lb2.example.org')[0]!, /interface must be one of/);
  assert.deepEqual(problems(FILE.replace('[eth0, eth1]', '[eth0, eth0]')), [
    'f:6:41: hosts.lb2.example.org.interfaces[1] on lb2.example.org: is eth0, the same as interfaces[0]',
  ]);
});

test('what a host cannot have of its own, and names that are none, are problems', () => {
  const cases: [string, RegExp][] = [
    ['lb1: { services: [] }', /hosts\.lb1\.services is not known here; known are interfaces, mode/],
    ['lb1: { intefaces: [a] }', /hosts\.lb1\.intefaces is not known here; known are interfaces, mode/],
    ['lb1: { priority: 255 }', /hosts\.lb1\.priority must be a whole number from 1 to 254/],
    ['lb1: { interfaces: [] }', /hosts\.lb1\.interfaces must name a network interface/],
    ["'-lb1': {}", /must be the name of a host/],
    ["'lb 1': {}", /must be the name of a host/],
    ['lb2: {}\n  lb2.example.org: {}', /is the same host as lb2/],
    ['lb1: eth0', /must be a mapping of what this host has of its own/],
  ];
  for (const [section, message] of cases) {
    const text = FILE.replace(/hosts:\n {2}.*\n {2}.*\n/, `hosts:\n  ${section}\n`);
    assert.match(problems(text).join('\n'), message, section);
  }
  assert.match(problems(FILE.replace(/hosts:\n {2}.*\n {2}.*\n/, 'hosts: [lb1]\n'))[0]!, /hosts must be a mapping/);
});

test('what commands changed is saved beside the hosts, which stay as they are', () => {
  const text = FILE.replace('lb1:', `${hostname()}:`);
  const model = parseConfig(text, 'f');
  const [service] = model.services;
  const changed = { ...model, services: [{ ...service!, scheduler: 'wlc' as const }] };
  const saved = updateConfig(text, changed, 'f');
  assert.deepEqual(diffModels(parseConfig(saved, 'f'), changed), []);
  assert.match(saved, /lb2\.example\.org: \{ interfaces: \[eth0, eth1\], mode: generic/);
  assert.equal(saved.replace(', scheduler: wlc', ''), text);
});
