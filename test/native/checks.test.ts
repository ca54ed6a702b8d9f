/** Checks to the VIP through one real server, against real servers in networks of their own. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { createSocket } from 'node:dgram';
import test, { before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { CheckJob, CheckResult } from '../../src/health/index.js';
import { ip as address } from '../../src/model/index.js';
import {
  brief,
  Checker,
  FAMILIES,
  type FamilyName,
  makeNic,
  NIC,
  RealServer,
  removeNic,
  setSysctls,
} from '../support/check-network.js';
import { ip, requireOwnNetwork } from '../support/isolation.js';
import { CLOSED_PORT, PORTS, RIP_ANSWERS_PORT } from '../support/real-server-ports.js';

const FAMILY_NAMES: readonly FamilyName[] = ['IPv4', 'IPv6'];
const GET = Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
/** Long enough for a busy machine where an answer is due, and short where none comes. */
const PATIENT_MS = 20_000;
const SHORT_MS = 150;

let nic: number;
const real: RealServer[] = [];

before(async () => {
  requireOwnNetwork();
  nic = makeNic();
  real.push(...(await Promise.all([1, 2].map((number) => RealServer.start(number)))));
});
test.after(async () => {
  await Promise.all(real.map((server) => server.stop()));
  removeNic();
});

/** A job to the VIP through a real server: the first one unless told otherwise. */
function jobTo(family: FamilyName, job: Partial<CheckJob> & Pick<CheckJob, 'protocol'>, server = real[0]!): CheckJob {
  return { ...FAMILIES[family], rip: server.rip[family], port: PORTS.http, timeoutMs: PATIENT_MS, bytes: true, ...job };
}

const http = (family: FamilyName, job: Partial<CheckJob> = {}, server = real[0]!): CheckJob =>
  jobTo(family, { protocol: 'tcp', send: GET, until: { on: 'http' }, ...job }, server);

/** Where the director has its VIPs. */
const VIP_PLACES = { nowhere: undefined, 'on the NIC': NIC, 'on lo': 'lo' } as const;

function setDirectorVips(device: string | undefined, action: 'add' | 'del'): void {
  if (device !== undefined) {
    ip('addr', action, `${FAMILIES.IPv4.vip}/32`, 'dev', device);
    ip('addr', action, `${FAMILIES.IPv6.vip}/128`, 'dev', device, ...(action === 'add' ? ['nodad'] : []));
  }
}

for (const way of ['tcx', 'clsact'] as const) {
  for (const [place, device] of Object.entries(VIP_PLACES)) {
    test(`each check reaches the VIP on its own real server, by ${way}, with the VIP ${place} on the director`, async (context) => {
      setDirectorVips(device, 'add');
      context.after(() => {
        setDirectorVips(device, 'del');
      });
      using checker = await Checker.open([nic], { way });
      for (const rpFilter of ['0', '1']) {
        setSysctls({ 'net/ipv4/conf/all/rp_filter': rpFilter, [`net/ipv4/conf/${NIC}/rp_filter`]: rpFilter });
        for (const family of FAMILY_NAMES) {
          for (const server of real) {
            const reached = `ok ${server.name} ${FAMILIES[family].vip}`;
            assert.equal(brief(await checker.check(http(family, {}, server))), reached);
            assert.equal(
              brief(await checker.check(jobTo(family, { protocol: 'udp', send: Buffer.from('hello') }, server))),
              `ok ${server.name} hello`,
            );
            assert.equal((await checker.check(jobTo(family, { protocol: 'ping' }, server))).outcome, 'ok');
          }
        }
      }
      assert.deepEqual(used(checker), { inAir: 0, waiting: 0, portsTaken: 0, entries: 0 });
    });
  }
}

/** What is in use and should not be when all checks have ended. */
function used(checker: Checker): Record<string, number> {
  const { inAir, waiting, portsTaken, entries } = checker.loop.usage;
  return { inAir, waiting, portsTaken, entries };
}

