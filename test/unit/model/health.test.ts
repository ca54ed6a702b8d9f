/** Health in the model: what edits keep and refuse, how differences are told, and what is warned of. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { parseConfig } from '../../../src/config/index.js';
import {
  type Destination,
  diffModels,
  edit,
  healthWarnings,
  ip,
  type Model,
  parseMarkMatch,
  plainText,
  type Scheduler,
  SCHEDULERS,
} from '../../../src/model/index.js';
import { anyHealth } from '../../support/health-models.js';

const WEB = { address: ip('192.168.1.100'), port: 80, protocol: 'tcp' } as const;

function model(health: string, servers = '192.168.1.31', rest = ''): Model {
  return parseConfig(
    `interfaces: [a]\nservices: [{ address: 192.168.1.100, port: 80, health: ${health}, realServers: [${servers}] }]\n${rest}`,
    'f',
  );
}

test('an edit of a service or a real server keeps its health', () => {
  const before = model('{ checks: http, fallback: 192.168.1.50 }', '{ address: 192.168.1.31, health: off }');
  const [service] = before.services;
  const edited = edit(before, { kind: 'edit-service', service: WEB, policy: { scheduler: 'wlc' } });
  assert.deepEqual(edited.services[0]?.health, service?.health);
  const weighed = edit(before, {
    kind: 'edit-destination',
    service: WEB,
    destination: { address: ip('192.168.1.31'), weight: 7, upperThreshold: 9 },
  });
  assert.deepEqual(weighed.services[0]?.destinations, [
    { address: '192.168.1.31', weight: 7, upperThreshold: 9, health: { checks: [] } },
  ]);
  // A host of the pool may be the fallback too.
  const added = edit(before, {
    kind: 'add-destination',
    service: WEB,
    destination: { address: ip('192.168.1.50'), weight: 1 },
  });
  assert.equal(added.services[0]?.destinations.length, 2);
});

test('a fallback cannot become a VIP', () => {
  const before = model('{ checks: http, fallback: [127.0.0.1, 192.168.1.50] }');
  const service = { ...WEB, address: ip('192.168.1.50') };
  assert.throws(() => edit(before, { kind: 'add-service', service, policy: { scheduler: 'rr' } }), {
    code: 'EDIT_REFUSED',
    message: '192.168.1.50 is a fallback of tcp 192.168.1.100:80: it cannot be a VIP too',
  });
});

test('a mark rule that leaves health checks without one port or VIP is refused; others are not', () => {
  const before = parseConfig(
    `interfaces: [a]
marks:
  - { mark: 1, match: ["tcp:10.0.0.1:80"], health: http, realServers: [10.0.0.31] }
  - { mark: 2, match: ["tcp:10.0.0.3:80"], health: { checks: [{ type: http, port: 80 }] }, realServers: [10.0.0.31] }
  - { mark: 3, health: http, realServers: [10.0.0.31] }
`,
    'f',
  );
  const add = (mark: number, text: string): Model =>
    edit(before, { kind: 'add-mark-rule', rule: { mark, match: parseMarkMatch(text)! } });
  assert.throws(() => add(1, 'tcp:10.0.0.1:443'), {
    code: 'EDIT_REFUSED',
    message:
      'fwm 1 has health checks that go to one VIP and port: "health.checks.0" needs "port", as in { type: http, port: 80 }: the service has no single port',
  });
  assert.throws(() => add(1, 'tcp:10.0.0.2:80'), { code: 'EDIT_REFUSED' });
  assert.equal(add(1, 'udp:10.0.0.1:80').markRules?.length, 3);
  assert.equal(add(2, 'tcp:10.0.0.3:443').markRules?.length, 3);
  assert.equal(add(3, 'tcp:10.0.0.4:80').markRules?.length, 3);
  assert.throws(() => add(3, 'tcp:10.0.0.4:*'), { code: 'EDIT_REFUSED' });
});

/** Returns each difference as diff prints it. */
function told(before: Model, after: Model): string[] {
  return diffModels(before, after).map(({ field = '', realServer = '', before: was, after: is }) =>
    `${realServer} ${field} ${plainText(was)} -> ${plainText(is)}`.trim(),
  );
}

test('differences of health are told in words', () => {
  assert.deepEqual(told(model('http'), model('http')), []);
  // A default that is written out is no difference.
  assert.deepEqual(
    told(model('http'), model('{ checks: [http], onFailure: remove, initially: up, slowStart: 0, panic: false }')),
    [],
  );
  assert.deepEqual(
    told(
      model('http'),
      model(
        '{ checks: [tcp, { type: https, path: /health, status: [200, 300-399], every: 5 }], interval: 5, quorum: { weight: 3, hysteresis: 1 }, fallback: 127.0.0.1 }',
      ),
    ),
    [
      'health.checks http -> tcp, https (path /health, status [200, 300-399], every 5)',
      'health.interval default -> 5',
      'health.quorum.weight default -> 3',
      'health.quorum.hysteresis default -> 1',
      'health.fallback default -> 127.0.0.1',
    ],
  );
  assert.deepEqual(told(model('http'), model('http', '{ address: 192.168.1.31, health: off }')), [
    '192.168.1.31 health.checks default -> none',
  ]);
  const settings = 'health: { ports: 50000-51000, hooks: [{ command: [/usr/bin/notify, --json] }] }\n';
  assert.deepEqual(told(model('http'), model('http', '192.168.1.31', settings)), [
    'health.ports default -> 50000-51000',
    'health.hooks default -> {command [/usr/bin/notify, --json]}',
  ]);
});

