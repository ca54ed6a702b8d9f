/** Tests of the engine: when checks are made, what is kept, and that one check never costs another. */

import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';

import { ip, mac, type Model } from '../../../src/model/index.js';
import { bootName } from '../../../src/native/index.js';
import { FakeHost, health, modelOf, rip, VIP } from './fake-host.js';

before(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
});
after(() => {
  mock.timers.reset();
});

const TCP = { type: 'tcp' } as const;
const SERVICE = `tcp ${VIP}:80`;

/** A model with so many real servers. */
function manyServers(count: number, policy = health([TCP])): Model {
  const destinations = Array.from({ length: count }, (_, i) => ({ address: rip(i), weight: 1 }));
  return modelOf([{ ...policy, destinations }]);
}

test('without health in a model, nothing is opened and nothing is timed', async () => {
  const host = new FakeHost();
  host.follow(modelOf([{}]));
  await host.pass(100);
  assert.deepEqual([host.opened, host.followed, host.checker.all()], [[], [], []]);
  assert.deepEqual(host.checker.usage, { inAir: 0, ended: 0, probes: 0, interfaces: [], wire: undefined });
  await host.checker.close();
});

test('the wire comes with the first check and goes with the last, and its jobs with the checks', async () => {
  const host = new FakeHost();
  host.follow(manyServers(3));
  await host.pass(1100);
  assert.equal(host.opened.length, 1);
  assert.deepEqual(host.followed.at(-1), [7]);
  assert.equal(host.jobs.size, 3);
  host.follow(manyServers(1));
  await host.pass(10);
  assert.equal(host.jobs.size, 1);
  host.follow(modelOf([{}]));
  await host.pass(10);
  assert.equal(host.closed, 1);
  assert.equal(host.isUp(), undefined);
  const starts = host.starts.length;
  await host.pass(5000);
  assert.equal(host.starts.length, starts);
  await host.checker.close();
});

test('checks are spread from the first one on, and each is made once in its interval', async () => {
  const host = new FakeHost();
  host.follow(manyServers(1000));
  await host.pass(11_000);
  const counts = new Map<string, number>();
  host.destinations.forEach((each) => counts.set(each, (counts.get(each) ?? 0) + 1));
  assert.equal(counts.size, 1000);
  for (const [to, count] of counts) {
    assert.ok(count >= 5 && count <= 7, `${to} ${count}`);
  }
  const perTurn = new Map<number, number>();
  host.starts.forEach(({ at }) => perTurn.set(at, (perTurn.get(at) ?? 0) + 1));
  // 1,000 within the first second are 5 in a turn.
  assert.ok(Math.max(...perTurn.values()) <= 20);
  await host.checker.close();
});

test('many checks with a long interval begin soon, in no burst, and are spread over their interval at once', async () => {
  const host = new FakeHost();
  host.follow(manyServers(6000, health([TCP], { interval: 20 })));
  await host.pass(25_000);
  const seconds = Array.from({ length: 26 }, () => 0);
  const [first] = host.starts;
  host.starts.forEach(({ at }) => (seconds[Math.floor((at - first!.at) / 1000)]! += 1));
  // All within five seconds: 1,200 a second, and what is due again. Later 300 a second.
  assert.equal(new Set(host.starts.slice(0, 9000).map(({ job }) => job.rip)).size, 6000);
  assert.ok(Math.max(...seconds.slice(0, 5)) < 1600, JSON.stringify(seconds));
  assert.ok(
    Math.max(...seconds.slice(6, 20)) < 420 && Math.min(...seconds.slice(6, 20)) > 180,
    JSON.stringify(seconds),
  );
  await host.checker.close();
});

test('after a stall of a minute the checks go on as before: none is made twice, and there is no burst', async () => {
  const host = new FakeHost();
  host.follow(manyServers(10_000, health([TCP], { interval: 4 })));
  await host.pass(6000);
  const before = host.starts.length;
  await host.stall(60_000);
  await host.pass(4400);
  const since = host.starts.slice(before);
  assert.ok(since.length >= 10_000 && since.length < 12_500, String(since.length));
  const perSecond = new Map<number, number>();
  since.forEach(({ at }) => perSecond.set(Math.floor(at / 250), (perSecond.get(Math.floor(at / 250)) ?? 0) + 1));
  // 2,500 a second are 625 in a quarter of one.
  assert.ok(Math.max(...perSecond.values()) < 950, JSON.stringify([...perSecond]));
  await host.checker.close();
});

