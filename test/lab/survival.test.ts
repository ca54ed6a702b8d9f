/** N4: crash, restart, reload and upgrade of the daemon under load: not one request fails, not one packet is lost. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { ServiceReport, UnattendedReport } from '../../src/control/index.js';
import { hostNamed, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import * as layout from '../../src/layout/index.js';
import { BpfMap, BpfProgram } from '../../src/libbpf/index.js';
import { Load, segments, TestLab } from '../support/lab.js';

const SERVERS = `[${hostNamed('real1').ipv4}, ${hostNamed('real2').ipv4}]`;

/** Runs an action under load. Every request must get its page. Returns the numbers of requests and lost packets. */
async function underLoadLosing(lab: TestLab, work: () => Promise<void>): Promise<{ requests: number; lost: number }> {
  const before = await segments(lab);
  const load = await Load.start(lab, `http://${VIP4}/`);
  await sleep(500);
  try {
    await work();
  } finally {
    await sleep(300);
  }
  const { requests, failures } = await load.stop();
  assert.deepEqual(failures, []);
  // The last segments are still in flight.
  const deadline = performance.now() + 2_000;
  for (;;) {
    const after = await segments(lab);
    const lost = after.sent - before.sent - (after.arrived - before.arrived);
    if (lost === 0 || performance.now() > deadline) {
      return { requests, lost };
    }
    await sleep(50);
  }
}

/** Does the same, and fails if a packet was lost. */
async function underLoad(lab: TestLab, work: () => Promise<void>): Promise<number> {
  const { requests, lost } = await underLoadLosing(lab, work);
  assert.equal(lost, 0, 'packets of the client that reached no real server');
  return requests;
}

function pinsOf(lab: TestLab): string {
  return `/sys/fs/bpf/beeline/${lab.name}`;
}

/** What a list says of services and real servers beside figures. */
function settingsOf(services: readonly ServiceReport[]): unknown {
  return services.map(({ scheduler, slots, realServers }) => ({
    scheduler,
    slots,
    realServers: realServers.map(({ address, weight, state, mac, share }) => ({ address, weight, state, mac, share })),
  }));
}

function packetsOf(services: Awaited<ReturnType<TestLab['list']>>): number {
  return services.flatMap(({ realServers }) => realServers).reduce((sum, { packets }) => sum + packets, 0);
}

