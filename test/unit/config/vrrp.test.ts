/** VRRP in the configuration file: defaults, both families, contradictions at their places, and what is written back. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { ConfigError, formatConfig, parseConfig, updateConfig } from '../../../src/config/index.js';
import { diffModels, type Model, virtualRouters } from '../../../src/model/index.js';

const SERVICES = `services:
  - { address: 192.168.1.100, port: 80, realServers: [192.168.1.31] }
  - { address: 'fd00::100', port: 80, realServers: ['fd00::31'] }
`;

function file(vrrp: string, services = SERVICES): string {
  return `interfaces: [ens3, ens4]\nvrrp: ${vrrp}\n${services}`;
}

function problemsOf(text: string): string[] {
  try {
    parseConfig(text, 'f');
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message.split('\n');
  }
  return [];
}

function routersOf(vrrp: string, services = SERVICES): string[] {
  return virtualRouters(parseConfig(file(vrrp, services), 'f')).map(
    ({ name, interface: device, family, addresses }) => `${name} ${device} IPv${family} ${addresses.join(' ')}`,
  );
}

test('an instance with an id alone gets the defaults', () => {
  assert.deepEqual(parseConfig(file('{ instances: [{ id: 51 }] }'), 'f').vrrp, {
    instances: [{ name: 'VI_51', interface: 'ens3', id: 51, priority: 100, interval: 1 }],
  });
});

test('no VIP of a service is without an instance, whichever of them name addresses or families', () => {
  const only6 = "services: [{ address: 'fd00::100', port: 80, realServers: [] }]";
  const cases: [string, string[], string?][] = [
    ['{ instances: [{ id: 51 }] }', ['VI_51 ens3 IPv4 192.168.1.100', 'VI_51_6 ens3 IPv6 fd00::100']],
    ['{ instances: [{ id: 51, name: lan }] }', ['lan ens3 IPv4 192.168.1.100', 'lan_6 ens3 IPv6 fd00::100']],
    ['{ instances: [{ id: 51 }] }', ['VI_51 ens3 IPv6 fd00::100'], only6],
    ['{ instances: [{ id: 51 }] }', ['VI_51 ens3 IPv4 '], 'services: []'],
    [
      '{ instances: [{ id: 51 }, { id: 51, family: ipv6, interface: ens4 }] }',
      ['VI_51 ens3 IPv4 192.168.1.100', 'VI_51_6 ens4 IPv6 fd00::100'],
    ],
    ['{ instances: [{ id: 51, family: ipv4 }] }', ['VI_51 ens3 IPv4 192.168.1.100']],
    ['{ instances: [{ id: 51, source: 192.168.1.4 }] }', ['VI_51 ens3 IPv4 192.168.1.100']],
    ["{ instances: [{ id: 51, peers: ['fe80::5'] }] }", ['VI_51_6 ens3 IPv6 fd00::100']],
    [
      "{ instances: [{ id: 51, addresses: [192.168.1.100] }, { id: 52, addresses: ['fd00::100', 'fd00::7'] }] }",
      ['VI_51 ens3 IPv4 192.168.1.100', 'VI_52_6 ens3 IPv6 fd00::100 fd00::7'],
    ],
    [
      "{ instances: [{ id: 51, addresses: ['fd00::100'] }, { id: 52 }] }",
      ['VI_51_6 ens3 IPv6 fd00::100', 'VI_52 ens3 IPv4 192.168.1.100'],
    ],
  ];
  for (const [vrrp, expected, services] of cases) {
    assert.deepEqual(routersOf(vrrp, services), expected, vrrp);
  }
});

test('VIPs of marks have an instance too, networks of marks have none', () => {
  const marks = `services: []
marks: [{ mark: 1, match: ['tcp:10.0.0.100:80', 'tcp:10.0.0.100:443', 'tcp:10.1.0.0/24:80'], realServers: [] }]`;
  assert.deepEqual(routersOf('{ instances: [{ id: 1 }] }', marks), ['VI_1 ens3 IPv4 10.0.0.100']);
});

test('each mistake in VRRP has one message, at its place', () => {
  const one = (rest: string): string => `{ instances: [{ id: 51, ${rest} }] }`;
  const two = (a: string, b: string): string => `{ instances: [{ ${a} }, { ${b} }] }`;
  const cases: [string, RegExp][] = [
    ['{ instances: [] }', /vrrp\.instances must have a virtual router$/],
    ['5', /vrrp must be a mapping with "instances", not 5$/],
    ['{ instances: [5] }', /instances\[0\] must be a virtual router: a mapping with "id", not 5$/],
    ['{ instances: [{ priority: 5 }] }', /instances\[0\]\.id is missing: it must be a whole number from 1 to 255$/],
    ['{ instances: [{ id: 256 }] }', /id must be a whole number from 1 to 255, not 256$/],
    [one('priority: 255'), /priority must be a whole number from 1 to 254, not 255$/],
    [one('interval: 0.001'), /interval must be seconds from 0\.01 to 40\.95, in steps of 0\.01, not 0\.001$/],
    [one('interval: 0.015'), /interval must be .* in steps of 0\.01/],
    [one('interval: 41'), /interval must be seconds from 0\.01 to 40\.95/],
    [one('name: "a b"'), /name must be a name of letters, digits, /],
    [one('name: "}"'), /name must be a name of letters, digits, /],
    [one('prio: 5'), /prio is not known here; known are name, interface, id, priority, /],
    [one('advert_int: 1'), /advert_int is not known here: write "interval"$/],
    [one('state: MASTER'), /state is not known here: all directors begin as standby/],
    [
      one('authentication: { auth_type: PASS }'),
      /f:2:31: .*authentication is not known here: VRRP version 3 has no authentication/,
    ],
    [one('auth_pass: x'), /has no authentication \(RFC 9568, 9\)/],
    ['{ instance: [], instances: [{ id: 1 }] }', /vrrp\.instance is not known here; known are routerName, instances$/],
    [
      two('id: 51', 'id: 51, name: b'),
      /instances\[1\]\.id is 51, the same as vrrp\.instances\[0\]\.id on the same interface/,
    ],
    [two('id: 51, family: ipv6', "id: 51, addresses: ['fd00::9']"), /instances\[1\]\.id is 51, the same as/],
    [two('id: 51, interface: ens3', 'id: 51'), /instances\[1\]\.id is 51, the same as/],
    [
      two('id: 51, addresses: [10.0.0.1]', 'id: 51, interface: ens4'),
      /instances\[1\]\.?n?a?m?e? is VI_51, the same as that of vrrp\.instances\[0\]: give it another "name"$/,
    ],
    [
      two('id: 51', 'id: 52'),
      /instances\[1\]\.addresses is missing: vrrp\.instances\[0\] has the VIPs that nobody names$/,
    ],
    [one('addresses: [10.0.0.1, 10.0.0.1]'), /addresses\[1\] is 10\.0\.0\.1, the same as addresses\[0\]$/],
    [
      two('id: 51, addresses: [10.0.0.1]', 'id: 52, addresses: [10.0.0.2, 10.0.0.1]'),
      /instances\[1\]\.addresses\[1\] is 10\.0\.0\.1, the same as vrrp\.instances\[0\]\.addresses\[0\]$/,
    ],
    [
      one("addresses: [10.0.0.1, 'fd00::1']"),
      /addresses\[1\] must be an IPv4 address as addresses\[0\] is, 10\.0\.0\.1, not fd00::1/,
    ],
    [
      one('addresses: [10.0.0.1], family: ipv6'),
      /addresses\[0\] must be an IPv6 address as "family" says, not 10\.0\.0\.1/,
    ],
    [one('addresses: []'), /addresses must name an address$/],
    [one('addresses: [127.0.0.1]'), /cannot be a VIP: 127\.0\.0\.1 is a loopback address$/],
    [one('addresses: [224.0.0.18]'), /cannot be a VIP: .* multicast/],
    [
      one("addresses: [10.0.0.1], source: 'fd00::1'"),
      /source must be an IPv4 address as the instance has, not fd00::1$/,
    ],
    [
      one("source: 10.0.0.4, peers: [10.0.0.5, 'fd00::1']"),
      /peers\[1\] must be an IPv4 address as the instance has, not fd00::1$/,
    ],
    [
      one('family: ipv6, peers: [10.0.0.5]'),
      /peers\[0\] must be an IPv6 address as the instance has, not 10\.0\.0\.5$/,
    ],
    [one('source: 10.0.0.4, peers: [10.0.0.4]'), /peers\[0\] is 10\.0\.0\.4, this director's own "source"/],
    [one('peers: [10.0.0.4, 10.0.0.4]'), /peers\[1\] is 10\.0\.0\.4, the same as peers\[0\]$/],
    [one('peers: [192.168.1.100]'), /peers\[0\] must be a director's own address; 192\.168\.1\.100 is a VIP/],
    [one('source: 192.168.1.100'), /source must be a director's own address; 192\.168\.1\.100 is a VIP/],
    [one('preempt: false, preemptDelay: 5'), /preemptDelay has no meaning with "preempt: false"$/],
    [one('preemptDelay: 1001'), /preemptDelay must be seconds from 0 to 1000, not 1001$/],
  ];
  for (const [vrrp, pattern] of cases) {
    const problems = problemsOf(file(vrrp));
    assert.equal(problems.length, 1, `${vrrp}\n${problems.join('\n')}`);
    assert.match(problems[0]!, pattern);
    assert.match(problems[0]!, /^f:2:\d+: vrrp/);
  }
});

test('contradictions among instances are reported beside mistakes in others', () => {
  const problems = problemsOf(file('{ instances: [{ id: 51 }, { id: 0 }, { id: 51 }] }'));
  assert.deepEqual(
    problems.map((each) => each.replace(/^.*?: /, '').slice(0, 30)),
    ['vrrp.instances[1].id must be a', 'vrrp.instances[2].id is 51, th'],
  );
});

test('an essential service without checks is refused, whichever kind of service it is', () => {
  const cases: [string, boolean][] = [
    ['{ address: 10.0.0.1, port: 80, essential: true, realServers: [10.0.0.2] }', false],
    ['{ address: 10.0.0.1, port: 80, essential: true, health: { checks: [] }, realServers: [10.0.0.2] }', false],
    ['{ address: 10.0.0.1, port: 80, essential: false, realServers: [10.0.0.2] }', true],
    ['{ address: 10.0.0.1, port: 80, essential: true, health: tcp, realServers: [10.0.0.2] }', true],
    [
      '{ address: 10.0.0.1, port: 80, essential: true, health: { checks: [] }, realServers: [{ address: 10.0.0.2, health: tcp }] }',
      true,
    ],
  ];
  for (const [service, isFine] of cases) {
    const problems = problemsOf(`interfaces: [a]\nservices: [${service}]`);
    const expected = /^f:2:\d+: services\[0\]\.essential needs "health" with checks/;
    assert.equal(problems.length, isFine ? 0 : 1, service);
    assert.ok(isFine || expected.test(problems[0]!), problems[0]);
  }
  const mark = (rest: string): string =>
    `interfaces: [a]\nmarks: [{ mark: 1, match: ['tcp:10.0.0.1:80'], essential: true, ${rest} realServers: [10.0.0.2] }]`;
  assert.match(problemsOf(mark(''))[0]!, /marks\[0\]\.essential needs "health"/);
  assert.deepEqual(problemsOf(mark('health: tcp,')), []);
});

test('a changed instance leaves the rest of the file as it is, and defaults are not written', () => {
  const text = `interfaces: [ens3]
# Two directors.
vrrp:
  instances:
    - { id: 51, priority: 250 } # the larger one
    - id: 52
      addresses: [10.0.0.7] # old
services: []
`;
  const model = parseConfig(text, 'f');
  const with250 = (change: number): Model => ({
    ...model,
    vrrp: {
      ...model.vrrp!,
      instances: model.vrrp!.instances.map((each, i) => (i === 0 ? { ...each, priority: change } : each)),
    },
  });
  assert.equal(updateConfig(text, model, 'f'), text);
  assert.equal(updateConfig(text, with250(240), 'f'), text.replace('250', '240'));
  assert.equal(updateConfig(text, with250(100), 'f'), text.replace(', priority: 250', ''));
  assert.deepEqual(parseConfig(formatConfig(model), 'f'), model);
});

test('a change of VRRP or of what is essential is a difference; a default that is written out is none', () => {
  const of = (vrrp: string): Model => parseConfig(file(vrrp), 'f');
  const fields = (before: string, after: string): string[] =>
    diffModels(of(before), of(after)).map(
      ({ what, field, before: was, after: is }) => `${what} ${field} ${JSON.stringify(was)} ${JSON.stringify(is)}`,
    );
  const plain = '{ instances: [{ id: 51 }] }';
  assert.deepEqual(
    fields(plain, '{ instances: [{ id: 51, priority: 100, preempt: true, vmac: false, preemptDelay: 0 }] }'),
    [],
  );
  assert.deepEqual(fields(plain, '{ instances: [{ id: 51, priority: 240 }] }'), [
    'setting vrrp.instances.VI_51.priority 100 240',
  ]);
  assert.deepEqual(fields(plain, '{ routerName: lb1, instances: [{ id: 51, preempt: false }] }'), [
    'setting vrrp.routerName undefined "lb1"',
    'setting vrrp.instances.VI_51.preempt undefined false',
  ]);
  const service = (rest: string): Model =>
    parseConfig(
      `interfaces: [a]\nservices: [{ address: 10.0.0.1, port: 80, health: tcp, ${rest} realServers: [] }]`,
      'f',
    );
  assert.deepEqual(diffModels(service(''), service('essential: false,')), []);
  assert.equal(diffModels(service(''), service('essential: true,'))[0]?.field, 'essential');
});
