/** Unusual packets and settings in the lab: VLANs, several NICs, fragments, ICMP errors, changes of features. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import type { StatsReport } from '../../src/control/index.js';
import { Capture, type HostName, NIC, PAGES, run, VIP4 } from '../../src/lab/index.js';
import { type FrameSummary, summarizeFrame } from '../../src/packet/index.js';
import { Load, TestLab } from '../support/lab.js';

const UDP = fileURLToPath(new URL('../support/udp.js', import.meta.url));
const VLAN_OBJECT = 'dist/test/bpf/vlan.bpf.o';

function config(rest: string): string {
  return `interfaces: [${NIC}]\n${rest}`;
}

async function stats(lab: TestLab): Promise<StatsReport> {
  return await lab.ask('stats', {});
}

/** Attaches one of the programs of test/bpf/vlan.bpf.c to a host's NIC. */
async function filter(lab: TestLab, host: HostName, direction: 'ingress' | 'egress', program: string): Promise<void> {
  const rule = ['bpf', 'direct-action', 'object-file', VLAN_OBJECT, 'program', program];
  await lab.exec(host, ['tc', 'filter', 'add', 'dev', NIC, direction, ...rule]);
}

test('M23: tagged frames for the VIP reach real servers on another VLAN and on no VLAN', async (context) => {
  const lab = await TestLab.build(context, 'vlan');
  for (const host of ['client', 'director', 'real1', 'real2'] as const) {
    // XDP sees tags as bytes of the frame only if the NIC does not remove them.
    await lab.exec(host, ['ethtool', '-K', NIC, 'rxvlan', 'off', 'txvlan', 'off']);
    await lab.exec('switch', ['ethtool', '-K', host, 'rxvlan', 'off', 'txvlan', 'off']);
    await lab.exec(host, ['tc', 'qdisc', 'add', 'dev', NIC, 'clsact']);
  }
  // Nobody tags ARP here, so MACs are configured.
  await lab.exec('client', ['ip', 'neigh', 'replace', VIP4, 'lladdr', '00:50:00:00:04:00', 'dev', NIC]);
  await filter(lab, 'client', 'egress', 'push10');
  await filter(lab, 'real1', 'ingress', 'pop20');
  await filter(lab, 'real2', 'ingress', 'untagged');
  lab.configure(
    // The client's VLAN is neither a real server's nor that of a device.
    config(`vlans: true
services:
  - address: ${VIP4}
    port: 80
    realServers:
      - { address: 192.168.1.31, vlan: 20, mac: '00:50:00:00:01:00' }
      - { address: 192.168.1.32, mac: '00:50:00:00:02:00' }
`),
  );
  await lab.startDirector();
  assert.deepEqual(new Set(await lab.pages(30)), new Set([PAGES.real1, PAGES.real2]));
  assert.deepEqual((await lab.status()).problems, []);

  await context.test(
    'tags that a veth keeps beside its frames are warned of, with the command that fixes it',
    async () => {
      // Only says so: the frames come as the other end sends them.
      await lab.exec('director', ['ethtool', '-K', NIC, 'rxvlan', 'on']);
      assert.deepEqual(new Set(await lab.pages(30)), new Set([PAGES.real1, PAGES.real2]));
      assert.deepEqual((await lab.status()).warnings, []);
      await lab.exec('switch', ['ethtool', '-K', 'director', 'txvlan', 'on']);
      const [warning, ...others] = (await lab.status()).warnings ?? [];
      assert.deepEqual([warning?.code, warning?.interface, warning?.peer], ['VLAN_TAGS_HIDDEN', NIC, 'director']);
      assert.deepEqual(others, []);
      const command = `ip netns exec ${lab.namespace('switch')} ethtool -K director txvlan off`;
      assert.ok(warning!.remedy.includes(`"${command}"`), warning!.remedy);
      await lab.exec('director', command.split(' '));
      assert.deepEqual((await lab.status()).warnings, []);
    },
  );
});

test('M24: a real server behind another NIC of the director gets its packets there', async (context) => {
  const lab = await TestLab.build(context, 'nics');
  const [director, real2] = [lab.namespace('director'), lab.namespace('real2')];
  const cable = ['link', 'add', 'ens4', 'type', 'veth', 'peer', 'name', 'ens4', 'netns', real2];
  await run('ip', ['-n', director, ...cable]);
  for (const [namespace, address] of [
    [director, '192.168.2.21/24'],
    [real2, '192.168.2.32/24'],
  ] as const) {
    await run('ip', ['-n', namespace, 'addr', 'add', address, 'dev', 'ens4']);
    await run('ip', ['-n', namespace, 'link', 'set', 'ens4', 'up']);
  }
  // Frames that XDP redirects into a veth arrive only if the other end has a program too.
  await lab.attachPass('real2', 'ens4');
  // Requests arrive through one NIC, and answers leave through the other.
  await lab.sysctl('real2', 'net/ipv4/conf/all/rp_filter', '0');
  await lab.sysctl('real2', 'net/ipv4/conf/ens4/rp_filter', '0');
  lab.configure(`interfaces: [ens3, ens4]
services:
  - address: ${VIP4}
    port: 80
    realServers: [192.168.1.31, 192.168.2.32]
`);
  await lab.startDirector();
  const { interfaces } = await lab.status();
  assert.deepEqual(
    interfaces.map(({ name, state }) => [name, state]),
    [
      ['ens3', 'attached'],
      ['ens4', 'attached'],
    ],
  );
  assert.deepEqual(new Set(await lab.pages(30)), new Set([PAGES.real1, PAGES.real2]));

  await context.test('without the cable of one real server, the other one gets all flows', async () => {
    await run('ip', ['-n', director, 'link', 'delete', 'ens4']);
    await lab.until('ens4 is missing', async () => (await lab.status()).interfaces[1]!.state === 'missing');
    await lab.until('all pages come from real1', async () => {
      const pages = await lab.pages(8).catch(() => []);
      return pages.length === 8 && pages.every((page) => page === PAGES.real1);
    });
  });
});

