/** The configuration file: what is accepted, and that every problem is found at its place. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import {
  ConfigError,
  formatConfig,
  jsonSchema,
  parseConfig,
  parseConfigAside,
  readConfig,
} from '../../../src/config/index.js';
import { markMatchName } from '../../../src/model/index.js';

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

test('a file without services is valid', () => {
  assert.deepEqual(parseConfig('interfaces: [ens3]', 'f').services, []);
});

test('addresses come out in their canonical spelling', () => {
  const text = 'interfaces: [a]\nservices: [{ address: "FD00:0::100", port: 1, realServers: ["fd00:0::1"] }]';
  const [service] = parseConfig(text, 'f').services;
  assert.equal(service?.address, 'fd00::100');
  assert.equal(service.destinations[0]?.address, 'fd00::1');
});

test('all problems are reported, in the order of the file, with line and column', () => {
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
    /^f:7:34: services\[0\]\.realServers\[0\]\.wieght is not known here; known are address, weight, mac, interface, vlan, upperThreshold, lowerThreshold, health$/,
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

test('a contradiction is reported at the later of its two places', () => {
  const service = (rest: string): string => `interfaces: [a]\nservices:\n  - { port: 80, ${rest} }`;
  const cases: [string, RegExp][] = [
    [
      `${service('address: 10.0.0.1, realServers: []')}\n  - { port: 80, address: 10.0.0.1, realServers: [] }`,
      /^f:4:5: services\[1\] is tcp 10\.0\.0\.1:80, the same as services\[0\]$/,
    ],
    [
      service('address: 10.0.0.1, realServers: [10.0.0.2, 10.0.0.2]'),
      /realServers\[1\] is 10\.0\.0\.2, the same as realServers\[0\] of this service$/,
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
    [service('address: "::", realServers: []'), /cannot be a VIP: :: is not a host's address$/],
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

test('a file that is not YAML is reported at the place of its first error', () => {
  assert.match(problemsOf('a: [')[0]!, /^f:1:\d+: /);
  assert.match(problemsOf('interfaces: [a]\ninterfaces: [b]')[0]!, /^f:2:1: Map keys must be unique/);
  assert.match(problemsOf('- 1')[0]!, /^f:1:1: must be a mapping/);
  assert.match(problemsOf('')[0]!, /^f:1:1: interfaces is missing/);
});

test('a duplicate interface, and a real server whose fields do not fit, are reported at their places', () => {
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
    'f:2:20: interfaces[2] is a, the same as interfaces[0]',
    "f:7:71: services[0].realServers[0].interface must be one of the director's interfaces, a, b, a, not c",
    'f:8:45: services[0].realServers[1].interface needs "mac": without it the host finds the interface',
  ]);
});

test('bridges of containers are none of the interfaces, are named once, and need hostClients', () => {
  const services = 'services: []\n';
  assert.deepEqual(problemsOf(`interfaces: [a]\nclientBridges: [docker0]\n${services}`), [
    'f:2:16: clientBridges needs "hostClients: true": containers reach the VIPs as the host does',
  ]);
  assert.deepEqual(
    problemsOf(`interfaces: [br0]\nhostClients: true\nclientBridges: [docker0, docker0, br0]\n${services}`),
    [
      'f:3:26: clientBridges[1] is docker0, the same as clientBridges[0]',
      'f:3:35: clientBridges[2] is one of "interfaces": what is behind br0 is a client as others are',
    ],
  );
  assert.match(
    problemsOf(`interfaces: [a]\nhostClients: true\nclientBridges: docker0\n${services}`)[0]!,
    /a list of bridges/,
  );
});

test('group MACs, VLANs above 4094, and directors that are neither IP nor MAC are refused', () => {
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

test('YAML features that a configuration may not use are reported at their places, without other errors', () => {
  const cases: [string, string][] = [
    ['interfaces: *nope', 'f:1:13: the alias *nope has no anchor &nope before it'],
    ['interfaces: [*later, &later a]', 'f:1:14: the alias *later has no anchor &later before it'],
    ['interfaces: [a]\nservices: &s\n  - *s', 'f:3:5: the alias *s is inside its own anchor'],
    ['interfaces: [a]\nservices:\n  - <<: *nope\n    prot: 80\n', 'f:3:5: YAML merge keys (<<) are not supported'],
    ['interfaces: [a]\n---\ninterfaces: [b]', 'f:2:1: must be one document: remove "---"'],
    ['interfaces: [a]\n? [b]\n: c', 'f:2:3: keys must be plain text'],
    ['interfaces: [a]\n? \n: c', 'f:2:3: keys must be plain text'],
  ];
  for (const [text, problem] of cases) {
    assert.deepEqual(problemsOf(text), [problem]);
  }
});

test('an alias bomb is refused without expanding it', () => {
  const levels = 'abcdefghij'.split('');
  const bomb = levels.map(
    (name, i) =>
      `${name}: &${name} [${Array<string>(10)
        .fill(i === 0 ? 'x' : `*${levels[i - 1]!}`)
        .join()}]`,
  );
  const started = performance.now();
  const [problem, ...more] = problemsOf(`interfaces: [a]\n${bomb.join('\n')}\nservices: *j`);
  assert.match(problem!, /^f:12:11: is too large: with its aliases expanded the file has \d+ values$/);
  assert.deepEqual(more, []);
  // A file that is small enough is read.
  assert.ok(problemsOf(`interfaces: [a]\n${bomb.slice(0, 5).join('\n')}\nservices: *e`).length > 5);
  assert.ok(performance.now() - started < 10_000);
});

test('a file with thousands of mistakes gets a hundred reports and the number of the others', () => {
  const problems = problemsOf(`interfaces: [a]\nservices: [${Array<string>(250).fill('x').join()}]`);
  assert.equal(problems.length, 101);
  assert.equal(problems[100], 'f: and 150 more');
});

test('one list of real servers may serve a thousand services', () => {
  const services = Array.from(
    { length: 1000 },
    (_, i) =>
      `  - { address: 10.0.0.1, port: ${i + 1}, realServers: ${i === 0 ? '&all [10.0.0.2, 10.0.0.3]' : '*all'} }\n`,
  );
  const { services: parsed } = parseConfig(`interfaces: [a]\nservices:\n${services.join('')}`, 'f');
  assert.equal(parsed[999]!.destinations.length, 2);
});

test('mistakes and contradictions are reported together', () => {
  const problems = problemsOf(`interfaces: [..]
services:
  - { address: 10.0.0.1, port: 80, realServers: [10.0.0.1] }
  - { address: 10.0.0.1, port: 80, realServers: [] }
  - { address: 10.0.0.3, port: http, realServers: [] }
`);
  assert.deepEqual(
    problems.map((line) => line.split(' ')[0]),
    ['f:1:14:', 'f:3:50:', 'f:4:5:', 'f:5:32:'],
  );
});

test('a mistake in the interfaces causes no second error at a real server that names one', () => {
  const problems = problemsOf(`interfaces: ens3
services:
  - address: 10.0.0.1
    port: 80
    realServers: [{ address: 10.0.0.2, mac: '02:00:00:00:00:02', interface: ens3 }]
`);
  assert.deepEqual(problems, ['f:1:13: interfaces must be a list of network interfaces, not "ens3"']);
});

test('one mistake has one message', () => {
  assert.deepEqual(problemsOf('interfaces: ens3'), [
    'f:1:13: interfaces must be a list of network interfaces, not "ens3"',
  ]);
});

test('names that no interface can have are refused', () => {
  for (const name of ['.', '..', 'a/b', 'a b', 'abcdefghijklmnop', '']) {
    assert.match(
      problemsOf(`interfaces: ["${name}"]`).join('\n'),
      /^f:1:14: interfaces\[0\] must be the name of [^\n]*$/,
    );
  }
});

test('bytes that are not UTF-8 are reported at their place, not replaced', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'beeline-config-'));
  context.after(() => {
    rmSync(directory, { recursive: true });
  });
  const path = join(directory, 'f');
  writeFileSync(path, Buffer.concat([Buffer.from('# Gr\u00fc\u00dfe\ninterfaces: ['), Uint8Array.of(0xe9, 0x5d)]));
  assert.throws(() => readConfig(path), {
    code: 'CONFIG_INVALID',
    message: `${path}:2:14: is not UTF-8 text from here on`,
  });
  writeFileSync(path, '\ufeffinterfaces: [\ufffd]\n');
  assert.deepEqual(readConfig(path).interfaces, ['\ufffd']);
});

test('the JSON Schema knows every key, and the short form of a real server', () => {
  interface Schema {
    properties: Record<string, Schema>;
    items: Schema;
    anyOf: { type: string; properties?: object }[];
  }
  const file = jsonSchema() as unknown as Schema;
  const service = file.properties['services']!.items;
  assert.deepEqual(Object.keys(file.properties), [
    'interfaces',
    'mode',
    'fragments',
    'vlans',
    'directors',
    'hostClients',
    'clientBridges',
    'timeouts',
    'flows',
    'health',
    'vrrp',
    'flowHandOver',
    'hosts',
    'services',
    'marks',
  ]);
  assert.deepEqual(Object.keys(service.properties), [
    'address',
    'port',
    'protocol',
    'scheduler',
    'flags',
    'track',
    'persistence',
    'onePacket',
    'timeouts',
    'ttl',
    'noDestination',
    'unresolved',
    'slots',
    'health',
    'essential',
    'realServers',
  ]);
  const [short, long] = service.properties['realServers']!.items.anyOf;
  assert.equal(short?.type, 'string');
  assert.deepEqual(Object.keys(long?.properties ?? {}), [
    'address',
    'weight',
    'mac',
    'interface',
    'vlan',
    'upperThreshold',
    'lowerThreshold',
    'health',
  ]);
});

test('the director itself, IPv4 in IPv6 and ports of marks survive being written and read', () => {
  const text = `interfaces: [ens3]
services:
  - { address: '::ffff:10.0.0.100', port: 80, realServers: ['::1'] }
  - { address: 10.0.0.100, port: 80, realServers: [127.0.0.1, 0.0.0.0] }
marks:
  - { mark: 7, realServers: [{ address: 10.0.0.31, port: 8080 }, 10.0.0.32, { address: 127.0.0.1, port: 80, weight: 2 }] }
`;
  const model = parseConfig(text, 'x');
  assert.deepEqual(
    model.markServices?.[0]?.destinations.map(({ port }) => port),
    [8080, undefined, 80],
  );
  assert.deepEqual(parseConfig(formatConfig(model), 'x'), model);
  for (const wrong of ['"::ffff:10.0.0.31"', '127.255.255.255', '{ address: 10.0.0.31, port: 80 }']) {
    const server = `interfaces: [a]\nservices: [{ address: 10.0.0.1, port: 80, realServers: [${wrong}] }]`;
    assert.throws(() => parseConfig(server, 'x'), { code: 'CONFIG_INVALID' });
  }
});

test('contradictions between scheduler, tracking, persistence and thresholds are reported at their places', () => {
  const text = `interfaces: [ens3]
flows: {ipv4: 10, ipv6: 99999999}
timeouts: {established: 0, udp: 3000000}
services:
  - {address: 10.0.0.1, port: 80, scheduler: wlc, track: moved, flags: [sh-port], realServers: [{address: 10.0.0.2, lowerThreshold: 3}]}
  - {address: 10.0.0.1, port: 81, persistence: {mask: 255.255.255.0}, realServers: [10.0.0.2]}
  - {address: 10.0.0.1, port: 82, persistence: {timeout: 3, mask: 64}, realServers: [10.0.0.2]}
  - {address: 10.0.0.1, port: 83, onePacket: true, realServers: [10.0.0.2]}
  - {address: 10.0.0.1, port: 84, mask: 255.0.0.0, realServers: [10.0.0.2]}
  - {address: 10.0.0.1, port: 85, track: moved, persistence: 30, realServers: [{address: 10.0.0.2, upperThreshold: 3}]}
  - {address: 10.0.0.1, port: 86, scheduler: rr, slots: 64, realServers: [{address: 10.0.0.2, upperThreshold: 3, lowerThreshold: 4}]}
`;
  assert.throws(
    () => parseConfig(text, 'f'),
    (error: Error) => {
      const lines = error.message.split('\n').map((line) => line.replace(/^f:(\d+):\d+: /, '$1 '));
      assert.deepEqual(lines, [
        '2 flows.ipv4 must be a whole number from 1024 to 16777216, not 10',
        '2 flows.ipv6 must be a whole number from 1024 to 16777216, not 99999999',
        '3 timeouts.established must be a whole number from 1 to 2678400, not 0',
        '3 timeouts.udp must be a whole number from 1 to 2678400, not 3000000',
        '5 services[0].track must be all: "moved" needs a scheduler that hashes (maglev, sh, mh), not wlc',
        '5 services[0].flags must be flags of the scheduler wlc, which sh-port is not',
        '5 services[0].realServers[0].lowerThreshold needs "upperThreshold"',
        '6 services[1].persistence.timeout is missing: it must be a whole number from 1 to 2678400',
        '7 services[2].persistence.mask must be a netmask, for example 255.255.255.0, since the VIP is IPv4',
        '8 services[3].onePacket needs protocol udp, not tcp',
        '9 services[4].mask is not known here; known are address, port, protocol, scheduler, flags, track, persistence, onePacket, timeouts, ttl, noDestination, unresolved, slots, health, essential, realServers',
        '10 services[5].track must be all with "persistence", which needs every flow to be remembered',
        '10 services[5].realServers[0].upperThreshold needs every flow of the service to be remembered ("track: all")',
        '11 services[6].slots needs the scheduler maglev: rr has no ring of that size',
        '11 services[6].realServers[0].lowerThreshold must be at most upperThreshold, 3',
      ]);
      return true;
    },
  );
});

test('mark rules and services of marks are read, and contradictions reported at their places', () => {
  const file = (...marks: string[]): string =>
    `interfaces: [a]\nmarks:\n${marks.map((each) => `  - ${each}\n`).join('')}`;
  const { markServices, markRules } = parseConfig(
    file(
      '{ mark: 1, match: ["tcp:10.0.0.1:80", "udp:10.0.0.0/30:*"], scheduler: rr, realServers: [10.0.0.9] }',
      '{ mark: 2 }',
    ),
    'f',
  );
  const destinations = [{ address: '10.0.0.9', weight: 1 }];
  assert.deepEqual(markServices, [{ mark: 1, family: 4, scheduler: 'rr', destinations }]);
  assert.deepEqual(
    markRules?.map(({ mark, match }) => `${mark} ${markMatchName(match)}`),
    ['1 tcp:10.0.0.1:80', '1 udp:10.0.0.0/30:*'],
  );
  const cases: [string, RegExp][] = [
    [file('{ mark: 0 }'), /marks\[0\]\.mark must be a whole number from 1 to 4294967295, not 0$/],
    [file('{ mark: 1 }', '{ mark: 1 }'), /marks\[1\] is mark 1 \(ipv4\), the same as marks\[0\]$/],
    [file('{ mark: 1, match: ["tcp:10.0.0.1"] }'), /marks\[0\]\.match\[0\] must be PROTOCOL:ADDRESS/],
    [file('{ mark: 1, match: ["tcp:[fd00::1]:80"] }'), /match\[0\] must have an IPv4 address, as "family" is ipv4$/],
    [
      file('{ mark: 1, match: ["tcp:10.0.0.1:80"] }', '{ mark: 2, match: ["tcp:10.0.0.0/24:80-90"] }'),
      /marks\[1\]\.match\[0\] matches packets that marks\[0\]\.match\[0\] matches too$/,
    ],
    [
      file('{ mark: 1, realServers: ["fd00::1"] }'),
      /realServers\[0\] must be an IPv4 address as "family" says, not fd00::1$/,
    ],
    [file('{ mark: 1, track: moved, realServers: [] }'), /marks\[0\]\.track must be all/],
    [file('{ mark: 1, port: 80 }'), /marks\[0\]\.port is not known here; known are mark, family, match, /],
  ];
  for (const [text, pattern] of cases) {
    const problems = problemsOf(text);
    assert.equal(problems.length, 1, problems.join('\n'));
    assert.match(problems[0]!, pattern);
  }
});

test('YAML that is nested without end is refused in a sentence', () => {
  for (const text of [
    `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    `${'{a: '.repeat(20_000)}1${'}'.repeat(20_000)}`,
    `interfaces: ${'['.repeat(3000)}${']'.repeat(3000)}`,
    Array.from({ length: 5000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    `${'- '.repeat(20_000)}a`,
    '['.repeat(20_000),
  ]) {
    assert.throws(() => parseConfig(text, 'deep.yaml'), { code: 'CONFIG_INVALID', message: /^deep\.yaml:\d+:\d+: / });
  }
});

test('control characters of keys and of file names are escaped in messages', () => {
  const text = 'interfaces: [ens3]\n"\\e]0;x\\a": 1\n"a\\nb": 2\nservices: ["\\e[2J"]\n';
  assert.throws(
    () => parseConfig(text, 'a\u001b[31m\nb.yaml'),
    ({ message }: Error) => {
      assert.doesNotMatch(message, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
      assert.deepEqual(message.split('\n').length, 3);
      assert.match(message, /^a\\u001b\[31m\\u000ab\.yaml:2:1: \\u001b\]0;x\\u0007 is not known here/);
      return true;
    },
  );
});

test('a large configuration is read in a thread, while others go on, with the same result and the same problems', async () => {
  const servers = Array.from({ length: 2_000 }, (_, i) => `      - 10.1.${i >> 8}.${i & 255}\n`).join('');
  const text = (rest: string): string =>
    `interfaces: [ens3]\nservices:\n  - address: 10.0.0.1\n    port: 80\n    realServers:\n${servers}${rest}`;
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  assert.deepEqual(await parseConfigAside(text(''), 'f'), parseConfig(text(''), 'f'));
  clearInterval(timer);
  assert.ok(turns > 5, `${turns} turns of the event loop`);
  for (const rest of ['      - 10.1.0.1\n', '      - nonsense\n', '  - {}\n', '    : : :\n']) {
    const wrong = await parseConfigAside(text(rest), 'f').catch((error: unknown) => error);
    assert.ok(wrong instanceof ConfigError);
    assert.throws(() => parseConfig(text(rest), 'f'), { name: wrong.name, message: wrong.message });
  }
});
