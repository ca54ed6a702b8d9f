/** Direct routing in the lab: each row of the mission, with real packets between hosts. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Capture, type HostName, hostNamed, NIC, PAGES, VIP4, VIP6 } from '../../src/lab/index.js';
import { isTcp, parseFrame, type TcpFrame } from '../../src/packet/index.js';
import { answering, REAL } from '../support/arp.js';
import { type Ended, execute, TestLab } from '../support/lab.js';

/** curl's exit status when nobody answers; 7: the connection is refused. */
const CURL_TIMED_OUT = 28;

function macs({ sourceMac, destinationMac }: TcpFrame): string {
  return `${sourceMac} > ${destinationMac}`;
}

/** Runs an action and returns the packets that several captures saw meanwhile. */
async function capturing(
  lab: TestLab,
  where: readonly (readonly [HostName | 'switch', string])[],
  filter: string,
  work: () => Promise<unknown>,
): Promise<TcpFrame[][]> {
  const captures = [];
  for (const [host, device] of where) {
    captures.push(await Capture.start(lab, host, device, filter));
  }
  await work();
  const frames = [];
  for (const capture of captures) {
    frames.push((await capture.stop()).map(parseFrame).filter(isTcp));
  }
  return frames;
}

test('direct routing', async (context) => {
  const lab = await TestLab.build(context, 'forward');
  await lab.startDirector();

  await context.test('M1: both real servers answer', async () => {
    assert.deepEqual(new Set(await lab.pages(30)), new Set([PAGES.real1, PAGES.real2]));
  });

  for (const [row, vip, url] of [
    ['M2', VIP4, `http://${VIP4}/`],
    ['M22', VIP6, `http://[${VIP6}]/`],
  ] as const) {
    await context.test(`${row}: MACs are rewritten, IP is not: ${vip}`, async () => {
      const places = [
        ['client', NIC],
        ['real1', NIC],
        ['real2', NIC],
      ] as const;
      const [sent, ...arrived] = await capturing(lab, places, `tcp and dst host ${vip}`, () => lab.pages(12, url));
      assert.ok(sent!.length > 60);
      REAL.forEach((host, i) => {
        assert.ok(arrived[i]!.length > 0, `${host} got packets`);
        for (const frame of arrived[i]!) {
          assert.equal(macs(frame), `${hostNamed('director').mac} > ${hostNamed(host).mac}`);
          assert.ok(sent!.some(({ ip }) => Buffer.compare(ip.bytes, frame.ip.bytes) === 0));
        }
      });
      assert.equal(arrived[0]!.length + arrived[1]!.length, sent!.length);
      const client = hostNamed('client');
      const sources = new Set(arrived.flat().map(({ ip }) => `${ip.source} ttl ${ip.ttl}`));
      assert.deepEqual(sources, new Set([`${vip === VIP4 ? client.ipv4 : client.ipv6} ttl 64`]));
    });

    await context.test(`M3: the director never answers for the service: ${vip}`, async () => {
      const places = [
        ['switch', 'director'],
        ['client', NIC],
      ] as const;
      const [fromDirector, toClient] = await capturing(lab, places, `tcp and src host ${vip}`, () =>
        lab.pages(12, url),
      );
      assert.deepEqual(fromDirector, []);
      const senders = new Set(toClient!.map(({ sourceMac }) => sourceMac));
      assert.deepEqual(senders, new Set(REAL.map((host) => hostNamed(host).mac)));
    });
  }

  await context.test("M4: the real server sees the client's own address", async () => {
    const download = lab.exec('client', ['curl', '-sS', '--max-time', '10', `http://${VIP4}/bytes/100000`]);
    await lab.until('a connection is there', async () => {
      const connections = await Promise.all(REAL.map((host) => lab.exec(host, ['ss', '-Htn', 'state', 'established'])));
      return connections.some(
        (text) => text.includes(`[::ffff:${VIP4}]:80`) && text.includes(hostNamed('client').ipv4),
      );
    });
    assert.equal((await download).length, 100_000);
  });

  await context.test(
    'M5: only the director answers ARP for the VIP while the real servers are configured not to',
    async () => {
      assert.deepEqual(await answering(lab), new Set([hostNamed('director').mac]));
      await lab.sysctl('real1', 'net/ipv4/conf/all/arp_ignore', '0');
      assert.deepEqual(await answering(lab), new Set([hostNamed('director').mac, hostNamed('real1').mac]));
      await lab.sysctl('real1', 'net/ipv4/conf/all/arp_ignore', '1');
      await lab.exec('client', ['ip', 'neigh', 'flush', 'dev', NIC]);
    },
  );

  await context.test("M28: packets are forwarded whether or not the kernel's ip_forward is on", async () => {
    for (const value of ['0', '1']) {
      await lab.sysctl('director', 'net/ipv4/ip_forward', value);
      await lab.sysctl('director', 'net/ipv6/conf/all/forwarding', value);
      assert.equal((await lab.pages(4)).length, 4);
      assert.equal((await lab.pages(4, `http://[${VIP6}]/`)).length, 4);
    }
  });

  await context.test("the host itself answers on its own address and on the VIP's other ports", async () => {
    const director = hostNamed('director').ipv4;
    for (const address of [director, VIP4]) {
      const { status, stderr } = await execute(lab, 'client', [
        'curl',
        '-sS',
        '--max-time',
        '3',
        `http://${address}:81/`,
      ]);
      // Exit status 7: the host refuses the connection at once.
      assert.equal(status, 7, stderr);
    }
    await lab.startWebServer('director', 81, '<h1>Director</h1>');
    assert.deepEqual(await lab.pages(1, `http://${director}:81/`), ['<h1>Director</h1>']);
    assert.deepEqual(await lab.pages(1, `http://${VIP4}:81/`), ['<h1>Director</h1>']);
  });

  await context.test('list and status report the packets, the states and no problem', async () => {
    const [web] = await lab.list();
    assert.deepEqual(
      web!.realServers.map(({ address, state, share, mac }) => [address, state, share, mac]),
      REAL.map((host) => [hostNamed(host).ipv4, 'up', 0.5, hostNamed(host).mac]),
    );
    assert.ok(
      web!.realServers.every(({ flows, packets, bytes }) => flows > 10 && packets > flows && bytes > packets * 40),
    );
    const status = await lab.status();
    assert.deepEqual(status.problems, []);
    assert.deepEqual(
      status.interfaces.map(({ name, state, mode }) => [name, state, mode]),
      [[NIC, 'attached', 'native']],
    );
    assert.ok(status.verdicts['no-service']! > 0);
  });
});

