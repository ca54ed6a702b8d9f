/** Health in the configuration file: its short forms, and one clear message for each mistake. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { ConfigError, formatConfig, parseConfig, updateConfig } from '../../../src/config/index.js';
import { type HealthPolicy, type Model, READY_DIALOGUES } from '../../../src/model/index.js';

interface Parts {
  readonly rest?: string;
  readonly servers?: string;
}

/** A file whose third line is a service with health. */
function file(health: string, { rest = 'port: 80', servers = '10.0.0.31' }: Parts = {}): string {
  return `interfaces: [a]\nservices:\n  - { address: 10.0.0.1, ${rest}, health: ${health}, realServers: [${servers}] }\n`;
}

function healthOf(health: string): HealthPolicy | undefined {
  return parseConfig(file(health), 'f').services[0]?.health;
}

/** Returns the messages, without the places in the file. */
function messages(text: string): string[] {
  try {
    parseConfig(text, 'f');
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message.split('\n').map((line) => line.replace(/^f:\d+:\d+: (?:services\[0\]\.)?(?:health[. ])?/, ''));
  }
  return [];
}

test('a type alone, a mapping, and a list of both are checks', () => {
  assert.deepEqual(healthOf('http'), { checks: [{ type: 'http' }] });
  assert.deepEqual(healthOf('{ checks: ping }'), { checks: [{ type: 'ping' }] });
  assert.deepEqual(healthOf('{ checks: { type: tls, port: 443 } }'), { checks: [{ type: 'tls', port: 443 }] });
  assert.deepEqual(healthOf('{ checks: [tcp, { type: dns, name: . }], rise: 1 }'), {
    checks: [{ type: 'tcp' }, { type: 'dns', name: '.' }],
    rise: 1,
  });
  assert.deepEqual(healthOf('{ checks: [] }'), { checks: [] });
  for (const type of ['tcp', 'http', 'https', 'tls', 'ping', 'udp', 'agent', ...READY_DIALOGUES]) {
    assert.deepEqual(healthOf(type), { checks: [{ type }] });
  }
});

test('a status is one, a range, or a list, and a sum of weights is a quorum', () => {
  const status = (text: string): unknown =>
    (healthOf(`{ checks: { type: http, status: ${text} } }`)?.checks[0] as { status: unknown }).status;
  assert.deepEqual(status('204'), [{ first: 204, last: 204 }]);
  assert.deepEqual(status('"204"'), [{ first: 204, last: 204 }]);
  assert.deepEqual(status('200-299'), [{ first: 200, last: 299 }]);
  assert.deepEqual(status('[200, 204, 300-399]'), [
    { first: 200, last: 200 },
    { first: 204, last: 204 },
    { first: 300, last: 399 },
  ]);
  const health = healthOf('{ checks: tcp, quorum: 3, fallback: 127.0.0.1, interval: 0.5 }');
  assert.deepEqual(health, {
    checks: [{ type: 'tcp' }],
    quorum: { weight: 3 },
    fallback: ['127.0.0.1'],
    interval: 0.5,
  });
});

test('a real server has checks of its own, or none', () => {
  const servers =
    '10.0.0.31, { address: 10.0.0.32, health: off }, { address: 10.0.0.33, health: smtp }, { address: 10.0.0.34, health: { interval: 5 } }';
  const { destinations } = parseConfig(file('http', { servers }), 'f').services[0]!;
  assert.deepEqual(
    destinations.map(({ health }) => health),
    [undefined, { checks: [] }, { checks: [{ type: 'smtp' }] }, { interval: 5 }],
  );
  // Where the service has no health, "off" says nothing new.
  const off = file('x', { servers: '{ address: 10.0.0.31, health: off }' }).replace(' health: x,', '');
  assert.deepEqual(messages(off), []);
});

test('a text for the wire has a byte for each character', () => {
  const text = file('{ checks: { type: udp, send: "\\x00\\xff\\r\\n", reply: "é", mask: "\\xf0" } }');
  const model = parseConfig(text, 'f');
  assert.deepEqual(model.services[0]?.health?.checks, [
    { type: 'udp', send: '\u0000\u00ff\r\n', reply: '\u00e9', mask: '\u00f0' },
  ]);
  assert.deepEqual(parseConfig(formatConfig(model), 'f'), model);
});

const ALL =
  'tcp, http, https, tls, ping, udp, agent, smtp, imap, pop3, ftp, ssh, redis, memcached, mysql, dns, send-expect, exec, file';
