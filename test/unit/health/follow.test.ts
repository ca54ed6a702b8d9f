/** Tests of the engine: what another model does to what is known of real servers. */

import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';

import { contentOf } from '../../../src/health/index.js';
import { type Check, type HealthPolicy, ip, mac, type Model, type Service } from '../../../src/model/index.js';
import { FakeHost, health, modelOf, rip, VIP } from './fake-host.js';

before(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
});
after(() => {
  mock.timers.reset();
});

const TCP = { type: 'tcp' } as const;
const PING = { type: 'ping' } as const;
const SERVICE = `tcp ${VIP}:80`;
const NOTHING = modelOf([]);

function model(checks: readonly Check[], policy: Partial<HealthPolicy> = {}, rest: Partial<Service> = {}): Model {
  return modelOf([{ ...health(checks, policy), ...rest }]);
}

/** A host whose real server fails, or passes, and is known to do so. */
async function known(first: Model, isUp: boolean): Promise<FakeHost> {
  const host = new FakeHost();
  host.answer = () => (isUp ? {} : { outcome: 'refused' });
  host.follow(first);
  await host.until(() =>
    host.checker.all().every((each) => each.isUp === isUp && each.checks.every(({ state }) => state.last)),
  );
  host.transitions.length = 0;
  return host;
}

const servers = (host: FakeHost): unknown[] =>
  host.transitions.flatMap((each) => (each.kind === 'server' ? [[each.isUp, each.reason]] : []));

test('a check that is added or changed takes no real server down that is up, and brings none up that is down', async () => {
  const changes: [string, readonly Check[]][] = [
    ['added', [TCP, PING]],
    ['changed', [{ ...TCP, port: 80 }]],
    ['another kind', [{ type: 'http' }]],
    ['changed and added', [{ ...TCP, port: 80 }, PING]],
    ['by RIP', [{ ...TCP, via: 'rip' }]],
    ['slow', [{ type: 'tls' }]],
    ['an agent beside it', [{ type: 'tls' }, { type: 'agent', by: 'exec', command: ['/bin/x'] }]],
  ];
  for (const [name, checks] of changes) {
    for (const initially of ['up', 'down'] as const) {
      for (const isUp of [true, false]) {
        const what = `${name}, initially ${initially}, ${isUp ? 'up' : 'down'}`;
        const host = await known(model([TCP], { initially }), isUp);
        host.follow(model(checks, { initially }));
        assert.equal(host.isUp(), isUp, what);
        assert.deepEqual(servers(host), [], what);
        const kept = structuredClone(host.checker.kept);
        await host.checker.close();
        // The same for the next daemon, with another check again.
        const next = new FakeHost({ restore: kept });
        next.follow(model([{ ...TCP, port: 8080 }], { initially }));
        assert.equal(next.isUp(), isUp, `${what}, restarted`);
        await next.checker.close();
      }
    }
  }
});

test('the first result of a new check decides at once', async () => {
  const host = await known(model([TCP]), true);
  host.answer = ({ protocol }) => (protocol === 'ping' ? { outcome: 'timeout' } : {});
  host.follow(model([TCP, PING], { fall: 5 }));
  await host.pass(1100);
  assert.equal(host.isUp(), false);
  await host.checker.close();
});

test('what a real server is initially holds for one that is new to a known service', async () => {
  const destinations = [1, 2].map((number) => ({ address: rip(number), weight: 1 }));
  const host = await known(model([TCP], { initially: 'down' }), true);
  host.follow(model([TCP], { initially: 'down' }, { destinations }));
  assert.deepEqual([host.isUp(SERVICE, rip(1)), host.isUp(SERVICE, rip(2))], [true, false]);
  await host.checker.close();
});

test('a model that is followed and taken back loses nothing of what was known', async () => {
  const damping = { changes: 1, within: 60, hold: 60 };
  const first = model([TCP, PING], { damping });
  const others: [string, Model][] = [
    ['nothing', NOTHING],
    ['no checks', modelOf([{}])],
    ['another port', model([TCP, PING], { damping }, { port: 81 })],
    ['another real server', model([TCP, PING], { damping }, { destinations: [{ address: rip(2), weight: 1 }] })],
    ['other checks', model([{ ...TCP, port: 80 }], { damping })],
    ['one check less', model([PING], { damping })],
  ];
  for (const [name, other] of others) {
    const host = await known(first, false);
    const states = structuredClone(host.checker.kept.servers);
    assert.notEqual(states[0]!.checks[0]!.state.heldSince, undefined);
    host.follow(other);
    await host.pass(20);
    host.follow(first);
    assert.deepEqual(
      host.checker.kept.servers.map(({ isUp, checks }) => ({ isUp, checks })),
      states.map(({ isUp, checks }) => ({ isUp, checks })),
      name,
    );
    await host.checker.close();
  }
});

