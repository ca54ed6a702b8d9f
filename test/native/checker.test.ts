/** The engine of health checks against real servers in networks of their own. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test, { before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  Checker,
  type CheckerOptions,
  type KeptHealth,
  type ServerHealth,
  type Transition,
} from '../../src/health/index.js';
import {
  type Check,
  type Destination,
  type HealthPolicy,
  type IpAddress,
  mac,
  type Model,
  serviceName,
} from '../../src/model/index.js';
import { bootTimeMs } from '../../src/native/index.js';
import { queryTcx } from '../../src/libbpf/index.js';
import { Network } from '../../src/net/index.js';
import { FAMILIES, type FamilyName, makeNic, NIC, RealServer, removeNic } from '../support/check-network.js';
import { ip, requireOwnNetwork } from '../support/isolation.js';
import { CLOSED_PORT, PORTS } from '../support/real-server-ports.js';

const FAMILY_NAMES: readonly FamilyName[] = ['IPv4', 'IPv6'];
const QUICK = { interval: 0.1, fastInterval: 0.05, timeout: 5, rise: 2, fall: 2 };
const PATIENT_MS = 30_000;
const SHORT = 0.2;
const MAC = mac('02:00:00:00:00:a1');

let nic: number;
let network: Network;
const real: RealServer[] = [];

before(async () => {
  requireOwnNetwork();
  nic = makeNic();
  real.push(...(await Promise.all([1, 2].map((number) => RealServer.start(number)))));
  network = await Network.open(() => undefined);
});
test.after(async () => {
  network.close();
  await Promise.all(real.map((server) => server.stop()));
  removeNic();
});

/** A checker that tells what it was told. */
class Watched implements AsyncDisposable {
  readonly checker: Checker;
  readonly changes: ServerHealth[] = [];
  readonly transitions: Transition[] = [];
  readonly troubles: string[] = [];
  readonly world = { state: {}, own: [] };

  constructor(options: Partial<CheckerOptions> = {}) {
    this.checker = new Checker({
      clock: bootTimeMs,
      network,
      onChange: (changed) => this.changes.push(...changed),
      onTransition: (transition) => this.transitions.push(transition),
      onTrouble: (message, details) => this.troubles.push(`${message} ${JSON.stringify(details)}`),
      ...options,
    });
  }

  follow(model: Model): void {
    this.checker.follow(model, this.world);
  }

  health(family: FamilyName, server = real[0]!): ServerHealth {
    return this.checker.healthOf(nameOf(family), server.rip[family])!;
  }

  /** The last result of a check, or why there is none. */
  last(family: FamilyName, server = real[0]!, check = 0): string | undefined {
    const { state, trouble } = this.health(family, server).checks[check]!;
    return trouble ?? (state.last && `${state.last.layer} ${state.last.words}`);
  }

  async until(what: string, isSo: () => boolean, patientMs = PATIENT_MS): Promise<void> {
    const deadline = performance.now() + patientMs;
    while (!isSo()) {
      const found = this.checker
        .all()
        .map(({ checks }) => checks.map(({ state, trouble }) => trouble ?? state.last?.words));
      assert.ok(performance.now() < deadline, `not so: ${what}; ${JSON.stringify([found, this.troubles])}`);
      await sleep(5);
    }
  }