test('after a stall a check with a long interval does not wait for all of it again', async () => {
  const host = new FakeHost();
  host.follow(manyServers(1, health([TCP], { interval: 60 })));
  await host.pass(1100);
  await host.stall(62_000 + 7_000);
  const before = host.starts.length;
  await host.pass(16_000);
  assert.equal(host.starts.length, before + 1);
  await host.checker.close();
});

test('real servers that hang take no turn from the others, and each has one run at a time', async () => {
  const host = new FakeHost();
  host.follow(manyServers(100));
  host.answer = ({ rip: to }) => (to === rip(5) ? undefined : {});
  await host.pass(9000);
  assert.equal(host.starts.filter(({ job }) => job.rip === rip(5)).length, 1);
  assert.equal(host.checker.usage.inAir, 1);
  assert.ok(host.starts.length >= 4 * 99);
  await host.checker.close();
});

test('no more is in the air than there are ports, and the others have their turn when there is room', async () => {
  const host = new FakeHost();
  host.follow({ ...manyServers(200), health: { ports: { first: 61_000, last: 61_031 } } });
  host.answer = () => undefined;
  await host.pass(3000);
  assert.equal(host.mostInAir, 30);
  assert.deepEqual([host.opened[0]!.firstPort, host.opened[0]!.ports], [61_000, 32]);
  await host.checker.close();
});

test('more checks than ports can make in their intervals are told of once, and once when that is over', async () => {
  const host = new FakeHost();
  const health = { ports: { first: 61_000, last: 61_000 } };
  host.follow({ ...manyServers(1000), health });
  await host.pass(20_000);
  const told = (): string[] => host.troubles.map(([message]) => message.slice(0, 24));
  assert.deepEqual(told(), ['health checks are late: ']);
  host.follow({ ...manyServers(10), health });
  await host.pass(25_000);
  assert.deepEqual(told(), ['health checks are late: ', 'health checks are in tim']);
  await host.checker.close();
});

test('equal checks of several services are made once, and each service judges by itself', async () => {
  const host = new FakeHost();
  // Services of a mark, and one by address, that all lead to the same port of the same VIP.
  const policies = [
    { rise: 1, fall: 1 },
    { rise: 2, fall: 4 },
  ] as const;
  const model: Model = {
    ...modelOf([{ ...health([TCP], policies[0]) }]),
    markServices: [1, 2].map((mark) => ({
      mark,
      family: 4,
      scheduler: 'rr',
      destinations: [{ address: rip(1), weight: 1 }],
      ...health([TCP], policies[1]),
    })),
    markRules: [1, 2].map((mark) => ({
      mark,
      match: { protocol: 'tcp', address: VIP, prefixLength: 32, firstPort: 80, lastPort: 80 },
    })),
  };
  host.follow(model);
  await host.pass(2500);
  assert.equal(host.checker.usage.probes, 1);
  assert.ok(host.starts.length <= 3);
  host.answer = () => ({ outcome: 'refused' });
  await host.pass(2200);
  assert.deepEqual([host.isUp(SERVICE), host.isUp('fwm 1'), host.isUp('fwm 2')], [false, true, true]);
  await host.pass(4000);
  assert.deepEqual([host.isUp(SERVICE), host.isUp('fwm 1'), host.isUp('fwm 2')], [false, false, false]);
  await host.checker.close();
});

test('checks that differ in where they go, or in their times, are made apart', async () => {
  const host = new FakeHost();
  const checks = [
    TCP,
    { ...TCP, port: 81 },
    { ...TCP, via: 'rip' },
    { ...TCP, interval: 3 },
    { ...TCP, via: 'rip', address: rip(9) },
    { type: 'http' },
    TCP,
  ] as const;
  host.follow(modelOf([{ ...health(checks) }, { port: 443, ...health([TCP]) }]));
  await host.pass(1100);
  assert.equal(host.checker.usage.probes, 8);
  const labels = host.checker.healthOf(SERVICE, rip(1))!.checks.map(({ label }) => label);
  assert.deepEqual(labels, ['tcp', 'tcp 81', 'tcp #2', 'tcp #3', 'tcp #4', 'http', 'tcp #5']);
  assert.deepEqual([...new Set(host.destinations)].sort(), [
    `${rip(1)}:80 by ${rip(1)}`,
    `${rip(9)}:80 by ${rip(9)}`,
    `${VIP}:443 by ${rip(1)}`,
    `${VIP}:80 by ${rip(1)}`,
    `${VIP}:81 by ${rip(1)}`,
  ]);
  await host.checker.close();
});

