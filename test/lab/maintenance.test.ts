/** Real servers that operators take out: what becomes of their flows, what ends a maintenance, and what shows it. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import type { MaintenanceReport } from '../../src/control/index.js';
import { hostNamed, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { TestLab } from '../support/lab.js';
import { serversOf, startTalkServers, Talkers } from '../support/talkers.js';

const [ONE, TWO] = [hostNamed('real1'), hostNamed('real2')];
/** Each scheduler with one of the VIPs, and how it remembers flows. */
const SERVICES = [
  { vip: VIP4, port: 7001, policy: 'scheduler: rr' },
  { vip: VIP6, port: 7002, policy: 'scheduler: wlc' },
  { vip: VIP4, port: 7003, policy: 'scheduler: sh, flags: [sh-port]' },
  { vip: VIP6, port: 7004, policy: 'scheduler: maglev' },
  { vip: VIP4, port: 7005, policy: 'scheduler: maglev, track: moved' },
  { vip: VIP4, port: 7006, policy: 'scheduler: rr, unresolved: move' },
] as const;
const FILE = `interfaces: [${NIC}]
services:
${SERVICES.map(({ vip, port, policy }) => {
  const all = vip === VIP4 ? [ONE.ipv4, TWO.ipv4] : [ONE.ipv6, TWO.ipv6];
  return `  - { address: "${vip}", port: ${port}, ${policy}, realServers: ["${all.join('", "')}"] }\n`;
}).join('')}`;
const TARGETS = SERVICES.map(({ vip, port }) => ({ address: vip, port }));
const NAME = `tcp ${VIP4}:7001`;