const STATUS = 'must be a status from 100 to 599, or a range such as "200-299"';
const PATH = 'must be a path that begins with "/", in which spaces and letters beyond ASCII are percent-encoded';
const OF_TCP = 'known are type, via, address, port, interval, timeout, fastInterval, jitter, rise, fall, every';

/** A mistake in "health", and the only message. */
const MISTAKES: readonly (readonly [health: string, message: string])[] = [
  ['htp', `must be ${ALL}, not "htp"; did you mean http?`],
  ['off', 'must be a type of check, not "off": a service without checks has no "health"'],
  ['5', 'must be a type of check (tcp, http, https, …), or a mapping with "checks", not 5'],
  ['[tcp]', 'must be a type of check (tcp, http, https, …), or a mapping with "checks"'],
  ['dns', 'must be a mapping, as in { type: dns, name: www.example.com }, not "dns"'],
  [
    '{ type: http, path: /x }',
    'type is not known here: write "checks: { type: … }", and what else is of the check beside its type',
  ],
  ['{ checks: http, port: 8080 }', 'port is a setting of a check: write "checks: { type: …, port: … }"'],
  ['{ checks: http, sni: a }', 'sni is a setting of a check: write "checks: { type: …, sni: … }"'],
  [
    '{ interval: 5 }',
    'checks is missing: it must be a type of check (tcp, http, https, …), or a mapping with "type", or a list of these',
  ],
  ['{ checks: tcp, interval: 0 }', 'interval must be seconds from 0.1 to 86400, not 0'],
  ['{ checks: tcp, rise: 1.5 }', 'rise must be a whole number from 1 to 1000, not 1.5'],
  ['{ checks: tcp, initially: maybe }', 'initially must be up or down, not "maybe"'],
  ['{ checks: tcp, onFailure: drop }', 'onFailure must be remove or quiesce, not "drop"'],
  [
    '{ checks: tcp, quorum: x }',
    'quorum must be a sum of weights, or a mapping with "weight" and "hysteresis", not "x"',
  ],
  ['{ checks: tcp, quorum: { weight: 3, hysteresis: 3 } }', 'quorum.hysteresis must be less than "weight", 3, not 3'],
  [
    '{ checks: tcp, fallback: web }',
    'fallback must be an IP address, for example 192.168.1.100 or fd00::100, not "web"',
  ],
  ['{ checks: tcp, fallback: 10.0.0.1 }', "fallback must be the host's own address; 10.0.0.1 is a VIP"],
  ['{ checks: tcp, fallback: ["fd00::1"] }', 'fallback[0] must be an IPv4 address as the service has, not fd00::1'],
  ['{ checks: tcp, fallback: 224.0.0.1 }', 'fallback cannot take flows: 224.0.0.1 is a multicast or broadcast address'],
  ['{ checks: tcp, fallback: [10.0.0.5, 10.0.0.5] }', 'fallback[1] is 10.0.0.5, the same as fallback[0]'],
  [
    '{ checks: tcp, fallback: 10.0.0.5, panic: true }',
    'panic excludes "fallback": all real servers are used, and no others',
  ],
  ['{ checks: tcp, damping: 5 }', 'damping must be a mapping with "changes", "within" and "hold", not 5'],
  ['{ checks: tcp, interval: 1, fastInterval: 2 }', 'fastInterval must be at most the interval, 1, not 2'],
  ['{ checks: tcp, jitter: 0.6 }', 'jitter must be a part from 0 to 0.5, not 0.6'],
  ['{ checks: tcp, fastInterval: 3 }', 'fastInterval must be at most the interval, 2, not 3'],
  ['{ checks: [tcp, { type: https, status: 700 }] }', `checks[1].status ${STATUS}, or a list of them, not 700`],
  ['{ checks: [tcp, { type: https, status: [200, 700] }] }', `checks[1].status[1] ${STATUS}, not 700`],
  ['{ checks: { type: http, status: 2xx } }', `checks.status ${STATUS}, not "2xx"`],
  ['{ checks: { type: http, status: 299-200 } }', 'checks.status must begin with the lower status, not "299-200"'],
  ['{ checks: { type: tcp, path: /x } }', `checks.path is not known in a tcp check; ${OF_TCP}`],
  ['{ checks: [tcp, htpp] }', `checks[1] must be ${ALL}, not "htpp"; did you mean http?`],
  ['{ checks: { type: htps, path: /x } }', `checks.type must be ${ALL}, not "htps"; did you mean https?`],
  ['{ checks: { path: /x } }', `checks.type is missing: it must be ${ALL}`],
  ['{ checks: [5] }', 'checks[0] must be a type of check (tcp, http, https, …), or a mapping with "type", not 5'],
  ['{ checks: { type: http, path: x } }', `checks.path ${PATH}, not "x"`],
  ['{ checks: { type: http, path: "/a b" } }', `checks.path ${PATH}, not "/a b"`],
  ['{ checks: { type: http, path: "/a\\r\\nX: y" } }', `checks.path ${PATH}, not "/a\\r\\nX: y"`],
  [
    '{ checks: { type: http, method: "GET /" } }',
    'checks.method must be a method of HTTP, such as GET, HEAD or OPTIONS, not "GET /"',
  ],
  [
    '{ checks: { type: http, headers: { "a b": c } } }',
    'checks.headers.a b must be the name of a header: letters, digits, hyphens',
  ],
  [
    '{ checks: { type: http, headers: { a: "b\\r\\nc: d" } } }',
    'checks.headers.a must be text on one line; put numbers in quotes, not "b\\r\\nc: d"',
  ],
  [
    '{ checks: { type: http, body: "(a" } }',
    'checks.body must be a regular expression of RE2 (missing closing ): `(a`), not "(a"',
  ],
  [
    '{ checks: { type: http, body: "(?<=a)b" } }',
    'checks.body must be a regular expression of RE2 (invalid named capture: `(?<=a)b`), not "(?<=a)b"',
  ],
  [
    '{ checks: { type: http, requests: [{ path: /a }, { pth: /b }] } }',
    'checks.requests[1].pth is not known here; known are method, path, host, headers, status, body',
  ],
  [
    '{ checks: { type: https, sni: 10.0.0.1 } }',
    'checks.sni must be the name of a host, and no address, not "10.0.0.1"',
  ],
  ['{ checks: { type: tls, verify: no } }', 'checks.verify must be true or false, not "no"'],
  [
    '{ checks: { type: tls, ca: ca.pem } }',
    'checks.ca must be the absolute path of a file, which begins with "/", not "ca.pem"',
  ],
  [
    '{ checks: { type: dns } }',
    'checks.name is missing: it must be a name of the DNS, for example www.example.com, or "." for the root',
  ],
  [
    '{ checks: { type: udp, send: "ā" } }',
    'checks.send must be text of the characters U+0000 to U+00FF, each of which is a byte: "\\x00" to "\\xff" in double quotes, not "ā"',
  ],
  ['{ checks: { type: udp, mask: x } }', 'checks.mask needs "reply"'],
  ['{ checks: { type: udp, reply: ab, mask: x } }', 'checks.mask must be as long as "reply", 2 bytes, not 1'],
  [
    '{ checks: { type: send-expect, steps: [{ sned: x }] } }',
    'checks.steps[0].sned is not known here; known are expect, send',
  ],
  ['{ checks: { type: send-expect, steps: [{}] } }', 'checks.steps[0] must have "expect" or "send"'],
  ['{ checks: { type: smtp, verify: false } }', 'checks.verify needs "tls: true"'],
  [
    '{ checks: { type: exec, command: [check] } }',
    'checks.command[0] must be the absolute path of a program, which begins with "/": there is no shell to find it, not "check"',
  ],
  ['{ checks: { type: exec, command: [/x, 5] } }', 'checks.command[1] must be text; put numbers in quotes, not 5'],
  [
    '{ checks: { type: exec, command: [/x, "a\\0"] } }',
    'checks.command[1] must be text without zero bytes, not "a\\u0000"',
  ],
  ['{ checks: { type: agent, by: exec } }', 'checks.by needs "command": the program that is asked'],
  ['{ checks: { type: agent, path: /x } }', 'checks.path needs "by: http"'],
  [
    '{ checks: { type: tcp, address: 10.0.0.9 } }',
    'checks.address needs "via: rip": a check of the VIP goes through the real server',
  ],
];