test('a change is told at once and once a batch, and the object that tells of it is the same until the next', async () => {
  const host = new FakeHost();
  host.follow(manyServers(50, health([TCP, { ...TCP, port: 81 }])));
  await host.pass(2000);
  assert.equal(host.changes.length, 0);
  const first = host.checker.healthOf(SERVICE, rip(3))!;
  await host.pass(3000);
  assert.equal(host.checker.healthOf(SERVICE, rip(3)), first);
  host.answer = ({ rip: to, port }) =>
    to === rip(3) && port === 81 ? { outcome: 'unreachable', error: 'EHOSTUNREACH' } : {};
  await host.pass(8000);
  assert.equal(host.changes.length, 1);
  const down = host.changes[0];
  assert.equal(down!.length, 1);
  assert.equal(down![0], host.checker.healthOf(SERVICE, rip(3)));
  assert.equal(down![0]!.isUp, false);
  const [tcp, tcp81] = down![0]!.checks;
  assert.equal(tcp!.state.isUp, true);
  assert.deepEqual([tcp81!.label, tcp81!.state.isUp, tcp81!.state.last!.words], ['tcp 81', false, 'host unreachable']);
  assert.deepEqual(
    host.transitions.map(({ kind, address, ...rest }) => [kind, address, 'isUp' in rest && rest.isUp]),
    [
      ['check', rip(3), false],
      ['server', rip(3), false],
    ],
  );
  await host.checker.close();
});

test('while results speak against the state, a check is made more often', async () => {
  const host = new FakeHost();
  host.follow(manyServers(1, health([TCP], { interval: 10, fastInterval: 0.5, fall: 5 })));
  await host.pass(1000);
  host.answer = () => ({ outcome: 'refused' });
  await host.pass(13_500);
  assert.equal(host.isUp(SERVICE, rip(0)), false);
  await host.checker.close();
});

test('a reload keeps states and due times of what it does not change, and checks the rest alone', async () => {
  const host = new FakeHost();
  const model = manyServers(20, health([TCP], { interval: 10, fall: 1 }));
  host.follow(model);
  host.answer = ({ rip: to }) => (to === rip(2) ? { outcome: 'refused' } : {});
  await host.pass(1500);
  const [{ since }, starts, jobs] = [host.checker.healthOf(SERVICE, rip(2))!, host.starts.length, new Map(host.jobs)];
  assert.equal(starts, 20);
  // Another weight, another rise, and one more real server.
  const [service] = model.services;
  const destinations = [
    ...service!.destinations.map((each) => ({ ...each, weight: 5 })),
    { address: rip(77), weight: 1 },
  ];
  host.follow({
    ...model,
    services: [{ ...service!, destinations, ...health([{ ...TCP }], { interval: 10, rise: 3, fall: 1 }) }],
  });
  await host.pass(1500);
  assert.deepEqual([...host.jobs].slice(0, 20), [...jobs]);
  assert.equal(host.starts.length, 21);
  assert.equal(host.starts.at(-1)!.job.rip, rip(77));
  assert.equal(host.checker.healthOf(SERVICE, rip(2))!.since, since);
  assert.equal(host.isUp(SERVICE, rip(2)), false);
  // Another interval: the check is made anew, and its state is the old one.
  host.follow({ ...model, services: [{ ...service!, ...health([TCP], { interval: 5, fall: 1 }) }] });
  assert.equal(host.isUp(SERVICE, rip(2)), false);
  assert.equal(host.checker.healthOf(SERVICE, rip(2))!.since, since);
  await host.pass(1500);
  assert.equal(host.starts.length, 41);
  assert.deepEqual(host.troubles, []);
  await host.checker.close();
});

test('a model that is the same costs nothing, and one that is gone leaves nothing', async () => {
  const host = new FakeHost();
  const model = manyServers(3);
  host.follow(model);
  await host.pass(1500);
  const jobs = new Map(host.jobs);
  host.follow(model);
  host.follow(model, {});
  await host.pass(1500);
  assert.deepEqual(host.jobs, jobs);
  await host.checker.close();
  assert.equal(host.closed, 1);
});

