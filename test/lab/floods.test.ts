/** Floods of forged clients that fill the flow tables: requests are served, connections live, and the director says so. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { hostNamed, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { flood, type Pattern } from '../support/flood.js';
import { TestLab } from '../support/lab.js';
import { serversOf, startTalkServers, Talkers } from '../support/talkers.js';

const VIPS = [VIP4, VIP6] as const;
const POLICIES = {
  7001: 'scheduler: wlc',
  7002: 'scheduler: rr',
  7003: 'scheduler: sh, flags: [sh-port]',
  7004: 'scheduler: mh, flags: [mh-port]',
  7005: 'scheduler: maglev, track: all',
} as const;
const PORTS = Object.keys(POLICIES).map(Number);

const PATTERNS: Readonly<Record<string, Pattern>> = {
  SYNs: ['S'],
  ACKs: ['A'],
  datagrams: ['U'],
};

const SECONDS = 1;
/** How many requests each scheduler gets at once. */
const REQUESTS = 20;

function config(entries: number): string {
  const services = VIPS.flatMap((vip) => {
    const servers = (['real1', 'real2'] as const)
      .map((name) => `"${vip === VIP4 ? hostNamed(name).ipv4 : hostNamed(name).ipv6}"`)
      .join(', ');
    return Object.entries(POLICIES).flatMap(([port, policy]) =>
      ['tcp', 'udp'].map(
        (protocol) =>
          `  - { address: "${vip}", port: ${port}, protocol: ${protocol}, ${policy}, realServers: [${servers}] }\n`,
      ),
    );
  });
  return `interfaces: [${NIC}]\nflows: { ipv4: ${entries}, ipv6: ${entries} }\nservices:\n${services.join('')}`;
}

/** Requests of real clients to each service, all of which a real server must answer. */
async function request(lab: TestLab, when: string): Promise<void> {
  const targets = VIPS.flatMap((address) => PORTS.map((port) => ({ address, port })));
  const servers = await serversOf(lab, targets, { count: REQUESTS });
  const failed = targets.map((target, i) => ({
    ...target,
    failures: servers[i]!.filter((server) => !server.startsWith('real')),
  }));
  assert.deepEqual(
    failed.filter(({ failures }) => failures.length > 0),
    [],
    when,
  );
}

async function fullTables(lab: TestLab): Promise<string[]> {
  return (await lab.status()).problems.filter((problem) => problem.includes('flow table full'));
}

test('floods that fill the flow tables', async (context) => {
  const lab = await TestLab.build(context, 'floods');
  // The real servers have no way to the forged clients.
  lab.configure(config(4096));
  await startTalkServers(lab, PORTS);
  await lab.startDirector();
  const talkers = await Talkers.start(
    lab,
    VIPS.flatMap((address) => PORTS.map((port) => ({ address, port, sending: 2, silent: 0 }))),
  );
  // A flow that sent in more than one second does not give way.
  await sleep(2_500);

  for (const [name, pattern] of Object.entries(PATTERNS)) {
    await context.test(`${name} for all entries: real clients are served meanwhile and afterwards`, async () => {
      const floods = VIPS.map((vip) => flood(lab, { vip, ports: PORTS, pattern, clients: 25_000, seconds: SECONDS }));
      await request(lab, 'during the flood');
      for (const clients of await Promise.all(floods)) {
        assert.ok(clients > 4096 * 2, `${clients} clients`);
      }
      await Promise.all([
        request(lab, 'after the flood'),
        lab.until('status says that both tables are full', async () => (await fullTables(lab)).length === 2),
      ]);
    });
  }

  await context.test('log, status and flows --summary say that the tables are full', async () => {
    const log = readFileSync(join(lab.directory, 'director.log'), 'utf8');
    const [problems, summary] = await Promise.all([fullTables(lab), lab.beeline(['flows', '--summary'])]);
    for (const family of ['IPv4', 'IPv6']) {
      assert.match(log, new RegExp(`${family} flow table full: flows that sent little give way to new ones`));
      assert.match(problems.join('\n'), new RegExp(`${family} flow table full: \\d+ of \\d+ entries`));
    }
    assert.match(summary, /full/);
  });

  await context.test('pairs of SYN and ACK for all entries of a larger table', async () => {
    const entries = 8192;
    lab.configure(config(entries));
    await lab.beeline(['reload']);
    const floods = VIPS.map((vip) =>
      flood(lab, {
        vip,
        ports: PORTS,
        pattern: ['S', 'A'],
        clients: 3 * entries,
        seconds: SECONDS,
      }),
    );
    await request(lab, 'during the flood');
    for (const clients of await Promise.all(floods)) {
      assert.ok(clients > entries * 2, `${clients} clients`);
    }
    await Promise.all([
      request(lab, 'after the flood'),
      lab.until('status says that both are full', async () => {
        const problems = await fullTables(lab);
        return problems.filter((problem) => problem.includes(`of ${entries} entries`)).length === 2;
      }),
    ]);
  });

  await context.test('connections that sent all the time live', async () => {
    assert.deepEqual(await talkers.failures(), []);
  });
});