  /** Waits until each check has a result, or cannot be made. */
  async settled(): Promise<void> {
    await this.until('all are checked', () =>
      this.checker.all().every(({ checks }) => checks.every(({ state, trouble }) => state.last ?? trouble)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.checker.close();
  }
}

const keyOf = (family: FamilyName) => ({ address: FAMILIES[family].vip, port: PORTS.http, protocol: 'tcp' }) as const;
const nameOf = (family: FamilyName): string => serviceName(keyOf(family));

/** Both families' services with both real servers. */
function modelOf(
  checks: readonly Check[],
  policy: Partial<HealthPolicy> = {},
  destination: Partial<Destination> = {},
): Model {
  const destinationsOf = (family: FamilyName): Destination[] =>
    real.map(({ rip }) => ({ address: rip[family], weight: 1, ...destination }));
  return {
    interfaces: [NIC],
    mode: 'auto',
    services: FAMILY_NAMES.map((family) => ({
      ...keyOf(family),
      scheduler: 'rr',
      destinations: destinationsOf(family),
      health: { ...QUICK, ...policy, checks },
    })),
  };
}

const descriptors = (): number => readdirSync('/proc/self/fd').length;
const attachedPrograms = (): number =>
  (['ingress', 'egress'] as const).flatMap((direction) => queryTcx(nic, direction)).length;

test('a real server whose VIP is gone is down while its own address is alive, and up again with the VIP', async (context) => {
  await using watched = new Watched();
  watched.follow(modelOf([{ type: 'http' }, { type: 'ping', via: 'rip' }], { timeout: 0.3 }));
  await watched.settled();
  const [one, two] = real as [RealServer, RealServer];
  assert.deepEqual(watched.checker.usage.interfaces, [nic]);
  assert.ok(FAMILY_NAMES.every((family) => watched.health(family, one).isUp && watched.health(family, two).isUp));
  one.setVips('del');
  context.after(() => {
    try {
      one.setVips('add');
    } catch {
      // The test has given them back.
    }
  });
  await watched.until('both are down', () => FAMILY_NAMES.every((family) => !watched.health(family).isUp));
  for (const family of FAMILY_NAMES) {
    assert.equal(watched.health(family, two).isUp, true);
    assert.equal(watched.health(family).checks[1]!.state.isUp, true);
    assert.match(watched.last(family)!, /^L4 timeout$|^L3 /);
  }
  one.setVips('add');
  await watched.until('both are up', () => FAMILY_NAMES.every((family) => watched.health(family).isUp));
  assert.deepEqual(
    watched.changes.map(({ address, isUp }) => `${address} ${isUp}`).sort(),
    FAMILY_NAMES.flatMap((family) => [`${one.rip[family]} false`, `${one.rip[family]} true`]).sort(),
  );
  assert.deepEqual(watched.troubles, []);
});

/** Checks, and their first results. */
const FOUND: readonly [Check, string | RegExp][] = [
  [{ type: 'tcp' }, 'L4 ok'],
  [{ type: 'tcp', port: CLOSED_PORT }, 'L4 refused'],
  [{ type: 'tcp', port: CLOSED_PORT, via: 'rip' }, 'L4 refused'],
  [{ type: 'http' }, 'L7 status 200'],
  [{ type: 'http', body: '^real[12] ' }, 'L7 status 200, body matches'],
  [{ type: 'http', body: 'nothing' }, 'L7 status 200, body does not match'],
  [{ type: 'http', requests: [{}, { path: '/b', status: [{ first: 204, last: 204 }] }] }, 'L7 /b: status 200'],
  [{ type: 'http', port: PORTS.hang, timeout: SHORT }, 'L7 timeout, no answer'],
  [{ type: 'http', port: PORTS.reset }, 'L4 reset'],
  [{ type: 'http', port: PORTS.drip, timeout: SHORT }, 'L7 timeout'],
  [{ type: 'http', port: PORTS.flood, body: 'x' }, 'L7 status 200, body matches'],
  [{ type: 'http', port: PORTS.half, body: 'half a' }, 'L7 closed early'],
  [{ type: 'http', port: PORTS.chunks, body: '^hello, world\r\n\\.$' }, 'L7 status 200, body matches'],
  [{ type: 'http', port: PORTS.untilClose }, 'L7 status 503'],
  [{ type: 'http', port: PORTS.noBody }, 'L7 status 204'],
  [{ type: 'http', port: PORTS.ssh }, 'L7 not HTTP: "SSH-2.0-Test"'],
  [{ type: 'ssh', port: PORTS.ssh }, 'L7 ok'],
  [{ type: 'smtp', port: PORTS.dialogue }, 'L7 ok'],
  [{ type: 'smtp', port: PORTS.ssh, timeout: SHORT }, 'L7 answered "SSH-2.0-Test"'],
  [{ type: 'send-expect', port: PORTS.http, timeout: SHORT, steps: [{ expect: 'x' }] }, 'L7 timeout, no answer'],
  [{ type: 'udp', send: 'x', reply: 'real' }, 'L7 ok'],
  [{ type: 'udp', send: 'x', reply: 'fake' }, 'L7 another reply'],
  [{ type: 'udp', send: 'silent', timeout: SHORT }, 'L4 no ICMP error'],
  [{ type: 'udp', port: CLOSED_PORT }, 'L4 refused'],
  [{ type: 'ping' }, 'L3 ok'],
  [{ type: 'dns', name: '.', port: PORTS.hang, timeout: SHORT }, 'L7 timeout, no answer'],
  [{ type: 'dns', name: '.', port: PORTS.ssh, timeout: SHORT }, 'L7 timeout'],
  [{ type: 'tls', port: PORTS.ssh }, 'L6 answers without TLS'],
  [{ type: 'tls', port: CLOSED_PORT }, 'L4 refused'],
  [{ type: 'tls', port: CLOSED_PORT, via: 'rip' }, 'L4 refused'],
  [{ type: 'tls', port: PORTS.hang, timeout: SHORT }, 'L6 timeout'],
  [{ type: 'agent', port: PORTS.ssh }, 'the agent says "SSH-2.0-Test"'],
];

test('what is wrong with a real server is told by layer, in words', async () => {
  await using watched = new Watched();
  watched.follow(
    modelOf(
      FOUND.map(([check]) => check),
      { interval: 0.5, fastInterval: 0.5 },
    ),
  );
  await watched.settled();
  // Each is made a second time with the same job.
  const { ended, probes } = watched.checker.usage;
  assert.ok(ended >= probes);
  await sleep(700);
  for (const family of FAMILY_NAMES) {
    for (const server of real) {
      FOUND.forEach(([check, expected], i) => {
        assert.equal(watched.last(family, server, i), expected, `${family} ${server.name} ${JSON.stringify(check)}`);
      });
    }
  }
  assert.deepEqual(watched.troubles, []);
});

test('each step of a check is told to who asks for it now, and no state changes', async () => {
  await using watched = new Watched();
  const checks: Check[] = [
    { type: 'http' },
    { type: 'smtp', port: PORTS.dialogue },
    { type: 'tcp', port: CLOSED_PORT },
  ];
  watched.follow(modelOf(checks, { interval: 100, fastInterval: 100, initially: 'down' }));
  const reports = (await watched.checker.checkNow(nameOf('IPv4'), real[0]!.rip.IPv4))!;
  assert.deepEqual(
    reports.map(({ label, outcome }) => `${label}: ${outcome!.layer} ${outcome!.words}`),
    ['http: L7 status 200', `smtp ${PORTS.dialogue}: L7 ok`, `tcp ${CLOSED_PORT}: L4 refused`],
  );
  const [http, smtp] = reports;
  assert.equal(http!.steps.length, 1);
  assert.equal(http!.steps[0]!.httpStatus, 200);
  assert.ok(http!.steps[0]!.connectMs! <= http!.steps[0]!.totalMs && http!.steps[0]!.sent > 50);
  assert.ok(smtp!.steps.length >= 2);
  assert.equal(await watched.checker.checkNow(nameOf('IPv4'), FAMILIES.IPv4.vip), undefined);
  await watched.settled();
  const { wire } = watched.checker.usage;
  assert.deepEqual([wire!.inAir, wire!.portsTaken, wire!.entries], [0, 0, 0]);
});

test('the next daemon goes on with what the last one knew', async () => {
  let kept: KeptHealth;
  const model = modelOf([{ type: 'tcp', port: CLOSED_PORT }], { fall: 1 });
  {
    await using watched = new Watched();
    watched.follow(model);
    await watched.until('all are down', () => watched.checker.all().every(({ isUp }) => !isUp));
    kept = JSON.parse(JSON.stringify(watched.checker.kept)) as KeptHealth;
  }
  await using next = new Watched({ restore: kept });
  next.follow(model);
  assert.deepEqual(
    next.checker.all().map(({ isUp, since }) => [isUp, since]),
    kept.servers.map(({ since }) => [false, since]),
  );
  await next.until('each is checked again', () => next.checker.usage.ended >= 8);
  assert.deepEqual([next.changes, next.transitions], [[], []]);
});

test('the last check takes the programs from the interface, and all descriptors', async () => {
  const before = descriptors();
  {
    await using watched = new Watched();
    for (let i = 0; i < 2; i += 1) {
      watched.follow(modelOf([{ type: 'tcp' }]));
      // States that are remembered come before the wire.
      await watched.until('the programs are attached', () => attachedPrograms() === 2);
      await watched.settled();
      watched.follow({ ...modelOf([]), services: [] });
      await watched.until('the wire is closed', () => watched.checker.usage.wire === undefined);
      assert.equal(attachedPrograms(), 0);
    }
  }
  // The loop's own go with the next turns of libuv.
  for (let i = 0; i < 500 && descriptors() !== before; i += 1) {
    await sleep(10);
  }
  assert.equal(descriptors(), before);
});

test('a check does not come from the VIP, also where the kernel would choose that', async (context) => {
  const { vip } = FAMILIES.IPv6;
  ip('addr', 'add', `${vip}/128`, 'dev', NIC, 'nodad');
  context.after(() => {
    ip('addr', 'del', `${vip}/128`, 'dev', NIC);
  });
  await using watched = new Watched();
  watched.follow(modelOf([{ type: 'tcp' }]));
  await watched.settled();
  assert.equal(watched.last('IPv6'), 'L4 ok');
});

test('a real server that answers no ARP is checked by its MAC, with a neighbour entry that is gone at the end', async (context) => {
  const neighbours = (): string => ip('neigh', 'show', 'dev', NIC);
  const [{ rip }] = real as [RealServer];
  const [service] = modelOf([{ type: 'tcp' }]).services;
  const destinations = [{ address: rip.IPv4, weight: 1, mac: MAC }];
  real[0]!.ip('link', 'set', 'eth0', 'address', MAC);
  real[0]!.set({ 'net/ipv4/conf/eth0/arp_ignore': '8' });
  context.after(() => {
    real[0]!.set({ 'net/ipv4/conf/eth0/arp_ignore': '0' });
  });
  ip('neigh', 'flush', 'dev', NIC);
  {
    await using watched = new Watched();
    watched.follow({ ...modelOf([]), services: [{ ...service!, destinations }] });
    await watched.settled();
    assert.equal(watched.last('IPv4'), 'L4 ok');
    assert.match(neighbours(), new RegExp(`${rip.IPv4} lladdr ${MAC}.* PERMANENT`));
  }
  assert.doesNotMatch(neighbours(), /PERMANENT/);
});

test('20,000 checks of all kinds leave no descriptor, port or entry behind', async () => {
  const quick = { interval: 0.05, fastInterval: 0.05, timeout: 0.05 };
  const checks = FOUND.map(([check]) => ({ ...check, ...quick }));
  await using watched = new Watched();
  const model = modelOf([...checks, ...checks.map((check) => ({ ...check, timeout: 0.06 }))]);
  watched.follow(model);
  await watched.settled();
  const before = descriptors();
  // A busy machine makes a few hundred a second.
  await watched.until('they are made', () => watched.checker.usage.ended >= 20_000, 10 * PATIENT_MS);
  assert.deepEqual(watched.troubles, []);
  // None is due any more, and those in the air end.
  const [service] = model.services;
  const idle = { ...service!, health: { ...service!.health!, checks: [{ type: 'tcp', interval: 1000 } as const] } };
  watched.follow({ ...model, services: [idle] });
  await watched.until('those in the air have ended', () => {
    const { inAir, wire } = watched.checker.usage;
    return [inAir, wire!.inAir, wire!.waiting, wire!.portsTaken, wire!.entries].every((count) => count === 0);
  });
  await watched.until('their sockets are closed', () => descriptors() <= before);
  assert.ok(descriptors() <= before, `${descriptors()} after ${before}`);
});

test('an address of a real server that is this host’s own is checked on this host', async () => {
  await using watched = new Watched();
  const [service] = modelOf([{ type: 'tcp', port: 9 }, { type: 'ping' }]).services;
  for (const address of [FAMILIES.IPv4.local, '127.0.0.1' as IpAddress]) {
    watched.follow({ ...modelOf([]), services: [{ ...service!, destinations: [{ address, weight: 1 }] }] });
    await watched.settled();
    const { checks } = watched.checker.healthOf(nameOf('IPv4'), address)!;
    assert.deepEqual(
      checks.map(({ state }) => state.last!.words),
      ['refused', 'ok'],
    );
  }
});
