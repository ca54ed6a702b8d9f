/** N3, N5, M10, M11, M12: connections while real servers change; schedulers and persistence, with curl. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

import type { FlowReport } from '../../src/control/index.js';
import { hostNamed, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { execute, Load, TestLab } from '../support/lab.js';

const DOWNLOADS = fileURLToPath(new URL('../support/downloads.js', import.meta.url));
const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));

/** Real servers: the odd ones are addresses of one host, the even ones of the other. */
const SERVERS = ['192.168.1.31', '192.168.1.32', '192.168.1.33', '192.168.1.34'] as const;
const URL4 = `http://${VIP4}/`;

interface DownloadResult {
  readonly completed: number;
  readonly failures: readonly string[];
}

/** Starts downloads from the client that take `seconds`. Resolves when all have ended. */
async function downloads(lab: TestLab, count: number, seconds: number): Promise<DownloadResult> {
  const bytes = seconds * 4000;
  const command = [process.execPath, DOWNLOADS, `${URL4}slow/${bytes}`, String(count), String(bytes)];
  const { status, stdout, stderr } = await execute(lab, 'client', command);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as DownloadResult;
}

function configuration(service: string, weights: Readonly<Record<string, number>>): string {
  const servers = Object.entries(weights).map(([address, weight]) => `{address: ${address}, weight: ${weight}}`);
  return `interfaces: [${NIC}]\nservices:\n  - {address: ${VIP4}, port: 80, ${service}, realServers: [${servers.join(', ')}]}\n`;
}

async function reconfigure(lab: TestLab, text: string): Promise<void> {
  lab.configure(text);
  await lab.beeline(['reload']);
}

async function flowsOf(lab: TestLab, ...args: string[]): Promise<FlowReport[]> {
  return JSON.parse(await lab.beeline(['flows', '--json', ...args])) as FlowReport[];
}

async function labWithFourServers(context: test.TestContext, name: string): Promise<TestLab> {
  const lab = await TestLab.build(context, name);
  await lab.exec('real1', ['ip', 'addr', 'add', '192.168.1.33/24', 'dev', NIC]);
  await lab.exec('real2', ['ip', 'addr', 'add', '192.168.1.34/24', 'dev', NIC]);
  return lab;
}

/**
 * Changes the real servers again and again: adds, reweights and drains them, and adds them again. None is removed while it
 * has flows, because that would end them.
 */
const CHANGES: readonly Readonly<Record<string, number>>[] = [
  { [SERVERS[0]]: 1, [SERVERS[1]]: 1, [SERVERS[2]]: 1, [SERVERS[3]]: 0 },
  { [SERVERS[0]]: 1, [SERVERS[1]]: 1, [SERVERS[2]]: 1, [SERVERS[3]]: 1 },
  { [SERVERS[0]]: 5, [SERVERS[1]]: 1, [SERVERS[2]]: 1, [SERVERS[3]]: 2 },
  { [SERVERS[0]]: 0, [SERVERS[1]]: 1, [SERVERS[2]]: 1, [SERVERS[3]]: 2 },
  { [SERVERS[0]]: 1, [SERVERS[1]]: 0, [SERVERS[2]]: 1, [SERVERS[3]]: 0 },
  { [SERVERS[0]]: 1, [SERVERS[1]]: 1, [SERVERS[2]]: 0, [SERVERS[3]]: 0 },
];
const ROUNDS = 20;

for (const track of ['all', 'moved'] as const) {
  test(`200 downloads and a stream of requests outlive ${ROUNDS} changes of the real servers, track: ${track}`, async (context) => {
    const lab = await labWithFourServers(context, `n3-${track}`);
    const asked = `track: ${track}`;
    lab.configure(configuration(asked, { [SERVERS[0]]: 1, [SERVERS[1]]: 1 }));
    await lab.startDirector();
    const running = downloads(lab, 200, 16);
    const load = await Load.start(lab, URL4);
    await sleep(1000);
    for (let round = 0; round < ROUNDS; round += 1) {
      if (round % CHANGES.length === 4) {
        // The other way: a command drains one of them, and the next configuration adds it again.
        await lab.beeline(['drain', '--no-wait', `${VIP4}:80`, SERVERS[2]]);
      } else {
        await reconfigure(lab, configuration(asked, CHANGES[round % CHANGES.length]!));
      }
      await sleep(500);
    }
    const { requests, failures } = await load.stop();
    assert.deepEqual(failures, []);
    assert.ok(requests > 100, `${requests} requests`);
    const result = await running;
    assert.deepEqual(result, { completed: 200, failures: [] });
    context.diagnostic(`${requests} requests and 200 downloads, none broken`);
  });
}

