/** A failed ARP is not a death: connections outlive that the cables of real servers are out, by IPv4 and IPv6. */

import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { hostNamed, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { TestLab } from '../support/lab.js';
import { serversOf, startTalkServers, type Talked, Talkers } from '../support/talkers.js';

const SERVERS = ['real1', 'real2'] as const;
type RealServer = (typeof SERVERS)[number];
const VIPS = [VIP4, VIP6] as const;

/** Ports of services; the servers of test/support/talk.ts listen on each. */
const PORTS = { rr: 7001, wlc: 7002, maglev: 7003, sticky: 7004 } as const;
const POLICIES: Readonly<Record<keyof typeof PORTS, string>> = {
  rr: 'scheduler: rr',
  wlc: 'scheduler: wlc',
  maglev: 'scheduler: maglev, track: moved',
  sticky: 'scheduler: rr, persistence: 300',
};
/** A service whose flows leave a real server that does not resolve. */
const MOVING_PORT = 7005;
/** How long cables are out at least after the director knows it: TCP waits as long again before it tries once more. */
const OUT_MS = 1_000;

function config(): string {
  const services = VIPS.flatMap((vip) => {
    const servers = SERVERS.map((name) => `"${vip === VIP4 ? hostNamed(name).ipv4 : hostNamed(name).ipv6}"`).join(', ');
    const policies = [
      ...Object.entries(POLICIES).map(([name, policy]) => [PORTS[name as keyof typeof PORTS], policy] as const),
      [MOVING_PORT, 'scheduler: rr, unresolved: move'] as const,
    ];
    return policies.map(
      ([port, policy]) => `  - { address: "${vip}", port: ${port}, ${policy}, realServers: [${servers}] }\n`,
    );
  });
  return `interfaces: [${NIC}]\nservices:\n${services.join('')}`;
}

/** Builds a lab whose hosts notice soon that a neighbour is gone or back. */
async function build(context: TestContext, name: string): Promise<TestLab> {
  const lab = await TestLab.build(context, name);
  const parameters = {
    base_reachable_time_ms: '1000',
    retrans_time_ms: '200',
    delay_first_probe_time: '0',
    interval_probe_time_ms: '1000',
    ucast_solicit: '1',
    gc_stale_time: '1',
  };
  const all = ['ipv4', 'ipv6'].flatMap((family) =>
    Object.entries(parameters).map(([name, value]) => [`net/${family}/neigh/${NIC}/${name}`, value] as const),
  );
  for (const host of ['client', 'director', ...SERVERS] as const) {
    await lab.sysctls(host, Object.fromEntries(all));
  }
  lab.configure(config());
  await startTalkServers(lab, [...Object.values(PORTS), MOVING_PORT]);
  await lab.startDirector();
  await lab.until('all real servers resolve', async () => (await lab.status()).unresolved === 0);
  return lab;
}

/** Puts the cables of real servers in or out, and waits until the director knows it. */
async function plug(lab: TestLab, hosts: readonly RealServer[], state: 'up' | 'down'): Promise<void> {
  for (const host of hosts) {
    await lab.exec('switch', ['ip', 'link', 'set', host, state]);
  }
  if (state === 'down') {
    await lab.exec('director', ['ip', 'neigh', 'flush', 'all']);
  }
  const gone = state === 'down' ? hosts.flatMap((name) => [hostNamed(name).ipv4, hostNamed(name).ipv6]) : [];
  await lab.until(`the director knows that they are ${state}`, async () =>
    (await lab.list())
      .flatMap(({ realServers }) => realServers)
      .every(({ address, state: found }) => (found === 'unresolved') === gone.includes(address)),
  );
}

/** Opens connections by both families, sending ones and silent ones: some to each real server. */
async function connections(lab: TestLab): Promise<Talkers> {
  const talkers = await Talkers.start(
    lab,
    VIPS.flatMap((address) => Object.values(PORTS).map((port) => ({ address, port, sending: 4, silent: 2 }))),
  );
  for (const vip of VIPS) {
    const servers = new Set(talkers.begun.filter(({ address }) => address === vip).map(({ server }) => server));
    assert.deepEqual([...servers].sort(), [...SERVERS]);
  }
  return talkers;
}

/** Returns the real servers of new connections to each service, by both families. */
async function servers(lab: TestLab, ports: readonly number[], seconds = 15): Promise<Set<string>> {
  const targets = VIPS.flatMap((address) => ports.map((port) => ({ address, port })));
  return new Set((await serversOf(lab, targets, { seconds })).flat());
}

test('connections outlive that cables are out', async (context) => {
  const lab = await build(context, 'outage');

  await context.test("one real server's cable: its connections wait for it, new ones go to the other", async (part) => {
    const [talkers, moving] = await Promise.all([
      connections(lab),
      Talkers.start(
        lab,
        VIPS.map((address) => ({ address, port: MOVING_PORT, sending: 6, silent: 0 })),
      ),
    ]);
    const on = (server: string): Talked[] => moving.begun.filter((each) => each.server === server);
    assert.ok(SERVERS.every((server) => on(server).length > 0));
    await plug(lab, ['real1'], 'down');
    const [found] = await Promise.all([servers(lab, [...Object.values(PORTS), MOVING_PORT]), sleep(OUT_MS)]);
    assert.deepEqual(found, new Set(['real2']));
    await plug(lab, ['real1'], 'up');
    const [failures, ended] = await Promise.all([talkers.failures(), moving.end()]);
    assert.deepEqual(failures, []);
    await part.test('with unresolved: move, they leave the real server, which ends only its own', () => {
      for (const { server, failure } of ended) {
        assert.equal(failure, server === 'real1' ? 'ECONNRESET' : undefined, server);
      }
    });
    assert.deepEqual(await servers(lab, [PORTS.rr]), new Set(SERVERS));
  });

  await context.test('all cables: connections wait, and new clients get no answer until they are back', async () => {
    const talkers = await connections(lab);
    const before = await sum(lab, 'unresolved');
    await plug(lab, SERVERS, 'down');
    const waiting = servers(lab, [PORTS.wlc], 15);
    const [found] = await Promise.all([servers(lab, [...Object.values(PORTS), MOVING_PORT], 0.5), sleep(OUT_MS)]);
    // Not refused.
    assert.deepEqual(found, new Set(['timeout']));
    await plug(lab, SERVERS, 'up');
    assert.ok((await sum(lab, 'unresolved')) > before);
    for (const server of await waiting) {
      assert.match(server, /^real/);
    }
    assert.deepEqual(await talkers.failures(), []);
  });
});

/** How many packets had a verdict, over all services. */
async function sum(lab: TestLab, verdict: string): Promise<number> {
  return (await lab.list()).reduce((total, { verdicts }) => total + (verdicts[verdict] ?? 0), 0);
}