test('advice outlives a model that is taken back, too', async () => {
  const host = new FakeHost({ runSlow: () => Promise.resolve({ advice: { state: 'drain' } }) });
  const first = model([{ type: 'agent', by: 'exec', command: ['/bin/x'] }]);
  host.follow(first);
  await host.until(() => host.changes.length > 0);
  for (const other of [NOTHING, model([TCP])]) {
    host.follow(other);
    host.follow(first);
    assert.deepEqual(host.checker.all()[0]!.advice, { state: 'drain', source: 'agent' });
  }
  await host.checker.close();
});

test('an old check does not bring a real server up that failed another meanwhile', async () => {
  const host = await known(model([TCP]), true);
  host.answer = () => ({ outcome: 'refused' });
  host.follow(model([{ ...TCP, port: 80 }]));
  await host.until(() => host.isUp() === false);
  host.follow(model([TCP]));
  assert.equal(host.isUp(), false);
  await host.checker.close();
});

test('what left is forgotten after a minute', async () => {
  const policy = { initially: 'up' } as const;
  const host = await known(model([TCP], policy), false);
  host.follow(NOTHING);
  host.now += 61_000;
  host.follow(model([TCP], policy));
  assert.equal(host.isUp(), true);
  await host.checker.close();
});

test('a real server that comes up or goes down by a change of its checks is told of, once', async () => {
  const both = model([TCP, PING]);
  const host = new FakeHost();
  host.answer = ({ protocol }) => (protocol === 'ping' ? { outcome: 'timeout' } : {});
  host.follow(both);
  await host.until(() => host.isUp() === false);
  await host.pass(1000);
  host.transitions.length = 0;
  // The check that fails is removed, and comes back.
  host.follow(model([TCP]));
  assert.deepEqual([host.isUp(), ...servers(host)], [true, [true, 'its checks were changed']]);
  host.transitions.length = 0;
  host.follow(both);
  assert.deepEqual([host.isUp(), ...servers(host)], [false, [false, 'its checks were changed']]);
  // It is checked no more, and then again.
  for (const spared of [
    modelOf([{}]),
    model([TCP, PING], {}, { destinations: [{ address: rip(1), weight: 1, health: { checks: [] } }] }),
  ]) {
    host.transitions.length = 0;
    host.follow(spared);
    assert.deepEqual(servers(host), [[true, 'it is not checked any more']]);
    host.transitions.length = 0;
    host.follow(both);
    assert.deepEqual(servers(host), [[false, 'it was when it was checked last']]);
  }
  // One that is no real server any more is none that came up.
  host.transitions.length = 0;
  host.follow(NOTHING);
  assert.deepEqual(servers(host), []);
  await host.checker.close();
});

test('a change of checks that the next daemon finds is told of, too', async () => {
  const host = new FakeHost();
  host.answer = ({ protocol }) => (protocol === 'ping' ? { outcome: 'timeout' } : {});
  host.follow(model([TCP, PING]));
  await host.until(() => host.isUp() === false);
  const restore = structuredClone(host.checker.kept);
  await host.checker.close();
  const next = new FakeHost({ restore });
  next.follow(model([TCP]));
  assert.deepEqual([next.isUp(), ...servers(next)], [true, [true, 'its checks were changed']]);
  await next.checker.close();
});

test('an agent that is asked no more takes what it said with it, and that is told', async () => {
  const host = new FakeHost({ runSlow: () => Promise.resolve({ advice: { state: 'drain' } }) });
  host.follow(model([TCP, { type: 'agent', by: 'exec', command: ['/bin/x'] }]));
  await host.until(() => host.changes.length > 0);
  host.transitions.length = 0;
  host.follow(model([TCP]));
  assert.deepEqual(host.transitions, [
    { kind: 'advice', service: SERVICE, address: rip(1), label: 'agent', advice: undefined },
  ]);
  await host.checker.close();
});