/** Starts a UDP server on both real servers, bound to the VIP so that answers come from it. */
async function startUdpServers(lab: TestLab, port: number, delayMs: number): Promise<void> {
  for (const host of ['real1', 'real2'] as const) {
    const ready = join(lab.directory, `udp-${host}-${port}.ready`);
    lab.startProcess(host, `udp-${port}`, [
      process.execPath,
      UDP,
      'serve',
      VIP4,
      String(port),
      host,
      String(delayMs),
      ready,
    ]);
    await lab.until(`${host} listens`, () => existsSync(ready));
  }
}

test('fragments and ICMP errors reach the real server of their flow', async (context) => {
  const lab = await TestLab.build(context, 'udp');
  lab.configure(
    config(`services:
  - { address: ${VIP4}, port: 53, protocol: udp, realServers: [192.168.1.31, 192.168.1.32] }
  - { address: ${VIP4}, port: 54, protocol: udp, realServers: [192.168.1.31, 192.168.1.32] }
`),
  );
  await startUdpServers(lab, 53, 0);
  await startUdpServers(lab, 54, 200);
  const daemon = await lab.startDirector();
  const ask = async (): Promise<void> => {
    const answers = await lab.exec('client', [process.execPath, UDP, 'ask', VIP4, '53', '4000', '20']);
    const lines = answers.trim().split('\n');
    assert.deepEqual(new Set(lines), new Set(['real1 4000', 'real2 4000']));
    assert.equal(lines.length, 20);
  };

  await context.test('datagrams of three fragments arrive whole', async () => {
    await ask();
    const { services } = await stats(lab);
    assert.equal(services[0]!.packets, 60);
  });

  // They have programs of their own, which are there as long as the array of programs is pinned.
  await context.test('so they do without a daemon, and under the next one', async () => {
    await lab.kill(daemon);
    await ask();
    await lab.startDirector();
    await ask();
    const { services } = await stats(lab);
    assert.equal(services[0]!.packets, 180);
  });

  await context.test('"port unreachable" reaches only the real server that had answered', async () => {
    const captures = new Map<HostName, Capture>();
    for (const host of ['real1', 'real2'] as const) {
      captures.set(host, await Capture.start(lab, host, NIC, '(udp and port 54) or icmp'));
    }
    await lab.exec('client', [process.execPath, UDP, 'shout', VIP4, '54', '20', '20']);
    // The last answers are still in flight.
    await sleep(500);
    let errors = 0;
    for (const [host, capture] of captures) {
      const frames = await capture.stop();
      const answered = new Set(
        frames
          .map(summarizeFrame)
          .filter(({ protocol }) => protocol === 'udp')
          .map(clientPort),
      );
      const refused = frames.filter((frame) => summarizeFrame(frame).protocol === 'icmp');
      for (const frame of refused) {
        // The error quotes the answer: IP and ICMP header, then the quoted IP header and ports.
        assert.ok(answered.has((frame[64]! << 8) | frame[65]!), host);
      }
      errors += refused.length;
    }
    // Linux sends a burst of six and then one a second to one host (net.ipv4.icmp_ratelimit).
    assert.ok(errors >= 4, String(errors));
    assert.deepEqual((await stats(lab)).noService, {});
  });

  await context.test('the host answers ping to the VIP', async () => {
    await lab.exec('client', ['ping', '-c', '2', '-i', '0.2', '-W', '2', VIP4]);
    assert.equal((await stats(lab)).noService['icmp'], 2);
    const table = await lab.beeline(['stats', '--reasons']);
    assert.match(table, /^\(none\) +icmp +2$/m);
  });
});

/** Returns the client's port in an answer of a UDP server, or in a request to it. */
function clientPort({ sourcePort, destinationPort }: FrameSummary): number {
  return sourcePort === 54 ? destinationPort! : sourcePort!;
}

test('no packet is lost when the configuration switches features on and off', async (context) => {
  const lab = await TestLab.build(context, 'features');
  const services = (rest: string): string => `services:
  - address: ${VIP4}
    port: 80
${rest}    realServers: [192.168.1.31, 192.168.1.32]
`;
  const variants = [
    services(''),
    `vlans: true\n${services('')}`,
    services('    ttl: decrement\n'),
    `directors: ['00:50:00:00:99:00']\nfragments: false\n${services('')}`,
  ];
  lab.configure(config(variants[0]!));
  await lab.startDirector();
  const load = await Load.start(lab, `http://${VIP4}/`);
  try {
    for (let i = 1; i <= 2 * variants.length; i += 1) {
      lab.configure(config(variants[i % variants.length]!));
      await lab.beeline(['reload']);
    }
  } finally {
    const { failures, requests } = await load.stop();
    assert.deepEqual(failures, []);
    // A busy machine serves only a few.
    assert.ok(requests >= variants.length, String(requests));
  }
});