test('the next daemon goes on with the states, in the middle of a row of results', async () => {
  const first = new FakeHost();
  const model = manyServers(3, health([TCP], { fall: 3, fastInterval: 2 }));
  first.follow(model);
  await first.pass(1100);
  first.answer = ({ rip: to }) => (to === rip(1) ? { outcome: 'refused' } : {});
  await first.pass(4200);
  const restore = structuredClone(first.checker.kept);
  assert.deepEqual(JSON.parse(JSON.stringify(restore)), restore);
  await first.checker.close();
  const { against } = restore.servers[1]!.checks[0]!.state;
  assert.ok(against >= 1 && against <= 2, String(against));

  const next = new FakeHost({ restore });
  next.answer = first.answer;
  next.follow(model);
  assert.equal(next.checker.healthOf(SERVICE, rip(1))!.checks[0]!.state.against, against);
  assert.equal(next.isUp(SERVICE, rip(1)), true);
  assert.equal(next.checker.healthOf(SERVICE, rip(1))!.since, restore.servers[1]!.since);
  await next.pass(1100);
  assert.equal(next.isUp(SERVICE, rip(1)), against + 1 < 3);
  await next.pass(4000);
  assert.equal(next.isUp(SERVICE, rip(1)), false);
  await next.checker.close();
});

test('after the machine restarted, a real server that was down still is, since then', async () => {
  const state = { isUp: false, since: 99_000_000, against: 1, downs: [99_000_000], heldSince: 99_000_000 };
  const kept = { service: SERVICE, address: rip(1), isUp: false, since: 99_000_000 };
  const last = { passed: false, layer: 'L4', words: 'refused', ms: 1 } as const;
  for (const boot of ['another', bootName()]) {
    const host = new FakeHost({
      restore: { boot, servers: [{ ...kept, checks: [{ check: 'tcp {}', state: { ...state, last } }] }] },
    });
    host.follow(modelOf([{ ...health([TCP]) }]));
    const found = host.checker.healthOf(SERVICE, rip(1))!;
    assert.deepEqual([found.isUp, found.since], [false, boot === 'another' ? 0 : 99_000_000]);
    const expected = { isUp: false, since: 0, last, against: 0, downs: [] };
    assert.deepEqual(found.checks[0]!.state, boot === 'another' ? expected : { ...state, last });
    await host.checker.close();
  }
});

test('whoever is told of a change may have another model followed at once, and throw', async () => {
  const host = new FakeHost();
  const model = manyServers(30, health([TCP], { fall: 1 }));
  host.follow(model);
  await host.pass(1100);
  host.onTold = () => {
    host.follow({ ...model, services: model.services.map((service) => ({ ...service })) });
    throw new Error('told');
  };
  host.answer = ({ rip: to }) => (to === rip(3) ? { outcome: 'refused' } : {});
  await host.pass(2300);
  assert.equal(host.isUp(SERVICE, rip(3)), false);
  // The check, the real server, and the change.
  assert.equal(host.troubles.length, 3);
  const before = host.starts.length;
  await host.pass(4000);
  const counts = host.starts.slice(before).length;
  assert.ok(counts >= 54 && counts <= 68, String(counts));
  await host.checker.close();
});

test('an exception in one result loses no other, and the check is made again', async () => {
  const host = new FakeHost();
  host.follow(manyServers(100));
  await host.pass(1100);
  // No bytes at all are none that a loop gives.
  let isBroken = true;
  host.answer = ({ rip: to }) =>
    to === rip(7) && isBroken ? { outcome: 'nonsense' as never } : { outcome: 'refused' };
  await host.pass(7000);
  const down = host.checker.all().filter(({ isUp }) => !isUp);
  assert.equal(down.length, 99);
  assert.ok(host.troubles.length > 0);
  assert.match(host.checker.healthOf(SERVICE, rip(7))!.checks[0]!.trouble!, /could not be judged/);
  isBroken = false;
  await host.pass(7000);
  assert.equal(host.isUp(SERVICE, rip(7)), false);
  assert.equal(host.checker.healthOf(SERVICE, rip(7))!.checks[0]!.trouble, undefined);
  await host.checker.close();
});

test('what this host could not do changes no state, and is tried again', async () => {
  for (const outcome of ['no-port', 'too-many', 'error'] as const) {
    const host = new FakeHost();
    host.follow(manyServers(2, health([TCP], { fall: 1 })));
    await host.pass(1100);
    host.answer = () => ({ outcome, error: 'EADDRNOTAVAIL' });
    const before = host.starts.length;
    await host.pass(6600);
    assert.ok(host.starts.length >= before + 4, outcome);
    assert.deepEqual([host.changes, host.transitions], [[], []], outcome);
    assert.equal(host.isUp(SERVICE, rip(1)), true);
    assert.notEqual(host.checker.healthOf(SERVICE, rip(1))!.checks[0]!.trouble, undefined);
    host.answer = () => ({});
    await host.pass(2300);
    assert.equal(host.checker.healthOf(SERVICE, rip(1))!.checks[0]!.trouble, undefined);
    await host.checker.close();
  }
});