/** "check-down tcp" */
const told = (host: FakeHost): string[] =>
  host.transitions.splice(0).map((each) => {
    const { type, details } = contentOf(each);
    return [type, details.check, details.reason?.replace(/, [\d.]+ ms$/, '')].filter(Boolean).join(' ');
  });

test('what was told of a check or a real server ends with it, and is told again if it comes back', async () => {
  const ONE = { ...TCP, port: 80 };
  const both = model([ONE, PING]);
  const down = ['check-down ping L3 timeout', 'real-server-down ping ping: L3 timeout'];
  const again = ['check-down ping L3 timeout', 'real-server-down it was when it was checked last'];
  const cases: [string, Model, string[], string[]][] = [
    [
      'the check is removed',
      model([ONE]),
      ['check-removed ping', 'real-server-up its checks were changed'],
      ['check-down ping L3 timeout', 'real-server-down its checks were changed'],
    ],
    [
      'the check is another',
      model([ONE, { ...PING, via: 'rip' }]),
      ['check-removed ping'],
      // The old check is back, and was down.
      ['check-down ping L3 timeout'],
    ],
    ['another check is removed', model([PING]), [], []],
    [
      'the real server is removed',
      model([ONE, PING], {}, { destinations: [{ address: rip(2), weight: 1 }] }),
      ['check-removed ping', 'real-server-removed'],
      again,
    ],
    ['the service is removed', NOTHING, ['check-removed ping', 'real-server-removed'], again],
    [
      'the service is not checked',
      modelOf([{}]),
      ['check-removed ping', 'real-server-up it is not checked any more'],
      again,
    ],
  ];
  for (const [name, other, removed, back] of cases) {
    const host = new FakeHost();
    host.answer = ({ protocol }) => (protocol === 'ping' ? { outcome: 'timeout' } : {});
    host.follow(both);
    await host.until(() => host.isUp() === false);
    assert.deepEqual(told(host), down, name);
    host.follow(other);
    assert.deepEqual(told(host), removed, name);
    host.follow(both);
    assert.deepEqual(told(host), back, name);
    host.follow(other);
    assert.deepEqual(told(host), removed, `${name} again`);
    await host.checker.close();
  }
});

test('what passes, or was never made, has nothing to end', async () => {
  const host = await known(model([TCP]), true);
  host.follow(NOTHING);
  host.follow(model([{ ...TCP, port: 81 }], { initially: 'down' }));
  host.follow(NOTHING);
  assert.deepEqual(told(host), []);
  await host.checker.close();
});

test('a warning, a trouble and advice end with their checks', async () => {
  const agent: Check = { type: 'agent', by: 'exec', command: ['/bin/x'] };
  const others: Check[] = [{ type: 'tls' }, { type: 'exec', command: ['/bin/y'] }];
  const host = new FakeHost({
    runSlow: ({ type }) =>
      Promise.resolve(
        type === 'agent'
          ? { advice: { percent: 50 } }
          : type === 'exec'
            ? { trouble: 'cannot run' }
            : { outcome: { passed: true, layer: 'L6', words: 'ok', ms: 1 }, warning: 'soon' },
      ),
  });
  const all = model([TCP, agent, ...others]);
  const ended = ['advice-changed agent none', 'check-warning-over tls', 'check-trouble-over exec'];
  for (const other of [model([TCP]), NOTHING]) {
    host.follow(all);
    await host.pass(8000);
    told(host);
    host.follow(other);
    assert.deepEqual(told(host), ended);
  }
  host.follow(all);
  assert.deepEqual(told(host), ['advice-changed agent 50 % of the weight']);
  await host.pass(8000);
  assert.deepEqual(told(host).sort(), ['check-trouble exec cannot run', 'check-warning tls soon']);
  await host.checker.close();
});

