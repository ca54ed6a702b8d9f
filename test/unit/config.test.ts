/** The configuration file: what is accepted, and that every problem is found at its place. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { ConfigError, jsonSchema, parseConfig } from '../../src/config/index.js';

function problemsOf(text: string): string[] {
  try {
    parseConfig(text, 'f');
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.code, 'CONFIG_INVALID');
    return error.message.split('\n');
  }
  assert.fail('no problem was found');
}

const MINIMAL = `interfaces: [ens3]
services:
  - address: 192.168.1.100
    port: 80
    realServers: [192.168.1.31, { address: 192.168.1.32, weight: 3 }]
`;

test('a minimal file gets the defaults', () => {
  assert.deepEqual(parseConfig(MINIMAL, 'f'), {
    interfaces: ['ens3'],
    mode: 'native',
    services: [
      {
        address: '192.168.1.100',
        port: 80,
        protocol: 'tcp',
        scheduler: 'maglev',
        destinations: [
          { address: '192.168.1.31', weight: 1 },
          { address: '192.168.1.32', weight: 3 },
        ],
      },
    ],
  });
});

test('a file without services is a director that forwards nothing yet', () => {
  assert.deepEqual(parseConfig('interfaces: [ens3]', 'f').services, []);
});

test('addresses come out in their canonical spelling', () => {
  const text = 'interfaces: [a]\nservices: [{ address: "FD00:0::100", port: 1, realServers: ["fd00:0::1"] }]';
  const [service] = parseConfig(text, 'f').services;
  assert.equal(service?.address, 'fd00::100');
  assert.equal(service.destinations[0]?.address, 'fd00::1');
});

test('every problem is told, in the order of the file, with line and column', () => {
  const text = `interfaces: [ens3]
services:
  - address: 192.168.1.1000
    prot: 80
    port: http
    realServers:
      - { address: 192.168.1.31, wieght: 3 }
      - 5
      - { weight: -1 }
      - 010.0.0.1
`;
  const expected = [
    /^f:3:14: services\[0\]\.address must be an IP address, .* not "192\.168\.1\.1000"$/,
    /^f:4:5: services\[0\]\.prot is not known here; known are address, port, /,
    /^f:5:11: services\[0\]\.port must be a whole number from 0 to 65535, not "http"$/,
    /^f:7:34: services\[0\]\.realServers\[0\]\.wieght is not known here; known are address, weight, mac, interface, vlan$/,
    /^f:8:9: services\[0\]\.realServers\[1\] must be an address, or a mapping .* not 5$/,
    /^f:9:9: services\[0\]\.realServers\[2\]\.address is missing: it must be an IP address/,
    /^f:9:19: services\[0\]\.realServers\[2\]\.weight must be a whole number from 0 to 2147483647, not -1$/,
    /^f:10:9: services\[0\]\.realServers\[3\] must be an IP address, .* not "010\.0\.0\.1"$/,
  ];
  const problems = problemsOf(text);
  assert.equal(problems.length, expected.length, problems.join('\n'));
  expected.forEach((pattern, i) => {
    assert.match(problems[i]!, pattern);
  });
});

test('what contradicts itself is refused at the place that comes second', () => {
  const service = (rest: string): string => `interfaces: [a]\nservices:\n  - { port: 80, ${rest} }`;
  const cases: [string, RegExp][] = [
    [
      `${service('address: 10.0.0.1, realServers: []')}\n  - { port: 80, address: 10.0.0.1, realServers: [] }`,
      /^f:4:5: services\[1\] is tcp 10\.0\.0\.1:80, as services\[0\] is already$/,
    ],
    [
      service('address: 10.0.0.1, realServers: [10.0.0.2, 10.0.0.2]'),
      /realServers\[1\] is 10\.0\.0\.2, as realServers\[0\] of the same service is already$/,
    ],
    [service('address: 10.0.0.1, realServers: ["fd00::1"]'), /must be an IPv4 address as the VIP 10\.0\.0\.1 is/],
    [
      service('address: 10.0.0.1, realServers: [10.0.0.1]'),
      /must be the real server's own address; 10\.0\.0\.1 is a VIP$/,
    ],
    [
      service('address: 10.0.0.1, slots: 2, realServers: [10.0.0.2, 10.0.0.3, 10.0.0.4]'),
      /slots must be at least .* 3, not 2$/,
    ],
    [service('address: 10.0.0.1, slots: 100, realServers: []'), /slots must be a power of two/],
    [service('address: 127.0.0.1, realServers: []'), /cannot be a VIP: 127\.0\.0\.1 is a loopback address$/],
    [service('address: 224.0.0.18, realServers: []'), /cannot be a VIP: .* multicast/],
    [service('address: 255.255.255.255, realServers: []'), /cannot be a VIP: .* broadcast/],
    [service('address: "::", realServers: []'), /cannot be a VIP: :: is no host's address$/],
    [service('address: "::1", realServers: []'), /cannot be a VIP: ::1 is a loopback address$/],
    [service('address: "ff02::1", realServers: []'), /cannot be a VIP: ff02::1 is a multicast/],
    [
      service('address: "fd00::1", realServers: ["fe80::1"]'),
      /cannot be a real server: fe80::1 is a link-local address$/,
    ],
  ];
  for (const [text, pattern] of cases) {
    const problems = problemsOf(text);
    assert.equal(problems.length, 1, problems.join('\n'));
    assert.match(problems[0]!, pattern);
  }
});

test('a file that is no YAML is told where it stops being one', () => {
  assert.match(problemsOf('a: [')[0]!, /^f:1:\d+: /);
  assert.match(problemsOf('interfaces: [a]\ninterfaces: [b]')[0]!, /^f:2:1: Map keys must be unique/);
  assert.match(problemsOf('- 1')[0]!, /^f:1:1: must be a mapping/);
  assert.match(problemsOf('')[0]!, /^f:1:1: interfaces is missing/);
});

test('an interface that is named twice, and a way that does not fit together, are told where they stand', () => {
  const problems = problemsOf(`
interfaces: [a, b, a]
services:
  - address: 192.168.1.100
    port: 80
    realServers:
      - { address: 192.168.1.31, mac: '00:50:00:00:01:00', interface: c }
      - { address: 192.168.1.32, interface: b }
      - { address: 192.168.1.33, mac: '00:50:00:00:01:00', interface: b, vlan: { id: 20, outer: 100 } }
`);
  assert.deepEqual(problems, [
    'f:2:20: interfaces[2] is a, as interfaces[0] is already',
    "f:7:71: services[0].realServers[0].interface must be one of the director's interfaces, a, b, a, not c",
    'f:8:45: services[0].realServers[1].interface goes with "mac": without, the host says which interface leads there',
  ]);
});

test('no MAC of a group, no VLAN beyond 4094, no director that is neither IP nor MAC', () => {
  const problems = problemsOf(`
interfaces: [a]
directors: [192.168.1.22, 00-50-00-00-04-00]
services:
  - address: 192.168.1.100
    port: 80
    realServers:
      - { address: 192.168.1.31, mac: '01:00:5e:00:00:01' }
      - { address: 192.168.1.32, vlan: 4095 }
      - { address: 192.168.1.33, vlan: { id: 20, otuer: 1 } }
`);
  assert.deepEqual(
    problems.map((problem) => problem.replace(/^f:(\d+):\d+: /, '$1 ')),
    [
      '3 directors[1] must be an IP or MAC address, not "00-50-00-00-04-00"',
      '8 services[0].realServers[0].mac must be a host\'s MAC address, for example 00:50:00:00:01:00, not "01:00:5e:00:00:01"',
      '9 services[0].realServers[1].vlan must be a VLAN id from 1 to 4094, or a mapping with "id" and "outer", not 4095',
      '10 services[0].realServers[2].vlan.outer is missing: it must be a whole number from 1 to 4094',
      '10 services[0].realServers[2].vlan.otuer is not known here; known are id, outer',
    ],
  );
});

test('the JSON Schema knows every key, and the short form of a real server', () => {
  interface Schema {
    properties: Record<string, Schema>;
    items: Schema;
    anyOf: { type: string; properties?: object }[];
  }
  const file = jsonSchema() as unknown as Schema;
  const service = file.properties['services']!.items;
  assert.deepEqual(Object.keys(file.properties), ['interfaces', 'mode', 'fragments', 'vlans', 'directors', 'services']);
  assert.deepEqual(Object.keys(service.properties), [
    'address',
    'port',
    'protocol',
    'scheduler',
    'ttl',
    'noDestination',
    'slots',
    'realServers',
  ]);
  const [short, long] = service.properties['realServers']!.items.anyOf;
  assert.equal(short?.type, 'string');
  assert.deepEqual(Object.keys(long?.properties ?? {}), ['address', 'weight', 'mac', 'interface', 'vlan']);
});