test('a real server that is disabled takes no new flow, and its flows do what the operator said', async (context) => {
  const lab = await TestLab.build(context, 'maintenance');
  lab.configure(FILE);
  await startTalkServers(
    lab,
    SERVICES.map(({ port }) => port),
  );
  let daemon = await lab.startDirector();
  await lab.until('all real servers resolve', async () => (await lab.status()).unresolved === 0);
  const both = (verb: string, ...options: string[]): Promise<string[]> =>
    Promise.all([ONE.ipv4, ONE.ipv6].map((address) => lab.beeline([verb, 'all', address, ...options])));
  const states = async (): Promise<Set<string>> =>
    new Set(
      (await lab.list()).flatMap(({ realServers }) =>
        realServers.flatMap(({ address, state }) => (address === ONE.ipv4 || address === ONE.ipv6 ? state : [])),
      ),
    );
  /** Who answers new connections of each service. */
  const answering = async (): Promise<Set<string>> => new Set((await serversOf(lab, TARGETS)).flat());
  const disabled = async (): Promise<readonly MaintenanceReport[]> => (await lab.status()).disabled ?? [];

  await context.test('its flows live on, and new ones go to the others', async () => {
    const talks = TARGETS.map((target) => ({ ...target, sending: 4, silent: 3 }));
    const talkers = await Talkers.start(lab, talks);
    assert.ok(talkers.begun.some(({ server }) => server === 'real1'));
    await both('disable', '--reason', 'new disks');
    assert.deepEqual(await states(), new Set(['disabled']));
    assert.deepEqual(await answering(), new Set(['real2']));
    assert.deepEqual(await talkers.failures(), []);
  });

  await context.test('status, list and ipvsadm say so, and the configuration does not', async () => {
    assert.match(
      await lab.beeline(['status']),
      /^disabled {7}192\.168\.1\.31 of all services, since \d{4}-[^ ]+ [^ ]+: new disks$/m,
    );
    assert.match(await lab.beeline(['list', NAME.slice(4)]), /^ {2}192\.168\.1\.31 .* disabled /m);
    assert.match(await lab.beeline(['list', NAME.slice(4)]), /^ {2}192\.168\.1\.31: is disabled: new disks$/m);
    assert.match(await lab.beeline(['ipvsadm', '-Ln', '-t', `${VIP4}:7001`]), /192\.168\.1\.31:7001 +Route +0 /);
    // What is saved is what was asked for.
    assert.match(
      await lab.beeline(['ipvsadm', '-Sn']),
      /-a -t 192\.168\.1\.100:7001 -r 192\.168\.1\.31:7001 -g -w 1$/m,
    );
    assert.equal((await lab.run('diff')).status, 0);
    assert.equal((await lab.status()).changes, 0);
  });

  await context.test('a reload, a crash and an edit leave it disabled', async () => {
    assert.match((await lab.run('reload')).stdout, /^no changes/);
    assert.deepEqual(await states(), new Set(['disabled']));
    await lab.kill(daemon);
    assert.match((await lab.run('list')).stdout, /^ {2}192\.168\.1\.31 .* disabled /m);
    daemon = await lab.startDirector();
    assert.deepEqual(await states(), new Set(['disabled']));
    assert.equal((await disabled())[0]!.reason, 'new disks');
    await lab.beeline(['weight', `${VIP4}:7001`, ONE.ipv4, '5']);
    assert.deepEqual(await states(), new Set(['disabled']));
    assert.deepEqual(await answering(), new Set(['real2']));
    assert.match((await lab.run('reload')).stdout, /weight 5 -> 1$/m);
  });

  await context.test('enabled, it takes its part again', async () => {
    await both('enable');
    assert.deepEqual(await states(), new Set(['up']));
    assert.deepEqual(await answering(), new Set(['real1', 'real2']));
    assert.deepEqual(await disabled(), []);
    const { status, stderr } = await lab.run('enable', 'all', ONE.ipv4);
    assert.deepEqual([status, stderr.split('\n')[0]], [2, `beeline: ${ONE.ipv4} is not disabled`]);
  });

  await context.test('with --move-flows no packet goes there any more, under every scheduler', async () => {
    const talks = TARGETS.map((target) => ({ ...target, sending: 3, silent: 0 }));
    const talkers = await Talkers.start(lab, talks);
    await both('disable', '--move-flows');
    const before = await packetsTo(lab);
    const ended = await talkers.failures();
    const moved = talkers.begun.filter(({ server }) => server === 'real1');
    // The other real server does not know these connections, and resets them: that is what was asked for.
    assert.equal(ended.length, moved.length);
    assert.ok(ended.every(({ server, failure }) => server === 'real1' && failure === 'ECONNRESET'));
    assert.deepEqual(await packetsTo(lab), before);
    assert.deepEqual(await answering(), new Set(['real2']));
    await both('enable');
  });

  await context.test('one service’s alone does not touch the others, and ends with its time', async () => {
    await lab.beeline(['disable', `${VIP4}:7001`, ONE.ipv4, '--for', '1h']);
    assert.deepEqual(await states(), new Set(['disabled', 'up']));
    const [first] = await serversOf(lab, TARGETS.slice(0, 1));
    assert.deepEqual(new Set(first), new Set(['real2']));
    await lab.beeline(['disable', `${VIP4}:7001`, ONE.ipv4, '--for', '1s']);
    await lab.until('its time is over', async () => (await disabled()).length === 0);
    assert.deepEqual(await states(), new Set(['up']));
    assert.match(readFileSync(join(lab.directory, 'director.log'), 'utf8'), /the time of a maintenance is over/);
  });

  await context.test('what cannot be is refused in a sentence', async () => {
    for (const [words, message] of [
      [['disable', 'all', '192.168.1.77'], /no service has the real server 192\.168\.1\.77/],
      [['disable', `${VIP4}:7001`, '192.168.1.77'], /tcp 192\.168\.1\.100:7001 has no real server 192\.168\.1\.77/],
      [['disable', `${VIP4}:9`, ONE.ipv4], /there is no service/],
      [['disable', 'all'], /an argument is missing/],
      [['disable', 'all', ONE.ipv4, '--for', '0s'], /--for must be longer/],
    ] as const) {
      const { status, stderr } = await lab.run(...words);
      assert.notEqual(status, 0);
      assert.match(stderr, message);
    }
  });
});

/** Packets to the first real server, of all services. */
async function packetsTo(lab: TestLab): Promise<number[]> {
  return (await lab.list()).flatMap(({ realServers }) =>
    realServers.flatMap(({ address, packets }) => (address === ONE.ipv4 || address === ONE.ipv6 ? packets : [])),
  );
}