test('M10, M11 and M12: schedulers, persistence and drains', async (context) => {
  const lab = await TestLab.build(context, 'schedulers');
  const [one, two] = [hostNamed('real1').ipv4, hostNamed('real2').ipv4];
  // A flow keeps the timeout that held at its last packet: with the usual one, drains would wait for finished downloads.
  const withTimeouts = (text: string): string => `timeouts: {finWait: 1}\n${text}`;
  lab.configure(withTimeouts(configuration('scheduler: rr', { [one]: 1, [two]: 1 })));
  let daemon = await lab.startDirector();
  const numbers = async (count: number, url = URL4): Promise<string> =>
    (await lab.pages(count, url)).map((page) => /Server 0(\d)/.exec(page)?.[1]).join('');
  const switchTo = (
    service: string,
    weights: Readonly<Record<string, number>> = { [one]: 1, [two]: 1 },
  ): Promise<void> => reconfigure(lab, withTimeouts(configuration(service, weights)));

  await context.test('rr alternates, the last added first', async () => {
    assert.equal(await numbers(6), '212121');
  });

  await context.test("wrr 3:1 gives IPVS's pattern", async () => {
    await switchTo('scheduler: wrr', { [one]: 3, [two]: 1 });
    assert.equal(await numbers(8), '21112111');
  });

  await context.test('weight 0 takes no new flow, and an old one goes on', async () => {
    await switchTo('scheduler: rr');
    const running = downloads(lab, 4, 3);
    await sleep(500);
    await switchTo('scheduler: rr', { [one]: 0, [two]: 1 });
    assert.equal(await numbers(4), '2222');
    assert.deepEqual(await running, { completed: 4, failures: [] });
  });

  await context.test('lc, wlc, sed and nq send a new flow to the real server with fewer flows', async () => {
    for (const scheduler of ['lc', 'wlc', 'sed', 'nq']) {
      // The real server of weight 1 has open downloads, the other one has none.
      await switchTo(`scheduler: ${scheduler}`, { [one]: 1, [two]: 0 });
      const running = downloads(lab, 6, 2);
      await lab.until('the downloads run', async () => (await flowsOf(lab, '--state', 'ESTABLISHED')).length >= 6);
      await switchTo(`scheduler: ${scheduler}`, { [one]: 1, [two]: 1 });
      assert.equal(await numbers(3), '222', scheduler);
      assert.deepEqual(await running, { completed: 6, failures: [] });
    }
  });

  await context.test('fo chooses the heaviest, and so does ovf until it has more flows than its weight', async () => {
    await switchTo('scheduler: fo', { [one]: 5, [two]: 9 });
    assert.equal(await numbers(3), '222');
    await switchTo('scheduler: ovf', { [one]: 5, [two]: 9 });
    assert.equal(await numbers(3), '222');
  });

  await context.test('sh, mh, dh and lblc send a client to one real server, whatever its port', async () => {
    for (const scheduler of ['sh', 'mh', 'dh', 'lblc', 'lblcr']) {
      await switchTo(`scheduler: ${scheduler}`);
      assert.match(await numbers(4), /^(1{4}|2{4})$/, scheduler);
    }
  });

  await context.test('twos and maglev send flows to both', async () => {
    for (const scheduler of ['twos', 'maglev']) {
      await switchTo(`scheduler: ${scheduler}`);
      const found = await numbers(24);
      assert.ok(found.includes('1') && found.includes('2'), `${scheduler}: ${found}`);
    }
  });

  await context.test('persistence keeps a client at one real server, and is listed', async () => {
    await switchTo('scheduler: rr, persistence: {timeout: 300, mask: 255.255.255.0}');
    assert.match(await numbers(4), /^(1{4}|2{4})$/);
    const [template] = await flowsOf(lab, '--state', 'ASSURED');
    assert.equal(template?.client, '192.168.1.0');
    assert.equal(template.clientPort, 0);
  });

  await context.test('persistence ends with its timeout', async () => {
    await switchTo('scheduler: rr, persistence: 2');
    await lab.pages(1);
    // That of the network, from before, keeps its longer timeout.
    await lab.until('the template is forgotten', async () =>
      (await flowsOf(lab, '--state', 'ASSURED')).every(({ client }) => client === '192.168.1.0'),
    );
  });

  await context.test('kill -9 and a new daemon keep every flow', async () => {
    await switchTo('scheduler: rr');
    const running = downloads(lab, 50, 12);
    await lab.until('the downloads run', async () => (await flowsOf(lab, '--state', 'ESTABLISHED')).length >= 50);
    const before = (await flowsOf(lab, '--state', 'ESTABLISHED')).map(({ client, clientPort, realServer: server }) =>
      [client, clientPort, server].join(' '),
    );
    await lab.kill(daemon);
    daemon = await lab.startDirector();
    const after = new Set(
      (await flowsOf(lab, '--all')).map(({ client, clientPort, realServer: server }) =>
        [client, clientPort, server].join(' '),
      ),
    );
    assert.deepEqual(
      before.filter((flow) => !after.has(flow)),
      [],
    );
    assert.deepEqual(await running, { completed: 50, failures: [] });
  });

  await context.test('drain waits for the last flow and then removes the real server', async () => {
    await switchTo('scheduler: rr');
    const running = downloads(lab, 4, 4);
    await lab.until('the downloads run', async () => (await flowsOf(lab, '--server', one)).length >= 2);
    const drained = await lab.beeline(['drain', `${VIP4}:80`, one]);
    assert.match(drained, /^192\.168\.1\.31 of tcp 192\.168\.1\.100:80: [1-9]\d* flows? left/);
    assert.match(drained, /192\.168\.1\.31 was removed from tcp 192\.168\.1\.100:80\n$/);
    assert.deepEqual(await running, { completed: 4, failures: [] });
    const [service] = await lab.list();
    assert.deepEqual(
      service!.realServers.map(({ address }) => address),
      [two],
    );
    assert.equal(await numbers(3), '222');
  });

  await context.test('no flow is lost when the flow table grows', async () => {
    await switchTo('scheduler: rr');
    const running = downloads(lab, 20, 10);
    await lab.until('the downloads run', async () => (await flowsOf(lab, '--state', 'ESTABLISHED')).length >= 20);
    await reconfigure(lab, `flows: {ipv4: 3000000}\n${configuration('scheduler: rr', { [one]: 1, [two]: 1 })}`);
    assert.ok((await flowsOf(lab, '--state', 'ESTABLISHED')).length >= 20);
    assert.deepEqual(await running, { completed: 20, failures: [] });
  });

  await context.test('IPv6 has its own table, and persistence by prefix', async () => {
    await reconfigure(
      lab,
      `interfaces: [${NIC}]\nservices:\n  - {address: "${VIP6}", port: 80, scheduler: rr, persistence: {timeout: 60, mask: 64}, ` +
        'realServers: ["fd00::31", "fd00::32"]}\n',
    );
    assert.match(await numbers(4, `http://[${VIP6}]/`), /^(1{4}|2{4})$/);
    const [template] = await flowsOf(lab, '--state', 'ASSURED');
    assert.equal(template?.client, 'fd00::');
  });
});