test('a text of a check that is long, or has control characters, does not disturb the line', () => {
  assert.equal(plainText([{ type: 'udp', send: 'a\r\n\u001b[2J' }]), 'udp (send a\\u000d\\u000a\\u001b[2J)');
  assert.equal(plainText([{ type: 'http', body: 'x'.repeat(500) }]), `http (body ${'x'.repeat(60)}…)`);
});

test('any two kinds of health that differ beyond defaults are a difference, in both directions', () => {
  const withHealth = (health: object): Model => ({
    ...model('http'),
    services: model('http').services.map((each) => ({ ...each, health: health as never })),
  });
  const core = ({
    checks,
    quorum,
    damping,
    fallback,
    interval,
    timeout,
    rise,
    fall,
  }: Record<string, unknown>): string =>
    JSON.stringify([checks, quorum, damping, fallback, interval, timeout, rise, fall]);
  fc.assert(
    fc.property(anyHealth, anyHealth, (one, other) => {
      if (core({ ...one }) !== core({ ...other })) {
        assert.notDeepEqual(diffModels(withHealth(one), withHealth(other)), []);
      }
      assert.deepEqual(diffModels(withHealth(one), withHealth(structuredClone(one))), []);
    }),
  );
});

function codes(of: Model): (string | undefined)[][] {
  return healthWarnings(of).map(({ code, service }) => [code, service]);
}

test('datagrams that nobody needs to answer are warned of, unless another check needs an answer', () => {
  const name = 'tcp 192.168.1.100:80';
  assert.deepEqual(codes(model('udp')), [['CHECK_PROVES_LITTLE', name]]);
  assert.deepEqual(codes(model('{ checks: [udp, { type: file, path: /w }] }')), [['CHECK_PROVES_LITTLE', name]]);
  assert.deepEqual(codes(model('tcp', '{ address: 192.168.1.31, health: udp }')), [['CHECK_PROVES_LITTLE', name]]);
  for (const health of ['{ checks: [udp, ping] }', '{ checks: { type: udp, reply: x } }', 'tcp', '{ checks: [] }']) {
    assert.deepEqual(codes(model(health)), [], health);
  }
});

test('an agent without a port of its own is warned of: it asks the service itself', () => {
  const warning = [['AGENT_PORT_MISSING', 'tcp 192.168.1.100:80']];
  const of = (agent: string): string => `{ checks: [tcp, ${agent}] }`;
  for (const agent of ['agent', '{ type: agent, by: http }', '{ type: agent, via: rip }', '{ type: agent, send: x }']) {
    assert.deepEqual(codes(model(of(agent))), warning, agent);
    assert.deepEqual(codes(model('tcp', `{ address: 192.168.1.31, health: ${of(agent)} }`)), warning, agent);
  }
  for (const agent of [
    '{ type: agent, port: 9707 }',
    '{ type: agent, port: 80 }',
    '{ type: agent, by: http, path: /agent }',
    '{ type: agent, by: exec, command: [/bin/x] }',
    '{ type: file, path: /w }',
  ]) {
    assert.deepEqual(codes(model(of(agent))), [], agent);
  }
});

test('a quorum that all real servers together do not meet is warned of', () => {
  const quorum = (text: string, servers?: string): unknown => codes(model(`{ checks: tcp, quorum: ${text} }`, servers));
  const warning = [['QUORUM_UNREACHABLE', 'tcp 192.168.1.100:80']];
  assert.deepEqual(quorum('1'), []);
  assert.deepEqual(quorum('2'), warning);
  assert.deepEqual(quorum('2', '192.168.1.31, 192.168.1.32'), []);
  assert.deepEqual(quorum('2', '{ address: 192.168.1.31, weight: 2 }'), []);
  assert.deepEqual(quorum('{ weight: 2, hysteresis: 1 }', '192.168.1.31, 192.168.1.32'), warning);
  // No real server at all: there is nothing to say about their weights.
  assert.deepEqual(quorum('2', ''), []);
});

test('a slow start that the scheduler cannot do is warned of, also that of one real server', () => {
  const of = (scheduler: Scheduler, health: string, servers?: string): unknown =>
    codes({ ...model(health, servers), services: [{ ...model(health, servers).services[0]!, scheduler }] });
  const warning = [['SLOW_START_UNUSED', 'tcp 192.168.1.100:80']];
  for (const scheduler of SCHEDULERS) {
    const idle = ['rr', 'lc', 'sh', 'mh', 'dh', 'fo'].includes(scheduler);
    assert.deepEqual(of(scheduler, '{ checks: tcp, slowStart: 30 }'), idle ? warning : [], scheduler);
    assert.deepEqual(of(scheduler, '{ checks: tcp, slowStart: 0 }'), [], scheduler);
  }
  assert.deepEqual(of('rr', 'tcp', '{ address: 192.168.1.31, health: { slowStart: 5 } }'), warning);
});

test('a mark that no rule gives to packets yet has checks that know no VIP', () => {
  const mark = (rest: string): unknown =>
    codes(parseConfig(`interfaces: [a]\nmarks: [{ mark: 1, ${rest}, realServers: [10.0.0.31] }]`, 'f'));
  assert.deepEqual(mark('health: http'), [['CHECK_TARGET_UNKNOWN', 'fwm 1']]);
  assert.deepEqual(mark('health: { checks: { type: http, via: rip, port: 80 } }'), []);
  assert.deepEqual(mark('health: http, match: ["tcp:10.0.0.1:80"]'), []);
});

test('a model without health has no warnings of it, whatever else it has', () => {
  const destinations: Destination[] = [{ address: ip('192.168.1.31'), weight: 0 }];
  const services = [{ ...WEB, scheduler: 'wlc', destinations } as const];
  assert.deepEqual(healthWarnings({ interfaces: ['a'], mode: 'native', services }), []);
});