test('under a load of small requests', async (context) => {
  const lab = await TestLab.build(context, 'survive');
  let daemon = await lab.startDirector();
  let countedBefore = 0;

  await context.test('without any trouble, every request of the load is answered', async () => {
    const requests = await underLoad(lab, () => sleep(500));
    // A busy machine serves only a few.
    assert.ok(requests >= 8, `${requests} requests`);
  });

  await context.test('the test notices a lost packet even if no request fails', async () => {
    const { lost } = await underLoadLosing(lab, async () => {
      await lab.exec('switch', [
        'sh',
        '-c',
        'ip link set director nomaster; sleep 0.3; ip link set director master br0',
      ]);
    });
    assert.ok(lost > 0, `${lost} packets were lost`);
  });

  await context.test('no packet is lost when the daemon is killed', async () => {
    const listed = await lab.list();
    countedBefore = packetsOf(listed);
    const before = await lab.beeline(['ipvsadm', '-Ln']);
    await underLoad(lab, async () => {
      await lab.kill(daemon);
      await sleep(1000);
    });
    const { status, stdout } = await lab.run('status', '--json');
    const { forwarding, packets, unattendedSince, services } = JSON.parse(stdout) as UnattendedReport;
    assert.deepEqual([status, forwarding, services], [3, true, listed.length]);
    assert.ok(packets > countedBefore, `${countedBefore} packets, then ${packets}`);
    const silent = Date.now() - Date.parse(unattendedSince);
    assert.ok(silent > 500 && silent < 60_000, `${silent} ms`);
    const { stdout: list, stderr, status: ended } = await lab.run('list', '--json');
    assert.deepEqual([ended, settingsOf(JSON.parse(list) as ServiceReport[])], [3, settingsOf(listed)]);
    assert.match(stderr, /^beeline: no daemon since /);
    const table = await lab.run('ipvsadm', '-Ln');
    assert.deepEqual(
      [table.status, table.stdout.replace(/(?:\d+ +){2}$/gm, '')],
      [3, before.replace(/(?:\d+ +){2}$/gm, '')],
    );
  });

  await context.test('the next daemon adopts maps and links, counters included', async () => {
    await underLoad(lab, async () => {
      daemon = await lab.startDirector();
    });
    const counted = packetsOf(await lab.list());
    assert.ok(countedBefore > 0 && counted > countedBefore, `${countedBefore} packets, then ${counted}`);
    assert.match(readFileSync(join(lab.directory, 'director.log'), 'utf8'), /adopted the pinned maps/);
  });

  await context.test('no packet is lost when the daemon is stopped and started five times', async () => {
    await underLoad(lab, async () => {
      for (let i = 0; i < 5; i += 1) {
        assert.match(await lab.beeline(['stop']), /packets are still forwarded/);
        daemon = await lab.startDirector();
      }
    });
    assert.equal(readdirSync(pinsOf(lab)).length, 2, 'one set of maps, one link');
  });

  await context.test('no packet is lost over fifty reloads that each change something', async () => {
    const before = (await lab.status()).generation;
    await underLoad(lab, async () => {
      for (let i = 0; i < 50; i += 1) {
        const other =
          i % 2 === 0
            ? `  - { address: ${VIP4}, port: 25, realServers: [{ address: 192.168.1.31, weight: ${i + 1} }] }\n`
            : '';
        lab.configure(
          `interfaces: [${NIC}]\nservices:\n  - { address: ${VIP4}, port: 80, realServers: ${SERVERS} }\n${other}`,
        );
        if (i % 10 === 0) {
          assert.match(await lab.beeline(['reload']), /^[+~-] tcp|^no changes/);
        } else {
          await lab.ask('reload', {});
        }
      }
    });
    assert.ok((await lab.status()).generation >= before + 50);
  });

  await context.test('SIGHUP reloads too', async () => {
    const { generation } = await lab.status();
    lab.configure(
      `interfaces: [${NIC}]\nservices:\n  - { address: ${VIP4}, port: 80, realServers: ${SERVERS} }\n` +
        `  - { address: "${VIP6}", port: 80, realServers: [] }\n`,
    );
    process.kill(daemon.pid, 'SIGHUP');
    await lab.until('the new service is there', async () => (await lab.list()).length === 2);
    assert.ok((await lab.status()).generation > generation);
  });

  await context.test('no packet is lost when larger tables replace those that became too small', async () => {
    const before = packetsOf(await lab.list());
    const many = Array.from(
      { length: 700 },
      (_, i) => `  - { address: 10.${i >> 8}.${i & 255}.1, port: 80, realServers: ${SERVERS} }\n`,
    ).join('');
    await underLoad(lab, async () => {
      lab.configure(
        `interfaces: [${NIC}]\nservices:\n  - { address: ${VIP4}, port: 80, realServers: ${SERVERS} }\n${many}`,
      );
      await lab.beeline(['reload']);
    });
    assert.ok(packetsOf(await lab.list()) > before);
    assert.equal(readdirSync(pinsOf(lab)).length, 2);
  });

  await context.test('pins of another version forward until the new daemon has its own', async () => {
    await lab.beeline(['stop']);
    const set = readdirSync(pinsOf(lab)).find((name) => name.startsWith('set-'))!;
    {
      // Make the pins look like those of another version.
      using control = BpfMap.openPinned(join(pinsOf(lab), set, 'control'));
      using memory = control.mmap('write');
      memory.write(layout.control.layout.offset, new Uint8Array(8).fill(0xee));
    }
    await underLoad(lab, async () => {
      daemon = await lab.startDirector();
    });
    assert.match(readFileSync(join(lab.directory, 'director.log'), 'utf8'), /cannot be adopted/);
    assert.equal(readdirSync(pinsOf(lab)).length, 2);
  });

  await context.test(
    'the next daemon starts as usual after a daemon that died between two steps of an upgrade',
    async () => {
      await lab.beeline(['stop']);
      // A set that was pinned and never used, an incomplete one, and the one in use.
      const [set] = readdirSync(pinsOf(lab)).filter((name) => name.startsWith('set-'));
      const inUse = join(pinsOf(lab), set!);
      const unfinished = join(pinsOf(lab), 'set-9000');
      mkdirSync(unfinished);
      {
        using program = BpfProgram.openPinned(join(inUse, 'program'));
        program.pin(join(unfinished, 'program'));
      }
      await underLoad(lab, async () => {
        daemon = await lab.startDirector();
      });
      assert.equal(readdirSync(pinsOf(lab)).length, 2);
    },
  );

  await context.test('stop --detach ends it all: no program, no pins, no daemon', async () => {
    assert.match(await lab.beeline(['stop', '--detach']), /detached/);
    assert.equal(existsSync(pinsOf(lab)), false);
    const link = await lab.exec('director', ['ip', 'link', 'show', NIC]);
    assert.doesNotMatch(link, /xdp/);
    assert.match(await lab.beeline(['stop', '--detach']), /nothing is attached/);
    const neighbours = await lab.exec('director', ['ip', 'neigh']);
    assert.doesNotMatch(neighbours, /managed/);
  });
});

test('stop --detach works without a daemon', async (context) => {
  const lab = await TestLab.build(context, 'orphan');
  await lab.kill(await lab.startDirector());
  // Another owner's program is left alone.
  await lab.exec('director', ['ip', 'neigh', 'add', hostNamed('client').ipv4, 'dev', NIC, 'managed']);
  const managed = async (): Promise<string[]> =>
    (await lab.exec('director', ['ip', 'neigh'])).split('\n').filter((line) => line.includes('managed'));
  assert.equal((await managed()).length, 5);
  const { stdout } = await lab.run('stop', '--detach');
  assert.match(stdout, /no daemon is running; detached/);
  assert.doesNotMatch(await lab.exec('director', ['ip', 'link', 'show', NIC]), /xdp/);
  assert.deepEqual(
    (await managed()).map((line) => line.split(' ')[0]),
    [hostNamed('client').ipv4],
  );
});