test('a mistake in health has one message, which says what may stand there', () => {
  for (const [health, message] of MISTAKES) {
    assert.deepEqual(messages(file(health)), [message], health);
  }
});

test('a mistake is reported at its own line and column, in whatever list it is', () => {
  const text = `interfaces: [a]
services:
  - address: 10.0.0.1
    port: 80
    health:
      checks:
        - tcp
        - type: https
          status:
            - 200
            - 700
    realServers:
      - address: 10.0.0.31
        health:
          checks:
            - { type: ping, port: 5 }
`;
  assert.throws(
    () => parseConfig(text, 'f'),
    ({ message }: Error) => {
      assert.deepEqual(message.split('\n'), [
        `f:11:15: services[0].health.checks[1].status[1] ${STATUS}, not 700`,
        'f:16:29: services[0].realServers[0].health.checks[0].port is not known in a ping check; known are type, via, address, interval, timeout, fastInterval, jitter, rise, fall, every',
      ]);
      return true;
    },
  );
});

test('checks that do not know where to go are refused: of several ports, or of several VIPs', () => {
  const needsPort = (type: string): string =>
    `needs "port", as in { type: ${type}, port: 80 }: the service has no single port`;
  const wild = { rest: 'port: 0' };
  assert.deepEqual(messages(file('http', wild)), [needsPort('http')]);
  assert.deepEqual(messages(file('ping', wild)), []);
  assert.deepEqual(
    messages(file('{ checks: [ping, { type: http, port: 80 }, { type: exec, command: [/x] }] }', wild)),
    [],
  );
  // A service of UDP may be checked by TCP: DNS has both.
  assert.deepEqual(messages(file('tcp', { rest: 'port: 53, protocol: udp' })), []);

  const mark = (health: string, ...matches: string[]): string[] =>
    messages(
      `interfaces: [a]\nmarks: [{ mark: 1, match: [${matches.map((each) => `"${each}"`).join()}], health: ${health}, realServers: [10.0.0.31] }]`,
    ).map((line) => line.replace('marks[0].health', '').trim());
  const [http, https] = ['tcp:10.0.0.1:80', 'tcp:10.0.0.1:443'];
  assert.deepEqual(mark('http', http), []);
  assert.deepEqual(mark('ping', http, https), []);
  assert.deepEqual(mark('http', http, https), [needsPort('http')]);
  assert.deepEqual(mark('tls', 'tcp:10.0.0.1:*'), [needsPort('tls')]);
  assert.deepEqual(mark('{ checks: { type: tcp, port: 80 } }', http, https), []);
  const noVip = 'needs "via: rip": the service has no single VIP';
  assert.deepEqual(mark('ping', http, 'tcp:10.0.0.2:80'), [noVip]);
  assert.deepEqual(mark('ping', 'tcp:10.0.0.0/24:80'), [noVip]);
  assert.deepEqual(mark('{ checks: { type: tcp, via: rip } }', http, 'tcp:10.0.0.2:80'), []);
  // A command may add the rule.
  assert.deepEqual(mark('http'), []);
});

