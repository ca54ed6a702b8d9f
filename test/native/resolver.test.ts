/** The resolver finds real servers: after the kernel forgot them for a moment, after they left, after they moved. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test, { before, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { type Interface, ip as address, type IpAddress, type Resolution } from '../../src/model/index.js';
import { Network, Resolver } from '../../src/net/index.js';
import { ip, makeVeth, requireOwnNetwork } from '../support/isolation.js';

before(requireOwnNetwork);

const ADDRESS = address('10.5.0.2');
const WANTED = new Set([ADDRESS]);
const MAC = '02:00:00:00:05:02';

interface Surroundings {
  readonly network: Network;
  readonly resolver: Resolver;
  /** The end of the cable with ADDRESS's network, and another interface. */
  readonly here: Interface;
  readonly elsewhere: Interface;
  /** The number of changes reported. */
  readonly changes: () => number;
  readonly resolution: () => Resolution | undefined;
}

async function surroundings(context: TestContext): Promise<Surroundings> {
  makeVeth('test20', 'test21');
  makeVeth('test22', 'test23');
  ip('addr', 'add', '10.5.0.1/24', 'dev', 'test20');
  let changes = 0;
  let notice: Resolver['notice'] = () => undefined;
  const network = await Network.open((change, address) => {
    if (change === 'neighbours') {
      notice(address);
    }
  });
  const resolver = new Resolver(network, () => {
    changes += 1;
  });
  notice = (address) => {
    resolver.notice(address);
  };
  context.after(() => {
    resolver.close();
    network.close();
    ip('link', 'delete', 'test20');
    ip('link', 'delete', 'test22');
  });
  return {
    network,
    resolver,
    here: network.interface('test20')!,
    elsewhere: network.interface('test22')!,
    changes: () => changes,
    resolution: () => resolver.resolutions().get(ADDRESS),
  };
}

/** Sets a neighbour's MAC, as if it had answered. */
async function answer({ network, here }: Surroundings): Promise<void> {
  ip('neigh', 'replace', ADDRESS, 'dev', here.name, 'lladdr', MAC, 'nud', 'reachable');
  while (network.neighbour(here.ifindex, ADDRESS)?.mac !== MAC) {
    await sleep(1);
  }
}

async function forget({ network, here }: Surroundings): Promise<void> {
  ip('neigh', 'delete', ADDRESS, 'dev', here.name);
  while (network.neighbour(here.ifindex, ADDRESS)?.mac !== undefined) {
    await sleep(1);
  }
}

test("a neighbour that the kernel forgot keeps its place until the kernel's probes fail", async (context) => {
  const all = await surroundings(context);
  const { resolver, network, here, resolution } = all;
  await resolver.track(WANTED, [here]);
  assert.equal(resolution()?.state, 'unresolved', 'it has not been seen yet');
  await answer(all);
  const seen = { state: 'resolved', mac: MAC, ifindex: here.ifindex };
  assert.deepEqual(resolution(), seen);

  await forget(all);
  assert.deepEqual(resolution(), seen);
  await resolver.track(WANTED, [here]);
  while (network.neighbour(here.ifindex, ADDRESS)?.failed !== true) {
    assert.deepEqual(resolution(), seen);
    await sleep(20);
  }
  assert.deepEqual(resolution(), { state: 'unresolved', reason: 'does not answer ARP or neighbour discovery' });
});

test('a neighbour that the kernel forgot and does not probe keeps its place only for a grace period', async (context) => {
  const all = await surroundings(context);
  await all.resolver.track(WANTED, [all.here]);
  await answer(all);
  assert.equal(all.resolution()?.state, 'resolved');
  await forget(all);
  assert.equal(all.resolution()?.state, 'resolved');
  // It tells at once that it should be managed again, and after the grace period that it is gone.
  for (let seen = all.changes(); all.resolution()?.state !== 'unresolved'; seen = all.changes()) {
    while (all.changes() === seen) {
      await sleep(50);
    }
  }
});