test('an edit asks for the routes that it needs alone, and keeps the checks of all others', async () => {
  const COUNT = 300;
  const many = (edit: (number: number) => Partial<Service['destinations'][number]>, count = COUNT): Model =>
    model(
      [TCP, PING],
      {},
      {
        destinations: Array.from({ length: count }, (_, i) => ({ address: rip(i), weight: 1, ...edit(i) })),
      },
    );
  const host = new FakeHost();
  host.follow(many(() => ({})));
  await host.pass(1500);
  assert.equal(host.asked, COUNT);
  const edits: [string, Model, number][] = [
    ['a weight', many((i) => (i === 3 ? { weight: 9 } : {})), 0],
    ['all weights', many((i) => ({ weight: i + 1 })), 0],
    ['a real server more', many(() => ({}), COUNT + 1), 1],
    ['a real server less', many(() => ({})), 0],
    ['a MAC', many((i) => (i === 3 ? { mac: mac('02:00:00:00:00:03') } : {})), 1],
    ['other checks of one', many((i) => (i === 3 ? { health: { checks: [{ ...TCP, via: 'rip' }] } } : {})), 1],
    ['none of one', many((i) => (i === 3 ? { health: { checks: [] } } : {})), 0],
  ];
  const shared = host.checker.healthOf(SERVICE, rip(200));
  const jobs = [...host.jobs.keys()].filter((job) => host.jobs.get(job)!.rip !== rip(3));
  for (const [name, edited, routes] of edits) {
    host.asked = 0;
    host.follow(edited);
    await host.pass(100);
    assert.equal(host.asked, routes, name);
    assert.equal(host.checker.healthOf(SERVICE, rip(200)), shared, name);
    assert.ok(
      jobs.every((job) => host.jobs.has(job)),
      name,
    );
  }
  // Another network is another matter: all routes are asked for, soon; that of the one that comes back at once.
  host.asked = 0;
  host.follow(edits[0]![1], {});
  await host.pass(600);
  assert.equal(host.asked, 1 + COUNT);
  await host.checker.close();
});

test('another VIP has all source addresses chosen anew, for one of them may be it', async () => {
  const host = await known(model([TCP]), true);
  host.asked = 0;
  host.follow(modelOf([{ ...health([TCP]) }, { address: ip('10.0.255.1') }]));
  await host.pass(600);
  assert.equal(host.asked, 1);
  await host.pass(3000);
  assert.equal(host.starts.at(-1)!.job.local, '10.0.255.2');
  await host.checker.close();
});

test('ways are looked for again now and then, however often a model is edited', async () => {
  const host = await known(model([TCP]), true);
  host.asked = 0;
  for (let edit = 0; edit < 12; edit += 1) {
    host.follow(model([TCP], {}, { destinations: [1, 2 + edit].map((each) => ({ address: rip(each), weight: 1 })) }));
    await host.pass(1000);
  }
  // One for each edit, and all once at least.
  assert.ok(host.asked >= 12 + 2, String(host.asked));
  await host.checker.close();
});

test('a check leaves by the interface that its real server is configured with, or is not made and says why', async () => {
  const link = {
    mac: mac('02:00:00:00:00:ff'),
    mtu: 1500,
    up: true,
    carrier: true,
    kind: '',
    lower: undefined,
    peer: undefined,
  };
  const none = { ...link, master: undefined, vlan: undefined };
  const MAC = mac('02:00:00:00:00:01');
  const vlan = { parent: 3, id: 9, service: false };
  const cases: [string, FakeHost['links'], string, RegExp | undefined][] = [
    ['it is that', [{ ...none, ifindex: 7, name: 'eth1' }], 'eth1', undefined],
    [
      'it is another',
      [{ ...none, ifindex: 7, name: 'eth0' }],
      'eth1',
      /: the route to it leaves by eth0, and its pack/,
    ],
    ['one that is unknown', [], 'eth1', /leaves by interface 7, and/],
    [
      'a VLAN above it',
      [
        { ...none, ifindex: 7, name: 'eth1.9', lower: 3, vlan },
        { ...none, ifindex: 3, name: 'eth1' },
      ],
      'eth1',
      undefined,
    ],
    [
      'a bond of it',
      [
        { ...none, ifindex: 7, name: 'bond0', kind: 'bond' },
        { ...none, ifindex: 3, name: 'eth1', master: 7 },
      ],
      'eth1',
      undefined,
    ],
  ];
  for (const [name, links, device, trouble] of cases) {
    const host = new FakeHost();
    host.links = links;
    host.follow(model([TCP], {}, { destinations: [{ address: rip(1), weight: 1, mac: MAC, interface: device }] }));
    await host.pass(1100);
    const found = host.checker.all()[0]!.checks[0]!.trouble;
    if (trouble === undefined) {
      assert.equal(found, undefined, name);
      assert.ok(host.starts.length > 0, name);
    } else {
      assert.match(found!, trouble, name);
      assert.deepEqual([host.starts.length, host.neighbours.size], [0, 0], name);
    }
    await host.checker.close();
  }
});
