/** Containers behind a bridge of the director's host as clients of its VIPs (`clientBridges`). */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { hostNamed, inNamespace, NIC, PAGES, VIP4, VIP6 } from '../../src/lab/index.js';
import type { Talked } from '../support/host-client.js';
import { TestLab } from '../support/lab.js';

const CLIENT = fileURLToPath(new URL('../support/host-client.js', import.meta.url));
const ECHO = fileURLToPath(new URL('../support/echo-server.js', import.meta.url));
const [DIRECTOR, REAL1, REAL2] = [hostNamed('director'), hostNamed('real1'), hostNamed('real2')];
const BRIDGE = 'br-guests';
const ECHO_PORT = 5300;
const [BOTH, BOTH6] = [`[${REAL1.ipv4}, ${REAL2.ipv4}]`, `['${REAL1.ipv6}', '${REAL2.ipv6}']`];
const SERVICES = [
  `address: ${VIP4}, port: 80, realServers: ${BOTH}`,
  `address: '${VIP6}', port: 80, realServers: ${BOTH6}`,
  `address: ${VIP4}, port: ${ECHO_PORT}, realServers: ${BOTH}`,
  `address: ${VIP4}, port: ${ECHO_PORT}, protocol: udp, scheduler: rr, realServers: ${BOTH}`,
  `address: '${VIP6}', port: ${ECHO_PORT}, protocol: udp, realServers: ${BOTH6}`,
];

function config(settings: string, services: readonly string[] = SERVICES): string {
  return `interfaces: [${NIC}]\n${settings}services:\n${services.map((each) => `  - { ${each} }\n`).join('')}`;
}

/** A container as Docker makes it: a network of its own at a bridge, whose packets to elsewhere are masqueraded. */
class Container {
  readonly #lab: TestLab;
  readonly #enter: readonly string[];

  private constructor(lab: TestLab, enter: readonly string[]) {
    this.#lab = lab;
    this.#enter = enter;
  }

  static async build(lab: TestLab): Promise<Container> {
    const on = (command: string): Promise<string> => lab.exec('director', command.split(' '));
    await on(`ip link add ${BRIDGE} type bridge`);
    await on(`ip addr add 172.30.0.1/24 dev ${BRIDGE}`);
    await on(`ip addr add fd30::1/64 dev ${BRIDGE} nodad`);
    await on(`ip link set ${BRIDGE} up`);
    const { pid } = lab.startProcess('director', 'container', ['unshare', '--net', 'sleep', '600']);
    const network = (of: number | 'self'): string => readlinkSync(`/proc/${of}/ns/net`);
    const directors = await lab.exec('director', ['readlink', '/proc/self/ns/net']);
    await lab.until('the container has its network', () => ![network('self'), directors.trim()].includes(network(pid)));
    const enter = ['nsenter', `--net=/proc/${pid}/ns/net`];
    await on(`ip link add guest0 type veth peer name eth0 netns ${pid}`);
    await on(`ip link set guest0 master ${BRIDGE} up`);
    for (const command of [
      'ip link set lo up',
      'ip addr add 172.30.0.2/24 dev eth0',
      'ip addr add fd30::2/64 dev eth0 nodad',
      'ip link set eth0 up',
      'ip route add default via 172.30.0.1',
      'ip route add default via fd30::1',
    ]) {
      await lab.exec('director', [...enter, ...command.split(' ')]);
    }
    const masquerade = `table inet guests {
chain out {
type nat hook postrouting priority srcnat;
ip saddr 172.30.0.0/24 oifname != "${BRIDGE}" masquerade;
ip6 saddr fd30::/64 oifname != "${BRIDGE}" masquerade;
}
}
`;
    await lab.exec('director', ['nft', masquerade]);
    await lab.sysctl('director', 'net/ipv6/conf/all/forwarding', '1');
    return new Container(lab, enter);
  }