test('a check goes to the RIP when no VIP is given', async () => {
  using checker = Checker.withoutVips();
  for (const family of FAMILY_NAMES) {
    const { vip: _, ...job } = http(family);
    assert.equal(brief(await checker.check(job)), `ok real1 ${job.rip}`);
    const { vip: _vip, ...ping } = jobTo(family, { protocol: 'ping' });
    assert.equal((await checker.check(ping)).outcome, 'ok');
  }
  assert.throws(() => checker.loop.define(http('IPv4')), { code: 'EOPNOTSUPP' });
});

test('pings work with ping sockets and with raw ones', async (context) => {
  using checker = await Checker.open([nic]);
  context.after(() => {
    setSysctls({ 'net/ipv4/ping_group_range': '1 0' });
  });
  for (const range of ['0 2147483647', '1 0']) {
    setSysctls({ 'net/ipv4/ping_group_range': range });
    for (const family of FAMILY_NAMES) {
      const result = await checker.check(jobTo(family, { protocol: 'ping', send: Buffer.from('some payload') }));
      assert.equal(result.outcome, 'ok', `${family}, ${range}`);
    }
  }
});

/** How checks end that do not succeed, or do so in an unusual way. */
const ENDS: Record<string, [Partial<CheckJob>, string]> = {
  'a port where nobody listens': [{ port: CLOSED_PORT }, 'refused ECONNREFUSED'],
  'a server that hangs after accept': [{ port: PORTS.hang, timeoutMs: SHORT_MS }, 'timeout'],
  'a server that resets': [{ port: PORTS.reset }, 'reset ECONNRESET'],
  'a server that drips': [{ port: PORTS.drip, timeoutMs: SHORT_MS, bytes: false }, 'timeout'],
  'a server that sends 200 MB': [{ port: PORTS.flood, bytes: false }, 'too-long'],
  'the headers of 200 MB': [{ port: PORTS.flood, bytes: false, until: { on: 'http-headers' } }, 'ok'],
  'half an answer': [{ port: PORTS.half }, 'closed half'],
  'an answer that ends by the close': [{ port: PORTS.untilClose }, 'ok until the end'],
  'an answer without a body': [{ port: PORTS.noBody }, 'ok'],
  'the answer to HEAD': [
    { port: PORTS.noBody, send: Buffer.from('HEAD / HTTP/1.1\r\n\r\n'), until: { on: 'http', head: true } },
    'ok',
  ],
  'an answer that is not HTTP': [{ port: PORTS.ssh, bytes: false }, 'malformed'],
  'a connection alone': [{ port: PORTS.hang, until: { on: 'connected' } }, 'ok'],
  'some bytes': [{ port: PORTS.ssh, until: { on: 'data' } }, 'ok SSH-2.0-Test\r\n'],
  'certain bytes': [
    { port: PORTS.dialogue, send: Buffer.alloc(0), until: { on: 'bytes', bytes: Buffer.from('220 ready\r\n') } },
    'ok 220-first\r\n220 ready\r\n',
  ],
  'bytes that do not come': [
    { port: PORTS.ssh, timeoutMs: SHORT_MS, bytes: false, until: { on: 'bytes', bytes: Buffer.from('no') } },
    'timeout',
  ],
  'the end of the connection': [{ port: PORTS.half, bytes: false, until: { on: 'close' } }, 'ok'],
  'an empty datagram': [{ protocol: 'udp', until: { on: 'data' }, send: Buffer.from('empty') }, 'ok'],
  'the answer to an empty datagram': [{ protocol: 'udp', until: { on: 'data' }, send: new Uint8Array() }, 'ok real1 '],
  'a datagram that is larger than a packet': [
    { protocol: 'udp', until: { on: 'data' }, send: new Uint8Array(3000) },
    'unreachable EMSGSIZE',
  ],
  'an answer that a reset follows': [{ port: PORTS.greetReset, until: { on: 'data' } }, 'ok one\ntwo\n'],
  'a reset amid an answer': [
    { port: PORTS.greetReset, until: { on: 'close' }, send: Buffer.alloc(0) },
    'reset ECONNRESET one\ntwo\n',
  ],
  'no datagram': [
    { protocol: 'udp', until: { on: 'data' }, send: Buffer.from('silent'), timeoutMs: SHORT_MS },
    'timeout',
  ],
  'a datagram to a closed port': [
    { protocol: 'udp', until: { on: 'data' }, send: Buffer.from('x'), port: CLOSED_PORT },
    'refused ECONNREFUSED',
  ],
};