test('a standby director with the same model takes over open connections without having seen them', async (context) => {
  const lab = await TestLab.build(context, 'standby');
  const standby = `${lab.name}-2`;
  const mac = '00:50:00:00:04:02';
  // Also if the lab is down already: a director's pins and files are the machine's.
  context.after(() => {
    execFileSync(process.execPath, [BEELINE, '--instance', standby, 'stop', '--detach']);
    const stored = ['history', 'timeouts', 'drains', 'running'].flatMap((each) => [each, `${each}.previous`]);
    for (const suffix of ['sock', 'lock', ...stored]) {
      rmSync(`/run/beeline/${standby}.${suffix}`, { force: true });
    }
  });
  // A second NIC in the director's network: for the real servers, it is another director.
  const cable = ['type', 'veth', 'peer', 'name', 'ens4', 'netns', lab.namespace('director')];
  await lab.exec('switch', ['ip', 'link', 'add', 'standby', ...cable]);
  await lab.exec('switch', ['sh', '-c', 'ip link set standby master br0 up']);
  await lab.exec('director', ['sh', '-c', `ip link set ens4 address ${mac} up`]);
  // It does not answer ARP for the VIP before it takes over.
  await lab.sysctl('director', 'net/ipv4/conf/ens4/arp_ignore', '1');
  await lab.attachPass('switch', 'standby');
  const servers = ['real1', 'real2'].map((name) => hostNamed(name as 'real1' | 'real2'));
  lab.configure(configuration('track: moved', Object.fromEntries(servers.map(({ ipv4 }) => [ipv4, 1]))));
  await lab.startDirector();
  const path = join(lab.directory, 'standby.yaml');
  // The same real servers in another order, with configured MACs instead of ARP.
  const listed = servers.map(({ ipv4, mac: theirs }) => `{address: ${ipv4}, mac: "${theirs}"}`).reverse();
  writeFileSync(
    path,
    `interfaces: [ens4]\nservices:\n  - {address: ${VIP4}, port: 80, track: moved, realServers: [${listed.join(', ')}]}\n`,
  );
  lab.startProcess('director', 'standby', [process.execPath, BEELINE, '--instance', standby, 'run', path]);
  await lab.until('the standby director listens', async () => {
    const { status } = await execute(lab, 'director', [process.execPath, BEELINE, '--instance', standby, 'status']);
    return status === 0;
  });

  const running = downloads(lab, 40, 4);
  await lab.until('the downloads run', async () => {
    const [service] = await lab.list();
    return service!.realServers.reduce((sum, { flows }) => sum + flows, 0) >= 40;
  });
  await sleep(500);
  await lab.exec('client', ['ip', 'neigh', 'replace', VIP4, 'lladdr', mac, 'dev', NIC, 'nud', 'permanent']);
  assert.deepEqual(await running, { completed: 40, failures: [] });
  const sent = JSON.parse(
    (await execute(lab, 'director', [process.execPath, BEELINE, '--instance', standby, 'list', '--json'])).stdout,
  ) as Awaited<ReturnType<TestLab['list']>>;
  assert.ok(sent[0]!.realServers.every(({ packets }) => packets > 0));
});