test('health of a real server needs that of its service, and is held against it', () => {
  const servers = (health: string): Parts => ({ servers: `{ address: 10.0.0.31, health: ${health} }` });
  const without = file('x', servers('tcp')).replace(' health: x,', '');
  assert.deepEqual(messages(without), [
    'realServers[0].health needs "health" of the service; to check single real servers alone, give that "checks: []"',
  ]);
  assert.deepEqual(messages(file('{ checks: [] }', servers('tcp'))), []);
  assert.deepEqual(messages(file('{ checks: tcp, interval: 9 }', servers('{ fastInterval: 9 }'))), []);
  assert.deepEqual(messages(file('{ checks: tcp, interval: 9 }', servers('{ fastInterval: 10 }'))), [
    'realServers[0].health.fastInterval must be at most the interval, 9, not 10',
  ]);
  assert.deepEqual(messages(file('tcp', servers('{ quorum: 1 }'))), [
    'realServers[0].health.quorum is not known here; known are checks, interval, timeout, fastInterval, jitter, rise, fall, initially, slowStart',
  ]);
  assert.deepEqual(messages(file('tcp', servers('false'))), [
    'realServers[0].health must be off, a type of check (tcp, http, https, …), or a mapping, not false',
  ]);
});

test('ports of checks and hooks are held to what can work', () => {
  const top = (health: string): string[] => messages(`interfaces: [a]\nhealth: ${health}`);
  assert.deepEqual(
    top('{ ports: 61000-61063, hooks: [{ command: [/x, --json] }, { url: "https://a/b", secretFile: /k }] }'),
    [],
  );
  assert.deepEqual(top('{ ports: 80-900 }'), ['ports must begin at 1024 or above, not "80-900"']);
  assert.deepEqual(top('{ ports: 61000-61010 }'), ['ports must have 64 to 32768 ports, not "61000-61010"']);
  for (const ports of ['61000', '"65000-65536"', '"62000-61000"']) {
    assert.deepEqual(top(`{ ports: ${ports} }`), [
      `ports must be a range of ports, for example 61000-65095, not ${ports}`,
    ]);
  }
  assert.deepEqual(
    top('{ hooks: [{ url: "ftp://x" }, {}, { command: [/x], url: "http://x" }, { command: [/x], secretFile: /y }] }'),
    [
      'hooks[0].url must be a URL of http or https, for example https://alerts.example/beeline, not "ftp://x"',
      'hooks[1] must have "command" or "url", and not both',
      'hooks[2] must have "command" or "url", and not both',
      'hooks[3] has "secretFile", which needs "url": it signs what is posted',
    ],
  );
  assert.deepEqual(top('http'), ['must be a mapping with "ports" and "hooks", not "http"']);
});