test('every end of a check has its outcome, to the VIP and to the RIP, in both families', async () => {
  using checker = await Checker.open([nic]);
  for (const family of FAMILY_NAMES) {
    for (const vip of [FAMILIES[family].vip, undefined]) {
      for (const [what, [job, expected]] of Object.entries(ENDS)) {
        // The UDP server listens at the VIP alone.
        if (vip !== undefined || job.protocol !== 'udp') {
          const result = await checker.check(http(family, { ...job, vip }));
          assert.equal(brief(result), expected, `${what}, ${family}, ${String(vip)}`);
          assert.equal(result.connectMicros === undefined, result.outcome === 'refused' || job.protocol === 'udp');
        }
      }
    }
  }
});

test('a check fails when its real server has lost the VIP, while the RIP answers', async (context) => {
  using checker = await Checker.open([nic]);
  real[1]!.setVips('del');
  context.after(() => {
    real[1]!.setVips('add');
  });
  for (const family of FAMILY_NAMES) {
    const { vip: _, ...toRip } = http(family, {}, real[1]);
    assert.equal(brief(await checker.check(toRip)), `ok real2 ${real[1]!.rip[family]}`);
    for (const protocol of ['tcp', 'udp', 'ping'] as const) {
      const job = jobTo(
        family,
        { protocol, timeoutMs: SHORT_MS, send: Buffer.from('x'), until: { on: 'data' } },
        real[1],
      );
      const { outcome } = await checker.check(job);
      assert.notEqual(outcome, 'ok', `${family} ${protocol}`);
      assert.equal((await checker.check(http(family))).outcome, 'ok', 'the other real server has it');
    }
  }
});

/** Of a real server: it forwards what is not for it, and its ICMP errors have no limit. */
const FORWARDS = {
  'net/ipv4/ip_forward': '1',
  'net/ipv6/conf/all/forwarding': '1',
  'net/ipv4/icmp_ratelimit': '0',
  'net/ipv6/icmp/ratelimit': '0',
};

