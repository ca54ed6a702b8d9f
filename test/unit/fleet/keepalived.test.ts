/** keepalived's configuration from the model, whose file it is, and what keepalived's answers mean. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { marked, originOfText } from '../../../src/fleet/index.js';
import { validationOf } from '../../../src/fleet/keepalived/validate.js';
import { confOfCase, goldenConf, KEEPALIVED_CASES } from '../../support/keepalived-cases.js';

for (const each of KEEPALIVED_CASES) {
  test(`keepalived.conf is as recorded: ${each.name}`, () => {
    assert.equal(confOfCase(each), goldenConf(each.name));
  });
}

test('whatever is asked for, no line touches IPVS, and version 2 is never spoken', () => {
  for (const each of KEEPALIVED_CASES) {
    const text = confOfCase(each);
    assert.doesNotMatch(text, /virtual_server|real_server|vrrp_strict|auth/);
    assert.equal(text.match(/^ {4}version 3$/gm)?.length, text.match(/^vrrp_instance /gm)?.length);
  }
});

test('without a virtual router, or without an address, there is nothing to write', () => {
  const without = { vrrp: '{ instances: [{ id: 51 }] }', services: 'services: []' };
  assert.throws(() => confOfCase(without), { code: 'VRRP_UNSET', message: /vrrp VI_51 has no address/ });
  const ipv6 = { vrrp: '{ instances: [{ id: 51, family: ipv6 }] }' };
  assert.throws(() => confOfCase(ipv6), { code: 'VRRP_UNSET', message: /no service has an IPv6 VIP/ });
});

test('directors advertise the same while a VIP is there on one of them already', () => {
  const advertised = (text: string): readonly string[] | null => text.match(/virtual_ipaddress \{\n *[^ ]+/g);
  const more = `services:
  - { address: 192.168.1.100, port: 80, realServers: [192.168.1.31] }
  - { address: 192.168.1.109, port: 80, realServers: [192.168.1.31] }
  - { address: 'fd00::100', port: 80, realServers: ['fd00::31'] }
  - { address: 'fd00::200', port: 80, realServers: ['fd00::31'] }
`;
  const fewer = more
    .split('\n')
    .filter((line) => !/109|::200/.test(line))
    .join('\n');
  const vrrp = '{ instances: [{ id: 51, priority: 250 }] }';
  const [before, after] = [confOfCase({ vrrp, services: fewer }), confOfCase({ vrrp, services: more })];
  assert.notEqual(before, after);
  assert.deepEqual(advertised(before), advertised(after));
  assert.equal(advertised(after)?.length, 2);
});

test('announcements wait for each other only where all routers of an interface have virtual MACs', () => {
  const instance = (more: string): string => `{ id: 51, priority: 250${more} }`;
  const waits = (...instances: string[]): string[] =>
    confOfCase({ vrrp: `{ instances: [${instances.join()}] }` }).match(/garp_interval .*|^ +interface .*(?=\n})/gm) ??
    [];
  // Of two addresses each waits half as long.
  assert.deepEqual(waits(instance(', vmac: true')), ['garp_interval 0.025', '    interface test60']);
  assert.deepEqual(waits(instance('')), []);
  const [one, other] = [', addresses: [192.168.1.100]', ', addresses: [192.168.1.101], name: b'];
  assert.deepEqual(waits(instance(`, vmac: true${one}`), `{ id: 52${other} }`), []);
  assert.deepEqual(waits(instance(`, vmac: true${one}`), `{ id: 52, interface: test61${other} }`), [
    'garp_interval 0.05',
    '    interface test60',
  ]);
});

test('a file that somebody else wrote, or edited, is told from one of our own', () => {
  const text = 'vrrp_instance VI_1 {\n}\n';
  const own = marked(text);
  assert.equal(originOfText(own), 'own');
  assert.equal(originOfText(''), 'own');
  assert.equal(originOfText('\n \n'), 'own');
  assert.equal(originOfText(text), 'foreign');
  assert.equal(originOfText('! keepalived\n'), 'foreign');
  assert.equal(originOfText(own.replace('VI_1', 'VI_2')), 'edited');
  assert.equal(originOfText(`${own}\n`), 'edited');
  assert.equal(originOfText(own.slice(0, -1)), 'edited');
  assert.equal(originOfText(own.replaceAll('\n', '\r\n')), 'edited');
  assert.equal(originOfText(`# mine\n${own}`), 'edited');
  assert.equal(originOfText(own.split('\n')[0]!), 'edited');
  assert.equal(originOfText(own.replace(/[0-9a-f]{64}/, 'x')), 'edited');
});

test('the folder of the daemon that has not run yet is no mistake, of which keepalived 2.3 makes an error', () => {
  const path = '/tmp/x/keepalived.conf';
  const of = (output: string): ReturnType<typeof validationOf> =>
    validationOf({ state: 'ended', status: 5, output }, path);
  const folder = [
    `(${path}: Line 13) realpath() error 2 (No such file or directory) for beeline_default`,
    `(${path}: Line 33) (VI_51) track file beeline_default not found, ignoring...`,
  ].join('\n');
  assert.deepEqual(of(folder), { state: 'valid', problems: [], missing: [] });
  assert.deepEqual(of(`${folder}\n(Line 6) Unknown keyword 'x'`), {
    state: 'refused',
    problems: ["line 6: Unknown keyword 'x'"],
    missing: [],
  });
});

test('interfaces that are missing here are no mistake, whatever status keepalived ends with', () => {
  const path = '/tmp/x/keepalived.conf';
  const of = (output: string, status = 5): ReturnType<typeof validationOf> =>
    validationOf({ state: 'ended', status, output }, path);
  const interfaces = [
    `(${path}: Line 14) WARNING - interface ens9 for vrrp_instance VI_51 doesn't exist`,
    `(${path}: Line 4) WARNING - interface ens9 specified for garp_group doesn't exist`,
    `(${path}: Line 24) WARNING - interface ens9 for ip address 10.6.0.100/32 doesn't exist`,
    'Non-existent interface specified in configuration',
  ].join('\n');
  assert.deepEqual(of(interfaces), { state: 'valid', problems: [], missing: ['ens9'] });
  assert.deepEqual(of(`${interfaces}\n(Line 6) Unknown keyword 'x'\n(${path}: Line 6) Unknown keyword 'x'\n`), {
    state: 'refused',
    problems: ["line 6: Unknown keyword 'x'"],
    missing: ['ens9'],
  });
  assert.deepEqual(of('', 0), { state: 'valid', problems: [], missing: [] });
  assert.deepEqual(of(`(${path}: Line 3) is deprecated\n`, 0), {
    state: 'valid',
    problems: ['line 3: is deprecated'],
    missing: [],
  });
  assert.deepEqual(of('', 1), { state: 'refused', problems: ['it ended with status 1'], missing: [] });
  for (const state of ['absent', 'unanswered'] as const) {
    assert.deepEqual(validationOf({ state, status: -1, output: 'x' }, path), { state, problems: [], missing: [] });
  }
});