test('a check with a pattern that is none, or without a port, says so and is never made', async () => {
  const host = new FakeHost();
  host.follow(modelOf([{ ...health([{ type: 'http', body: '(' }]) }, { port: 0, ...health([TCP, { type: 'ping' }]) }]));
  await host.pass(1500);
  const trouble = (name: string): (string | undefined)[] =>
    host.checker.healthOf(name, rip(1))!.checks.map((each) => each.trouble);
  assert.match(trouble(SERVICE)[0]!, /^the check is none: /);
  assert.deepEqual(trouble(`tcp ${VIP}:0`), ['the service has no single port: the check needs one', undefined]);
  assert.ok(host.starts.every(({ job }) => job.protocol === 'ping'));
  assert.ok(host.starts.length > 0);
  await host.checker.close();
});

test('the source of a check is never a VIP', async () => {
  const host = new FakeHost();
  host.route = { kind: 'unicast', ifindex: 7, gateway: undefined, prefixLength: 32, source: VIP };
  host.follow(manyServers(1));
  await host.pass(1100);
  assert.equal(host.starts[0]!.job.local, '10.0.255.2');
  await host.checker.close();
});

test('a real server behind a router is not checked to the VIP, and its own address is', async () => {
  const host = new FakeHost();
  host.route = { kind: 'unicast', ifindex: 7, gateway: ip('10.0.255.254'), prefixLength: 32, source: ip('10.0.255.1') };
  host.follow(modelOf([{ ...health([TCP, { ...TCP, via: 'rip' }]) }]));
  await host.pass(1100);
  const [vip, own] = host.checker.healthOf(SERVICE, rip(1))!.checks;
  assert.match(vip!.trouble!, /^cannot be checked to the VIP: there is no route to it but by the router/);
  assert.equal(own!.trouble, undefined);
  assert.equal(own!.state.last!.passed, true);
  assert.deepEqual([...new Set(host.destinations)], [`${rip(1)}:80 by ${rip(1)}`]);
  assert.deepEqual(host.followed.at(-1), []);
  await host.checker.close();
});

test('a real server with a MAC has a neighbour entry for as long as it is checked, unless somebody made one', async () => {
  const host = new FakeHost();
  const MAC = mac('02:00:00:00:00:01');
  const entry = { ifindex: 7, failed: false, managed: false };
  const foreign = { ...entry, address: rip(2), mac: MAC, permanent: true, ours: false };
  const other = { ...entry, address: rip(3), mac: mac('02:00:00:00:00:99'), permanent: false, ours: false };
  // One that a daemon left which was killed.
  const left = { ...entry, address: rip(4), mac: MAC, permanent: true, ours: true };
  host.neighbours
    .set(`7 ${rip(2)}`, foreign)
    .set(`7 ${rip(3)}`, other)
    .set(`7 ${rip(4)}`, left);
  const destinations = [1, 2, 3].map((number) => ({ address: rip(number), weight: 1, mac: MAC }));
  host.follow(modelOf([{ ...health([TCP]), destinations }]));
  await host.pass(1100);
  assert.equal(host.neighbours.get(`7 ${rip(1)}`)!.mac, MAC);
  assert.equal(host.neighbours.get(`7 ${rip(4)}`), undefined);
  assert.deepEqual(
    [...new Set(host.destinations)].sort(),
    [1, 2].map((each) => `${VIP}:80 by ${rip(each)}`),
  );
  assert.match(host.checker.healthOf(SERVICE, rip(3))!.checks[0]!.trouble!, /another MAC address/);
  host.follow(modelOf([{}]));
  await host.pass(20);
  assert.deepEqual([...host.neighbours.values()], [foreign, other]);
  await host.checker.close();
});

test('a director among its real servers asks itself, at the VIP while it has it', async () => {
  const host = new FakeHost();
  const model = modelOf([{ ...health([TCP]), destinations: [{ address: ip('127.0.0.1'), weight: 1 }] }]);
  host.follow(model);
  await host.pass(2000);
  assert.deepEqual([...new Set(host.destinations)], ['127.0.0.1:80 by 127.0.0.1']);
  host.own = [VIP];
  host.follow(model);
  await host.pass(4000);
  const { local, rip: to, vip } = host.starts.at(-1)!.job;
  assert.deepEqual([local, to, vip], [VIP, VIP, undefined]);
  await host.checker.close();
});