for (const ranges of ['1 0', '0 2147483647']) {
  test(`a real server that forwards what is for a VIP that it lost is told from others (ping_group_range ${ranges})`, async (context) => {
    setSysctls({ 'net/ipv4/ping_group_range': ranges });
    const server = real[1]!;
    using checker = await Checker.open([nic]);
    server.setVips('del');
    server.set(FORWARDS);
    // What it forwards comes back to the director, which has the VIP's route to the other real server.
    for (const family of FAMILY_NAMES) {
      server.ip('route', 'add', FAMILIES[family].vip, 'via', FAMILIES[family].local);
    }
    context.after(() => {
      for (const family of FAMILY_NAMES) {
        server.ip('route', 'del', FAMILIES[family].vip, 'via', FAMILIES[family].local);
      }
      server.set({ 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' });
      server.setVips('add');
      setSysctls({ 'net/ipv4/ping_group_range': '1 0' });
    });
    for (const family of FAMILY_NAMES) {
      for (const protocol of ['tcp', 'udp', 'ping'] as const) {
        const result = await checker.check(
          jobTo(family, { protocol, send: Buffer.from('x'), until: { on: 'data' } }, server),
        );
        assert.equal(`${result.outcome} ${String(result.error)}`, 'forwarded EHOSTUNREACH', `${family} ${protocol}`);
      }
    }
    assert.deepEqual(used(checker), { inAir: 0, waiting: 0, portsTaken: 0, entries: 0 });
    // What was known of the port's last check is not said of the next, though that one has no entry.
    using single = await Checker.open([nic], { firstPort: 61_000, ports: 1 });
    assert.equal((await single.check(http('IPv4', {}, server))).outcome, 'forwarded');
    const { vip: _, ...toRip } = jobTo('IPv4', { protocol: 'ping', timeoutMs: SHORT_MS });
    assert.equal((await single.check({ ...toRip, rip: address('10.1.0.77') })).outcome, 'timeout');
  });
}

test('an address where nobody is, and one without a route, are unreachable', async () => {
  using checker = await Checker.open([nic]);
  const absent = address('10.1.0.77');
  assert.equal(brief(await checker.check(http('IPv4', { rip: absent }))), 'unreachable EHOSTUNREACH');
  assert.equal(brief(await checker.check(http('IPv4', { rip: address('192.0.2.1') }))), 'unreachable ENETUNREACH');
  // This host has no such address: not the real server's fault.
  assert.equal(brief(await checker.check(http('IPv4', { local: address('10.9.9.9') }))), 'error EADDRNOTAVAIL');
});

test('a dialogue goes on step by step, and keeps what came too early for the next step', async () => {
  using checker = await Checker.open([nic]);
  const line = { on: 'bytes', bytes: Buffer.from('\n') } as const;
  for (const family of FAMILY_NAMES) {
    const job = checker.loop.define(jobTo(family, { protocol: 'tcp', port: PORTS.dialogue, until: line, holds: true }));
    checker.loop.start(Uint32Array.of(job));
    const said: string[] = [];
    for (const send of ['', 'EHLO me\r\n', '', 'QUIT\r\n', undefined]) {
      const [result] = await checker.take(1);
      said.push(brief(result!));
      if (send === undefined) {
        assert.equal(checker.loop.end(result!.flight!), true);
        assert.equal(checker.loop.end(result!.flight!), false);
        assert.equal(checker.loop.proceed(result!.flight!, { until: line }), false);
      } else {
        assert.equal(checker.loop.proceed(result!.flight!, { send: Buffer.from(send), until: line }), true);
      }
    }
    assert.deepEqual(said, [
      'ok 220-first\r\n',
      'ok 220 ready\r\n',
      'ok 250 hello\r\n',
      'ok 250 more\r\n',
      'ok 221 bye\r\n',
    ]);
  }
  assert.deepEqual(used(checker), { inAir: 0, waiting: 0, portsTaken: 0, entries: 0 });
});

test('a dialogue that nobody goes on with ends by its timeout', async () => {
  using checker = await Checker.open([nic]);
  const job = checker.loop.define(
    jobTo('IPv4', { protocol: 'tcp', port: PORTS.ssh, until: { on: 'data' }, holds: true, timeoutMs: SHORT_MS }),
  );
  checker.loop.start(Uint32Array.of(job));
  const [held, ended] = await checker.take(2);
  assert.equal(held!.outcome, 'ok');
  assert.deepEqual([ended!.outcome, ended!.flight], ['timeout', undefined]);
  assert.equal(used(checker)['inAir'], 0);
});

test('an answer to a check that timed out is not taken for the answer to the next', async () => {
  // One port: the next check would have it at once.
  using checker = await Checker.open([nic], { firstPort: 61_000, ports: 1 });
  const late = jobTo('IPv4', { protocol: 'udp', send: Buffer.from('late'), timeoutMs: 50 });
  const silent = jobTo('IPv4', { protocol: 'udp', send: Buffer.from('silent'), timeoutMs: 600 }, real[1]);
  assert.equal((await checker.check(late)).outcome, 'timeout');
  assert.equal((await checker.check(silent)).outcome, 'no-port');
  assert.equal(checker.loop.usage.portsResting, 1);
});

test('checks above the limit are not made, and those that find no port say so', async () => {
  using checker = await Checker.open([nic], { ports: 4, limit: 6 });
  const job = checker.loop.define(
    jobTo('IPv4', { protocol: 'tcp', port: PORTS.hang, until: { on: 'data' }, timeoutMs: SHORT_MS }),
  );
  checker.loop.start(new Uint32Array(9).fill(job));
  const outcomes = (await checker.take(9)).map(({ outcome }: CheckResult) => outcome);
  assert.deepEqual(outcomes.sort(), [
    ...new Array<string>(2).fill('no-port'),
    ...new Array<string>(4).fill('timeout'),
    ...new Array<string>(3).fill('too-many'),
  ]);
  assert.deepEqual(used(checker), { inAir: 0, waiting: 0, portsTaken: 0, entries: 0 });
});

/** Starts so many checks of some jobs, never more than `inAir` at once, and counts the outcomes. */
async function storm(
  checker: Checker,
  jobs: readonly number[],
  count: number,
  inAir: number,
): Promise<Map<string, number>> {
  const outcomes = new Map<string, number>();
  for (let started = 0, ended = 0; ended < count;) {
    const batch = Math.min(inAir - (started - ended), count - started);
    checker.loop.start(Uint32Array.from({ length: batch }, (_, i) => jobs[(started + i) % jobs.length]!));
    started += batch;
    const results = await checker.take(Math.max(1, checker.untaken));
    ended += results.length;
    for (const { outcome } of results) {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  }
  return outcomes;
}

const descriptors = (): number => readdirSync('/proc/self/fd').length;

test('20,000 checks of every kind and end leak no descriptor, no port and no entry', async () => {
  setSysctls({ 'net/ipv4/icmp_ratelimit': '0', 'net/ipv6/icmp/ratelimit': '0' });
  using checker = await Checker.open([nic], { ports: 1024 });
  const kinds: Partial<CheckJob>[] = [
    {},
    {},
    { port: PORTS.noBody },
    { port: PORTS.hang, until: { on: 'connected' } },
    { port: CLOSED_PORT },
    { port: PORTS.reset },
    { port: PORTS.half },
    { port: PORTS.hang, timeoutMs: 20 },
    { protocol: 'ping', until: { on: 'data' } },
  ];
  const jobs = kinds.flatMap((kind) =>
    FAMILY_NAMES.flatMap((family) => real.map((server) => checker.loop.define(http(family, kind, server)))),
  );
  await storm(checker, jobs, 1000, 100);
  const before = descriptors();
  const outcomes = await storm(checker, jobs, 20_000, 300);
  const counted = [...outcomes.values()].reduce((sum, count) => sum + count);
  assert.equal(counted, 20_000);
  assert.deepEqual(used(checker), { inAir: 0, waiting: 0, portsTaken: 0, entries: 0 });
  assert.equal(descriptors(), before);
  // A ninth each, two for the first kind, and all four ways of each.
  for (const outcome of ['no-port', 'too-many', 'error', 'unreachable', 'malformed', 'too-long']) {
    assert.equal(outcomes.get(outcome), undefined, outcome);
  }
  assert.ok(outcomes.get('refused')! > 2000 && outcomes.get('timeout')! > 2000, JSON.stringify([...outcomes]));
});

test('checks in the air leave nothing behind when the loop is closed', async () => {
  const before = descriptors();
  {
    using checker = await Checker.open([nic]);
    const job = checker.loop.define(http('IPv4', { port: PORTS.hang }));
    checker.loop.start(new Uint32Array(500).fill(job));
    assert.ok(checker.loop.usage.inAir > 0 && checker.loop.usage.waiting > 0);
    while (checker.loop.usage.waiting > 0) {
      await sleep(1);
    }
    assert.equal(checker.loop.usage.entries, 500);
    checker.loop.close();
    assert.deepEqual(used(checker), { inAir: 0, waiting: 0, portsTaken: 0, entries: 0 });
    assert.throws(
      () => {
        checker.loop.start(Uint32Array.of(job));
      },
      { code: 'CLOSED' },
    );
    await sleep(20);
    assert.equal(checker.untaken, 0);
  }
  // The loop's own go with the next turns of libuv.
  for (let i = 0; i < 500 && descriptors() !== before; i += 1) {
    await sleep(10);
  }
  assert.equal(descriptors(), before);
});

test('a port for a socket of Node reaches the VIP, and tells when the real server forwards it', async () => {
  using checker = await Checker.open([nic]);
  for (const family of FAMILY_NAMES) {
    const { local, vip } = FAMILIES[family];
    const host = real[1]!.rip[family];
    const localPort = checker.loop.takePort(vip, host, local)!;
    assert.equal(checker.loop.isAnswered(localPort), false);
    const socket = connect({ host, port: PORTS.http, localAddress: local, localPort });
    socket.write(GET);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), new RegExp(`real2 ${vip}$`));
    assert.equal(checker.loop.isForwarded(localPort), false);
    assert.equal(checker.loop.isAnswered(localPort), true);
    assert.equal(checker.loop.usage.entries, 1);
    socket.resetAndDestroy();
    await once(socket, 'close');
    checker.loop.releasePort(localPort);
    assert.throws(
      () => {
        checker.loop.releasePort(localPort);
      },
      { name: 'RangeError' },
    );
    assert.equal(checker.loop.usage.entries, 0);
  }
});

test('a port that another program has bound is passed over', async (context) => {
  using checker = await Checker.open([nic], { firstPort: 61_000, ports: 3 });
  const holder = createServer().listen(61_001, FAMILIES.IPv4.local);
  await once(holder, 'listening');
  context.after(() => holder.close());
  for (let i = 0; i < 9; i += 1) {
    assert.equal((await checker.check(http('IPv4'))).outcome, 'ok');
  }
  assert.equal(checker.loop.usage.portsFree, 3);
});

test('a stall of the event loop fails no check', async () => {
  using checker = await Checker.open([nic]);
  const jobs = FAMILY_NAMES.map((family) => checker.loop.define(http(family, { timeoutMs: 500 })));
  checker.loop.start(Uint32Array.from({ length: 60 }, (_, i) => jobs[i % 2]!));
  // The connections are made meanwhile, and no request is sent.
  execFileSync('sleep', ['0.6']);
  const results = await checker.take(60);
  assert.deepEqual(new Set(results.map(({ outcome }) => outcome)), new Set(['ok']));
});

test('what cannot be a check is refused when it is defined', async () => {
  using checker = await Checker.open([nic]);
  const refused: Partial<CheckJob>[] = [
    { port: 0 },
    { port: 65_536 },
    { timeoutMs: 0 },
    { timeoutMs: 1.5 },
    { limit: 0 },
    { limit: 2 ** 21 },
    { protocol: 'udp', until: { on: 'http' } },
    { until: { on: 'bytes', bytes: new Uint8Array() } },
    { send: new Uint8Array(70_000) },
    { local: FAMILIES.IPv6.local },
    { vip: FAMILIES.IPv6.vip },
    { local: address('0.0.0.0') },
  ];
  for (const job of refused) {
    assert.throws(() => checker.loop.define(http('IPv4', job)), /Error/, JSON.stringify(job));
  }
  assert.throws(
    () => {
      checker.loop.start(Uint32Array.of(0));
    },
    { name: 'RangeError' },
  );
  const number = checker.loop.define(http('IPv4'));
  checker.loop.undefine(number);
  assert.throws(
    () => {
      checker.loop.undefine(number);
    },
    { name: 'RangeError' },
  );
});

test('a job that is undefined while it is checked reports under its number, which no other job gets meanwhile', async () => {
  using checker = await Checker.open([nic]);
  const first = checker.loop.define(http('IPv4', { port: PORTS.hang, timeoutMs: SHORT_MS }));
  checker.loop.start(Uint32Array.of(first));
  checker.loop.undefine(first);
  const second = checker.loop.define(http('IPv4'));
  assert.notEqual(second, first);
  checker.loop.start(Uint32Array.of(second));
  const results = await checker.take(2);
  assert.deepEqual(
    results.map(({ job, outcome }) => [job, outcome]),
    [
      [second, 'ok'],
      [first, 'timeout'],
    ],
  );
  // The batch is still in its receiver's hands.
  assert.notEqual(checker.loop.define(http('IPv4')), first);
  await sleep(0);
  assert.equal(checker.loop.define(http('IPv4')), first);
});

test('an answer that is not the VIP’s is no proof of the VIP', async () => {
  using checker = await Checker.open([nic]);
  for (const family of FAMILY_NAMES) {
    for (const holds of [false, true]) {
      const job = jobTo(family, { protocol: 'udp', port: RIP_ANSWERS_PORT, holds });
      const { outcome, flight } = await checker.check(job);
      assert.deepEqual([outcome, flight], ['not-vip', undefined], family);
      assert.equal(brief(await checker.check({ ...job, vip: undefined, holds: false })), 'ok from the RIP');
    }
  }
  // Nobody exchanges the addresses: the packets go to the RIP.
  checker.wire!.follow([]);
  for (const family of FAMILY_NAMES) {
    for (const [protocol, until] of [
      ['tcp', 'http'],
      ['tcp', 'connected'],
      ['ping', 'data'],
    ] as const) {
      const { outcome } = await checker.check(http(family, { protocol, until: { on: until } }));
      assert.equal(outcome, 'not-vip', `${family} ${protocol} ${until}`);
    }
  }
});

test('an answer that a reset follows is an answer, also when both are read late', async () => {
  using checker = await Checker.open([nic]);
  for (const family of FAMILY_NAMES) {
    const request = checker.loop.define(http(family, { port: PORTS.answerReset }));
    const greeting = checker.loop.define(
      jobTo(family, { protocol: 'tcp', port: PORTS.greetReset, until: { on: 'data' } }),
    );
    checker.loop.start(Uint32Array.of(request));
    // The request is on its way, and the connection for the greeting is not looked at yet.
    await sleep(50);
    checker.loop.start(Uint32Array.of(greeting));
    execFileSync('sleep', ['0.3']);
    const results = await checker.take(2);
    assert.deepEqual(results.map(brief).sort(), ['ok last words', 'ok one\ntwo\n'], family);
    assert.ok(results.every(({ connectMicros }) => connectMicros !== undefined));
  }
});

test('a reset while a dialogue is held takes no word from what was said before', async () => {
  using checker = await Checker.open([nic]);
  const until = { on: 'bytes', bytes: Buffer.from('\n') } as const;
  const job = checker.loop.define(jobTo('IPv4', { protocol: 'tcp', port: PORTS.greetReset, until, holds: true }));
  checker.loop.start(Uint32Array.of(job));
  const said: string[] = [];
  for (let i = 0; i < 3; i += 1) {
    const [result] = await checker.take(1);
    said.push(brief(result!));
    await sleep(60);
    if (result!.flight !== undefined) {
      checker.loop.proceed(result!.flight, { until });
    }
  }
  assert.deepEqual(said, ['ok one\n', 'ok two\n', 'reset ECONNRESET']);
});

test('a prohibition by ICMP is unreachable, not an error of this host', async (context) => {
  const server = real[1]!;
  using checker = await Checker.open([nic]);
  server.setVips('del');
  server.set(FORWARDS);
  for (const family of FAMILY_NAMES) {
    server.ip('route', 'add', 'prohibit', FAMILIES[family].vip);
  }
  context.after(() => {
    for (const family of FAMILY_NAMES) {
      server.ip('route', 'del', 'prohibit', FAMILIES[family].vip);
    }
    server.set({ 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' });
    server.setVips('add');
  });
  // Linux limits these errors of IPv4 by a rate of its own.
  for (const [family, protocol, error] of [
    ['IPv4', 'tcp', 'EHOSTUNREACH'],
    ['IPv6', 'tcp', 'EACCES'],
    ['IPv6', 'udp', 'EACCES'],
    ['IPv6', 'ping', 'EACCES'],
  ] as const) {
    const job = jobTo(family, { protocol, send: Buffer.from('x'), until: { on: 'data' } }, server);
    assert.equal(brief(await checker.check(job)), `unreachable ${error}`, `${family} ${protocol}`);
  }
});

test('a port that rests from datagrams is there for connections, and goes on resting', async () => {
  using checker = await Checker.open([nic], { firstPort: 61_000, ports: 1 });
  const udp = (send: string, timeoutMs = PATIENT_MS): CheckJob =>
    jobTo('IPv4', { protocol: 'udp', send: Buffer.from(send), timeoutMs });
  assert.equal((await checker.check(udp('silent', 20))).outcome, 'timeout');
  for (let i = 0; i < 3; i += 1) {
    assert.equal((await checker.check(http('IPv4'))).outcome, 'ok');
    assert.equal(checker.loop.usage.portsResting, 1);
    assert.equal((await checker.check(udp('x'))).outcome, 'no-port');
  }
});

test('the port of a datagram whose answer nobody waits for any more rests', async () => {
  using checker = await Checker.open([nic]);
  const portsOf = (): number[] => [checker.loop.usage.portsTaken, checker.loop.usage.portsResting];
  const send = Buffer.from('late');
  const job = checker.loop.define(jobTo('IPv4', { protocol: 'udp', send, holds: true }));
  checker.loop.start(Uint32Array.of(job));
  const [held] = await checker.take(1);
  checker.loop.proceed(held!.flight!, { send, until: { on: 'data' } });
  checker.loop.end(held!.flight!);
  assert.deepEqual(portsOf(), [0, 1]);
  // One that has its answer leaves none to come.
  checker.loop.start(Uint32Array.of(job));
  const [answered] = await checker.take(1);
  checker.loop.end(answered!.flight!);
  assert.deepEqual(portsOf(), [0, 1]);
});

test('a port that another program shares with its like is passed over', async (context) => {
  using checker = await Checker.open([nic], { firstPort: 61_000, ports: 1 });
  const holder = createSocket({ type: 'udp4', reuseAddr: true });
  context.after(() => holder.close());
  holder.bind(61_000, FAMILIES.IPv4.local);
  await once(holder, 'listening');
  const job = jobTo('IPv4', { protocol: 'udp', send: Buffer.from('x') });
  assert.equal((await checker.check(job)).outcome, 'no-port');
});

test('the replies to another program’s pings do not hold up the event loop', async () => {
  // A raw socket gets them all. The check itself gets no answer, since the real server has lost the VIP.
  const server = real[1]!;
  using checker = await Checker.open([nic]);
  server.setVips('del');
  try {
    const job = checker.loop.define(jobTo('IPv4', { protocol: 'ping', timeoutMs: 5000 }, server));
    checker.loop.start(Uint32Array.of(job));
    execFileSync('ping', ['-q', '-c', '250', '-i', '0.001', server.rip.IPv4]);
    const waiting = (): number => {
      const lines = readFileSync('/proc/net/raw', 'utf8').trim().split('\n').slice(1);
      return Math.max(...lines.map((line) => parseInt(line.trim().split(/\s+/)[4]!.split(':')[1]!, 16)));
    };
    const before = waiting();
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    const between = waiting();
    assert.ok(between > 0 && between < before, `${before}, then ${between}`);
    for (let i = 0; i < 100 && waiting() > 0; i += 1) {
      await sleep(1);
    }
    assert.equal(waiting(), 0);
    assert.equal(checker.untaken, 0);
  } finally {
    server.setVips('add');
  }
});