test('lists without end are refused: checks, requests, steps, headers, patterns', () => {
  const many = (count: number, what: string): string => Array<string>(count).fill(what).join();
  const cases: [string, RegExp][] = [
    [`[${many(17, 'tcp')}]`, /^checks must be at most 16 checks$/],
    [`{ type: http, requests: [${many(33, '{ path: / }')}] }`, /requests must have at most 32 requests$/],
    [`{ type: send-expect, steps: [${many(65, '{ send: x }')}] }`, /steps must have at most 64 steps$/],
    [
      `{ type: http, body: "${'a'.repeat(1001)}" }`,
      /body must be a regular expression of at most 1000 characters, not "a{99}…$/,
    ],
    [
      `{ type: http, headers: { ${Array.from({ length: 33 }, (_, i) => `h${i}: x`).join()} } }`,
      /headers must have at most 32 headers$/,
    ],
  ];
  for (const [checks, pattern] of cases) {
    const [message, ...more] = messages(file(`{ checks: ${checks} }`));
    assert.match(message ?? '', pattern);
    assert.deepEqual(more, []);
  }
});

const WRITTEN = `interfaces: [a]
services:
  - address: 10.0.0.1
    port: 80
    health: http # enough
    realServers:
      - 10.0.0.31
      - { address: 10.0.0.32, health: off } # under repair
  - address: 10.0.0.1
    port: 443
    health:
      # The cheap one first.
      checks:
        - tcp   # often
        - { type: https, path: /health, status: [200], every: 5 } # seldom
      interval: 2
    realServers: [10.0.0.31]
`;

function changed(change: (model: Model) => Model): string {
  return updateConfig(WRITTEN, change(parseConfig(WRITTEN, 'f')), 'f');
}

function withHealth(model: Model, index: number, health: HealthPolicy | undefined): Model {
  return {
    ...model,
    services: model.services.map((each, i) => {
      const { health: _health, ...rest } = each;
      return i !== index ? each : { ...rest, ...(health && { health }) };
    }),
  };
}

test('health that does not change keeps its text, and its comments', () => {
  const text = changed((model) => ({
    ...model,
    services: model.services.map((each) => ({ ...each, scheduler: 'wlc' })),
  }));
  assert.equal(text.replaceAll('    scheduler: wlc\n', ''), WRITTEN);
});

test('of health that changes, only what changes is written, in its shortest form', () => {
  const [, second] = parseConfig(WRITTEN, 'f').services;
  const [tcp, https] = second!.health!.checks;
  const checks = [tcp!, { ...https!, path: '/new' }, { type: 'ping' } as const];
  assert.equal(
    changed((model) => withHealth(model, 1, { ...second!.health!, checks, interval: 3 })),
    WRITTEN.replace('/health', '/new')
      .replace('# seldom\n', '# seldom\n        - ping\n')
      .replace('interval: 2', 'interval: 3'),
  );
  assert.equal(
    changed((model) => withHealth(model, 0, { checks: [{ type: 'http', path: '/x' }] })),
    WRITTEN.replace('    health: http # enough\n', '    health:\n      checks: { type: http, path: /x }\n'),
  );
  assert.equal(
    changed((model) => withHealth(model, 0, { checks: [{ type: 'tcp' }] })),
    WRITTEN.replace('health: http', 'health: tcp'),
  );
});