test('other ports open the wire anew, and what was in the air is done again', async () => {
  const host = new FakeHost();
  const model = manyServers(5);
  host.answer = () => undefined;
  host.follow(model);
  await host.pass(1100);
  assert.equal(host.checker.usage.inAir, 5);
  host.answer = () => ({});
  host.follow({ ...model, health: { ports: { first: 50_000, last: 50_999 } } });
  await host.pass(1200);
  assert.deepEqual([host.opened.length, host.closed, host.opened[1]!.firstPort], [2, 1, 50_000]);
  assert.equal(host.checker.usage.inAir, 0);
  assert.equal(host.starts.length, 10);
  await host.checker.close();
});

test('requests of one check go one after another, in the time of one, and the first that fails says which it is', async () => {
  const host = new FakeHost();
  const requests = [{ path: '/a' }, { path: '/b', status: [{ first: 404, last: 404 }] }, { path: '/c' }];
  host.follow(modelOf([{ ...health([{ type: 'http', headers: { X: 'y' }, requests }], { fall: 1 }) }]));
  const asked: string[] = [];
  let c = 200;
  host.answer = (job) => {
    const [, path] = /^GET (\S+) [^]*\r\nX: y\r\n/.exec(Buffer.from(job.send!).toString())!;
    asked.push(`${path} ${job.timeoutMs}`);
    return { totalMicros: 300_000, http: { status: path === '/b' ? 404 : path === '/c' ? c : 200, bodyOffset: 0 } };
  };
  await host.pass(1100);
  assert.deepEqual(asked, ['/a 1000', '/b 700', '/c 400']);
  assert.equal(host.isUp(), true);
  assert.equal(host.jobs.size, 1);
  c = 500;
  await host.pass(2300);
  const { last } = host.checker.healthOf(SERVICE, rip(1))!.checks[0]!.state;
  assert.deepEqual(last, { passed: false, layer: 'L7', words: '/c: status 500', ms: 900 });
  await host.checker.close();
});

test('an agent weighs a real server and never fails it, and what it says last holds while it is silent', async () => {
  const answers = [{ advice: { percent: 50 } }, { trouble: 'refused' }, { advice: { state: 'drain' as const } }, {}];
  let asked = 0;
  const host = new FakeHost({ runSlow: () => Promise.resolve(answers[asked++] ?? {}) });
  const found = (): unknown => host.checker.healthOf(SERVICE, rip(1));
  host.follow(modelOf([{ ...health([{ type: 'agent', by: 'exec', command: ['/bin/x'], interval: 1 }]) }]));
  await host.pass(1100);
  assert.equal(host.opened.length, 0);
  const { isUp, advice } = found() as { isUp: boolean; advice: unknown };
  assert.deepEqual([isUp, advice, host.changes.length], [true, { percent: 50, source: 'agent' }, 1]);
  await host.until(() => host.changes.length === 2);
  assert.deepEqual((found() as { advice: unknown }).advice, { state: 'drain', source: 'agent' });
  assert.deepEqual(host.checker.kept.servers[0]!.checks[0]!.advice, { state: 'drain' });
  await host.until(() => host.changes.length === 3);
  assert.equal((found() as { advice: unknown }).advice, undefined);
  await host.checker.close();
});

test('programs that hang keep no other check from being made, are given up in the end, and all end at the end', async () => {
  const signals: AbortSignal[] = [];
  const kinds = { exec: 0, tls: 0 };
  const host = new FakeHost({
    runSlow: ({ type }, { signal }) => {
      kinds[type as 'exec' | 'tls'] += 1;
      if (type === 'tls') {
        return Promise.resolve({ outcome: { passed: true, layer: 'L6', words: 'ok', ms: 1 } });
      }
      signals.push(signal);
      return new Promise(() => undefined);
    },
  });
  const checks = [
    { type: 'exec', command: ['/bin/hang'] },
    { type: 'tls', via: 'rip' },
  ] as const;
  host.follow(manyServers(40, health(checks)));
  await host.pass(4000);
  assert.deepEqual(kinds, { exec: 40, tls: 40 });
  // A run that does not end after its time is given up, and the next ones have their turn.
  await host.pass(13_000);
  assert.equal(kinds.exec, 80);
  assert.equal(host.changes.length, 0);
  await host.checker.close();
  assert.ok(signals.slice(40).every(({ aborted }) => aborted));
});