  command(...args: (string | number)[]): string[] {
    return [...this.#enter, process.execPath, CLIENT, ...args.map(String)];
  }

  async talk(...args: (string | number)[]): Promise<Talked[]> {
    return JSON.parse(await this.#lab.exec('director', this.command(...args))) as Talked[];
  }
}

const errorsOf = (talked: readonly Talked[]): string[] => talked.flatMap(({ error }) => error ?? []);

/** A connection of a container that echoes. */
function hold(context: TestContext, lab: TestLab, container: Container): (text: string) => Promise<void> {
  const [file, args] = inNamespace(lab.namespace('director'), container.command('hold', VIP4, ECHO_PORT));
  const held = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  context.after(() => held.kill());
  return async (text) => {
    held.stdin.write(text);
    const [data] = (await once(held.stdout, 'data', { signal: AbortSignal.timeout(5_000) })) as [Buffer];
    assert.equal(data.toString(), text);
  };
}

test('containers behind a bridge are clients as the host is, and what is no service is as before', async (context) => {
  const lab = await TestLab.build(context, 'bridges');
  for (const host of ['real1', 'real2'] as const) {
    lab.startProcess(host, `echo-${host}`, [process.execPath, ECHO, host, String(ECHO_PORT), VIP4, VIP6]);
  }
  const container = await Container.build(lab);
  await lab.sysctl('director', 'net/ipv4/ip_forward', '0');
  lab.configure(config(`hostClients: true\nclientBridges: [${BRIDGE}, br-missing, lo]\n`));
  const daemon = await lab.startDirector();
  await lab.until("the host's connections are led", async () => (await lab.status()).hostClients !== undefined);
  assert.deepEqual((await lab.status()).problems, [
    'containers of br-missing do not reach the VIPs: there is no such interface',
    'containers of lo do not reach the VIPs: it is no bridge',
    `containers of ${BRIDGE} do not reach the IPv4 VIPs: this host does not forward packets (sysctl net.ipv4.ip_forward)`,
  ]);
  assert.doesNotMatch(await lab.exec('director', ['bpftool', 'net', 'show', 'dev', 'lo']), /tcx|clsact/);
  await lab.sysctl('director', 'net/ipv4/ip_forward', '1');
  const settings = `hostClients: true\nclientBridges: [${BRIDGE}]\n`;
  lab.configure(config(settings));
  await lab.beeline(['reload']);
  assert.deepEqual((await lab.status()).problems, []);
  assert.match(
    await lab.beeline(['status']),
    new RegExp(`this host +reaches its VIPs .*; so do containers of ${BRIDGE}\n`),
  );

  for (const vip of [VIP4, VIP6]) {
    const web = await container.talk('tcp', vip, 80, 20);
    assert.deepEqual(errorsOf(web), [], vip);
    const answers = new Set(web.map(({ reply, peer }) => `${reply} ${peer}`));
    assert.deepEqual(answers, new Set([PAGES.real1, PAGES.real2].map((page) => `${page} ${vip}`)));
    // The longer one and its answer go in fragments.
    for (const length of [10, 3_000]) {
      const echoed = await container.talk('udp', vip, ECHO_PORT, 8, 'x'.repeat(length));
      assert.deepEqual(errorsOf(echoed), [], `${vip}, ${length} bytes`);
    }
  }
  const { flows } = await lab.ask('flows', { limit: 100 });
  const clients = new Set(flows.map(({ client }) => String(client)));
  assert.deepEqual(clients, new Set([DIRECTOR.ipv4, DIRECTOR.ipv6]), 'real servers see the host');
  assert.equal((await container.talk('tcp', VIP4, 81, 1))[0]!.error, 'ECONNREFUSED', 'no service: the host answers');

  const echoes = hold(context, lab, container);
  await echoes('before');
  await lab.kill(daemon);
  await echoes('unattended');
  await lab.startDirector();
  await lab.until("the host's connections are led", async () => (await lab.status()).hostClients !== undefined);
  await echoes('adopted');

  lab.configure(config('hostClients: true\n'));
  await lab.beeline(['reload']);
  assert.equal((await container.talk('tcp', VIP4, 80, 1))[0]!.error, 'ECONNREFUSED', 'no client any more');
  lab.configure(config(settings));
  await lab.beeline(['reload']);
  assert.deepEqual(errorsOf(await container.talk('tcp', VIP4, 80, 4)), []);
  // Without masquerading, a real server would answer an address that it cannot reach.
  await lab.exec('director', ['nft', 'delete table inet guests']);
  assert.equal((await container.talk('tcp', VIP6, 80, 1))[0]!.error, 'timeout');
  await lab.beeline(['stop', '--detach']);
  assert.equal((await container.talk('tcp', VIP4, 80, 1))[0]!.error, 'ECONNREFUSED');
});