test('a neighbour that the kernel gave up before it answered is kept resolved as soon as it answers', async (context) => {
  // Without the look that comes every few seconds.
  context.mock.timers.enable({ apis: ['setInterval'] });
  const all = await surroundings(context);
  const { resolver, network, here, resolution } = all;
  await resolver.track(WANTED, [here]);
  while (network.neighbour(here.ifindex, ADDRESS)?.managed !== true) {
    await sleep(1);
  }
  // As the kernel does from some hundred neighbours on.
  ip('neigh', 'delete', ADDRESS, 'dev', here.name);
  while (network.neighbour(here.ifindex, ADDRESS) !== undefined) {
    await sleep(1);
  }
  const seen = all.changes();
  assert.equal(resolution()?.state, 'unresolved');
  await answer(all);
  assert.equal(network.neighbour(here.ifindex, ADDRESS)?.managed, false);
  while (all.changes() === seen) {
    await sleep(1);
  }
  await resolver.track(WANTED, [here]);
  while (network.neighbour(here.ifindex, ADDRESS)?.managed !== true) {
    await sleep(1);
  }
  assert.deepEqual(resolution(), { state: 'resolved', mac: MAC, ifindex: here.ifindex });
});

test('thousands whose answers were lost together are asked once more before they are gone', async (context) => {
  const all = await surroundings(context);
  const { resolver, network, here } = all;
  const many = Array.from({ length: 300 }, (_, i) => address(`10.5.${Math.floor(i / 250)}.${(i % 250) + 2}`));
  const wanted = new Set(many);
  ip('addr', 'replace', '10.5.255.1/16', 'dev', here.name);
  await resolver.track(wanted, [here]);
  const setAll = async (of: readonly IpAddress[], state: string): Promise<void> => {
    const lines = of.map((each) => `neigh replace ${each} dev ${here.name} lladdr ${MAC} nud ${state}`);
    execFileSync('ip', ['-batch', '-'], { input: lines.join('\n') });
    const isFailed = state === 'failed';
    while (of.some((each) => network.neighbour(here.ifindex, each)?.failed !== isFailed)) {
      await sleep(1);
    }
  };
  const resolved = (): number =>
    [...resolver.resolutions().values()].filter(({ state }) => state === 'resolved').length;
  await setAll(many, 'reachable');
  assert.equal(resolved(), 300);

  await setAll(many.slice(0, 10), 'failed');
  assert.equal(resolved(), 290, 'a few that fail are gone');

  await setAll(many.slice(0, 10), 'reachable');
  assert.equal(resolved(), 300);
  await setAll(many, 'failed');
  assert.equal(resolved(), 300);
  await resolver.track(wanted, [here]);
  assert.equal(ip('neigh', 'show', 'dev', here.name, 'nud', 'failed'), '', 'all are asked');

  await setAll(many.slice(10), 'reachable');
  // Those that do not answer now are gone once the grace period is over.
  while (resolved() !== 290) {
    await sleep(50);
  }
});

test('an interface that goes down and up again keeps its neighbours', async (context) => {
  const all = await surroundings(context);
  await all.resolver.track(WANTED, [all.here]);
  await answer(all);
  assert.equal(all.resolution()?.state, 'resolved');
  ip('link', 'set', all.here.name, 'down');
  await all.resolver.relocate();
  assert.equal(all.resolution()?.state, 'resolved');
  // A route that leads elsewhere is not transient.
  ip('route', 'add', `${ADDRESS}/32`, 'dev', all.elsewhere.name);
  await all.resolver.relocate();
  assert.equal(all.resolution()?.state, 'unresolved');
});

test('after a change of interfaces, all addresses are located at once', async (context) => {
  const { resolver, here, elsewhere, resolution, network } = await surroundings(context);
  await resolver.track(WANTED, [elsewhere]);
  assert.deepEqual(resolution(), {
    state: 'unresolved',
    reason: "is reached through test20, which is not an interface of the director's",
  });
  await resolver.track(WANTED, [here]);
  assert.deepEqual(resolution(), { state: 'unresolved', reason: 'does not answer ARP or neighbour discovery' });
  while (network.neighbour(here.ifindex, ADDRESS)?.managed !== true) {
    await sleep(1);
  }

  await resolver.track(WANTED, [elsewhere]);
  while (network.neighbour(here.ifindex, ADDRESS)?.managed !== false) {
    await sleep(1);
  }
});
