/** Flow hand-over in a lab: two directors, real keepalived, and connections whose real servers nothing but a flow's entry tells. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { ServiceReport } from '../../src/control/index.js';
import { type Director, hostNamed } from '../../src/lab/index.js';
import { Authority } from '../support/certificates.js';
import type { TestLab } from '../support/lab.js';
import { DIRECTORS, Pair, type PairOptions, VIPS } from '../support/pair.js';
import { startTalkServers, type Talk, Talkers } from '../support/talkers.js';

const [RR, WLC, PERSISTENT] = [8001, 8002, 8003] as const;
const PORTS = [RR, WLC, PERSISTENT];
const SERVICES = [
  `port: ${RR}, scheduler: rr`,
  `port: ${WLC}, scheduler: wlc`,
  `port: ${PERSISTENT}, scheduler: rr, persistence: 300`,
];

const plain: PairOptions['top'] = (director) => settings(director, 'plain: true');

function settings(director: Director, protection: string, family: 'ipv4' | 'ipv6' = 'ipv4'): string {
  const peer = director === 'director' ? 'standby' : 'director';
  const own = `listen: "${hostNamed(director)[family]}", peer: "${hostNamed(peer)[family]}"`;
  return `flowHandOver: { ${own}, ${protection} }\n`;
}

/** Makes a certificate for each director, of one authority. */
const tls: PairOptions['top'] = (director, lab) => {
  const folder = join(lab.directory, 'authority');
  mkdirSync(folder, { recursive: true });
  const authority = new Authority(join(folder, director));
  const { key, cert } = sharedAuthority(lab).issue({ names: `DNS:${director}.example.org` });
  const files = { certificate: `${authority.path}.cert`, key: `${authority.path}.key` };
  writeFileSync(files.certificate, cert);
  writeFileSync(files.key, key);
  return settings(
    director,
    `certificate: ${files.certificate}, key: ${files.key}, authority: ${sharedAuthority(lab).path}`,
  );
};

const authorities = new Map<TestLab, Authority>();

function sharedAuthority(lab: TestLab): Authority {
  const known = authorities.get(lab) ?? new Authority(join(lab.directory, 'authority', 'common'));
  authorities.set(lab, known);
  return known;
}

/** Half of the connections send all the time. */
function talks(pair: Pair, each: number): Talk[] {
  return PORTS.map((port) => ({ address: pair.vip, port, sending: each / 2, silent: each / 2 }));
}

async function build(
  context: Parameters<typeof Pair.build>[0],
  name: string,
  options: PairOptions,
): Promise<{ pair: Pair; begin: (talks: readonly Talk[]) => Promise<Talkers> }> {
  const pair = await Pair.build(context, name, { services: SERVICES, ...options });
  await startTalkServers(pair.lab, PORTS);
  return { pair, begin: (wanted) => Talkers.start(pair.lab, wanted) };
}

/** Waits until a director has so many connections of the three services, its own and those that it was told of. */
async function untilKnown(pair: Pair, director: Director, count: number): Promise<void> {
  await pair.lab.until(`${director} knows ${count} connections`, async () => {
    const list = JSON.parse(await pair.lab.beeline(['list', '--json'], undefined, director)) as ServiceReport[];
    const servers = list
      .filter((each) => 'port' in each && (PORTS as readonly unknown[]).includes(each.port))
      .flatMap(({ realServers }) => realServers);
    return servers.reduce((sum, each) => sum + each.active, 0) >= count;
  });
}

/** The daemon of the master is killed, and its cable pulled. */
async function kill(pair: Pair, director: Director, next: Director): Promise<void> {
  await pair.lab.kill(pair.daemon(director));
  await pair.cable(director, false);
  await pair.untilState(next, 'MASTER');
}

async function failuresOf(talkers: Talkers): Promise<string[]> {
  return (await talkers.failures()).map(({ port, failure }) => `${port}: ${failure!}`);
}

test('200 of 200 connections under rr, wlc and persistence outlive a master that is killed', async (context) => {
  const { pair, begin } = await build(context, 'hand-over', { top: tls });
  const talkers = await begin([
    { address: pair.vip, port: RR, sending: 40, silent: 40 },
    { address: pair.vip, port: WLC, sending: 30, silent: 30 },
    { address: pair.vip, port: PERSISTENT, sending: 30, silent: 30 },
  ]);
  await untilKnown(pair, 'standby', 200);
  await kill(pair, 'director', 'standby');
  const begun = talkers.begun.filter(({ port }) => port === PERSISTENT).map(({ server }) => server);
  const more = await begin([{ address: pair.vip, port: PERSISTENT, sending: 5, silent: 5 }]);
  assert.deepEqual(
    new Set(more.begun.map(({ server }) => server)),
    new Set(begun),
    'new connections of the client go where the others are',
  );
  assert.deepEqual(await failuresOf(talkers), []);
  assert.deepEqual(await failuresOf(more), []);
  const status = await pair.status('standby');
  assert.equal(status.flowHandOver?.protection, 'tls');
  assert.equal(status.flowHandOver.receiving.skipped, 0);
});

test('without hand-over the same failover resets them', async (context) => {
  const { pair, begin } = await build(context, 'no-hand', {});
  const talkers = await begin(talks(pair, 10));
  await kill(pair, 'director', 'standby');
  assert.equal((await pair.status('standby')).flowHandOver, undefined);
  const failures = await failuresOf(talkers);
  assert.ok(failures.length >= 20, failures.join('\n'));
});

test('a standby that was away catches up, and the master that comes back learns what began meanwhile', async (context) => {
  const { pair, begin } = await build(context, 'catch-up', { top: plain });
  await pair.lab.kill(pair.daemon('standby'));
  const first = await begin(talks(pair, 20));
  await pair.lab.until('the master misses the standby', async () => {
    const { problems } = await pair.status('director');
    return problems.some((each) => each.startsWith('flow hand-over: '));
  });
  await pair.startDaemon('standby');
  await untilKnown(pair, 'standby', 60);
  await kill(pair, 'director', 'standby');
  const second = await begin(talks(pair, 20));
  // It is not master before it knows them, although its priority is the higher one.
  await pair.startDaemon('director');
  await pair.cable('director', true);
  await pair.untilOwner('director');
  await sleep(500);
  assert.deepEqual(await failuresOf(first), []);
  assert.deepEqual(await failuresOf(second), []);
  await pair.lab.until('nothing is wrong any more', async () => {
    const all = await Promise.all(DIRECTORS.map((each) => pair.status(each)));
    return all.every(({ problems }) => problems.length === 0);
  });
});

test('connections of IPv6 outlive a failover, by a hand-over of IPv6', async (context) => {
  const { pair, begin } = await build(context, 'hand-6', {
    vip: VIPS.IPv6,
    top: (director) => settings(director, 'plain: true', 'ipv6'),
  });
  const talkers = await begin(talks(pair, 10));
  await untilKnown(pair, 'standby', 30);
  await kill(pair, 'director', 'standby');
  assert.deepEqual(await failuresOf(talkers), []);
});