test('M9: several services on one VIP: a real server without port 25 fails only there', async (context) => {
  const lab = await TestLab.build(context, 'services');
  const servers = `[${REAL.map((host) => hostNamed(host).ipv4).join(', ')}]`;
  lab.configure(`interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: 80, realServers: ${servers} }
  - { address: ${VIP4}, port: 25, realServers: ${servers} }
`);
  await lab.startWebServer('real1', 25, '<h1>Mail 01</h1>');
  await lab.startDirector();
  assert.deepEqual(new Set(await lab.pages(20)), new Set([PAGES.real1, PAGES.real2]));

  const outcomes = new Map<string, number>();
  for (let i = 0; i < 30; i += 1) {
    const { status, stdout } = await execute(lab, 'client', ['curl', '-sS', '--max-time', '3', `http://${VIP4}:25/`]);
    const outcome = status === 0 ? stdout.trim() : `curl status ${String(status)}`;
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  // Exit status 7: real2 refuses the connection.
  assert.deepEqual(new Set(outcomes.keys()), new Set(['<h1>Mail 01</h1>', 'curl status 7']));
  assert.equal((await lab.pages(10)).length, 10);
});

test('M20: the director is a real server itself', async (context) => {
  const lab = await TestLab.build(context, 'local');
  const director = hostNamed('director');
  lab.configure(`interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: 80, realServers: [${hostNamed('real1').ipv4}, ${director.ipv4}] }
  - { address: "${VIP6}", port: 80, realServers: ["${hostNamed('real1').ipv6}", "${director.ipv6}"] }
`);
  await lab.startWebServer('director', 80, '<h1>Director</h1>');
  await lab.startDirector();
  for (const url of [`http://${VIP4}/`, `http://[${VIP6}]/`]) {
    assert.deepEqual(new Set(await lab.pages(30, url)), new Set([PAGES.real1, '<h1>Director</h1>']));
  }
  for (const { realServers } of await lab.list()) {
    assert.deepEqual(realServers.map(({ state, share }) => [state, share]).sort(), [
      ['local', 0.5],
      ['up', 0.5],
    ]);
    assert.ok(realServers.every(({ packets }) => packets > 0));
  }
});

test("VRRP's virtual MAC is the director's while the VIP is on its macvlan (keepalived's use_vmac)", async (context) => {
  const lab = await TestLab.build(context, 'vmac');
  const daemon = await lab.startDirector();
  const director = (...command: string[]): Promise<string> => lab.exec('director', ['ip', ...command]);
  const virtual = '00:00:5e:00:01:33';
  const packets = async (): Promise<number> =>
    (await lab.list()).flatMap(({ realServers }) => realServers).reduce((sum, each) => sum + each.packets, 0);
  const keptBack = async (): Promise<number> =>
    (await lab.list()).reduce((sum, { verdicts }) => sum + (verdicts['not-master'] ?? 0), 0);
  const vips = [
    { vip: VIP4, url: `http://${VIP4}/`, prefix: 32 },
    { vip: VIP6, url: `http://[${VIP6}]/`, prefix: 128 },
  ];
  await director('link', 'add', 'link', NIC, 'name', 'vrrp', 'address', virtual, 'type', 'macvlan', 'mode', 'private');
  await director('link', 'set', 'vrrp', 'up');
  for (const { vip, url, prefix } of vips) {
    // As with a switch that learned the virtual MAC, whoever has the VIP.
    await lab.exec('client', ['ip', 'neigh', 'replace', vip, 'dev', NIC, 'lladdr', virtual, 'nud', 'permanent']);
    const page = (): Promise<Ended> => execute(lab, 'client', ['curl', '-sS', '--max-time', '1', url]);
    // The daemon hears of the device, and that the VIP of before went, a moment later.
    const nobody = await keptBack();
    await lab.until(
      'the program knows a standby',
      async () => (await page()).status !== 0 && (await keptBack()) > nobody,
    );
    const before = await packets();
    assert.notEqual((await page()).status, 0);
    assert.equal(await packets(), before);

    // The VIP is the host's before the daemon knows of it.
    process.kill(daemon.pid, 'SIGSTOP');
    await director('addr', 'add', `${vip}/${prefix}`, 'dev', 'vrrp', ...(prefix === 128 ? ['nodad'] : []));
    const early = await page();
    process.kill(daemon.pid, 'SIGCONT');
    assert.equal(early.status, CURL_TIMED_OUT, 'the host refuses nobody');
    await lab.until('pages come', async () => (await page()).status === 0);
    assert.deepEqual(new Set(await lab.pages(12, url)), new Set([PAGES.real1, PAGES.real2]));
    assert.ok((await packets()) > before, 'in the program, not in the host');
    await director('addr', 'delete', `${vip}/${prefix}`, 'dev', 'vrrp');
  }
});

test('generic mode forwards too', async (context) => {
  const lab = await TestLab.build(context, 'generic');
  lab.configure(`interfaces: [${NIC}]
mode: generic
services:
  - { address: ${VIP4}, port: 80, realServers: [${REAL.map((host) => hostNamed(host).ipv4).join(', ')}] }
`);
  await lab.startDirector();
  assert.deepEqual(new Set(await lab.pages(30)), new Set([PAGES.real1, PAGES.real2]));
  assert.equal((await lab.status()).interfaces[0]!.mode, 'generic');
});
