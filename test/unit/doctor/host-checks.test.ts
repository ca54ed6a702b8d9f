/** The doctor's checks of this host, on facts: each finds its mistake, and not what looks like it. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { CHECK_PORTS } from '../../../src/doctor/checks/host/check-ports-shared.js';
import { diagnose, type Facts, type Finding, type NetworkFacts } from '../../../src/doctor/index.js';
import { checkPorts } from '../../../src/layout/index.js';
import { ip } from '../../../src/model/index.js';
import { CARD, HOST, hostWith } from '../../support/facts-host.js';
import {
  answer,
  cleanFacts,
  CONFIG,
  directorFacts,
  NETWORK,
  PROBES,
  probesWith,
  REAL1,
  VIP,
} from '../../support/facts.js';

/** What other configurations than the clean facts' lack on the network is not what these tests are about. */
const OF_THE_NETWORK = /^(vip|real-server)-/;

const find = (change: Partial<Facts>): readonly Finding[] =>
  diagnose(cleanFacts(change)).findings.filter(({ check }) => !OF_THE_NETWORK.test(check));
/** "severity check" of each. */
const names = (change: Partial<Facts>): string[] => find(change).map(({ severity, check }) => `${severity} ${check}`);
const commands = (change: Partial<Facts>): string[] => find(change)[0]!.mend.map(({ command }) => command);

/** The VIP is on another interface than its network. */
const withVipOn = (name: string, kind = ''): NetworkFacts => ({
  ...NETWORK,
  links: [...NETWORK.links, { ...NETWORK.links[0]!, name, ifindex: 9, kind }],
  addresses: NETWORK.addresses.map((each) => (each.address === VIP ? { ...each, interface: name } : each)),
});

test("a real server's arp_ignore on the director leaves the VIP on lo without an answer", () => {
  const change = { network: withVipOn('lo'), host: hostWith({ 'net/ipv4/conf/all/arp_ignore': '1' }) };
  const [finding] = find(change);
  assert.deepEqual(names(change), ['error arp-silent']);
  assert.equal(finding!.text, `nobody answers ARP for the VIP ${VIP}: it is on lo, and arp_ignore is 1 for ens3`);
  assert.deepEqual(finding!.mend[0], {
    on: 'director',
    command: 'sysctl -w net.ipv4.conf.all.arp_ignore=0',
    fix: ['sysctl', '-w', 'net.ipv4.conf.all.arp_ignore=0'],
  });
  assert.match(finding!.mend[1]!.command, /^printf '%s\\n' 'net.ipv4.conf.all.arp_ignore=0' >>\/etc\/sysctl.d\//);
});

test('arp_ignore where the VIP is on the interface itself, or a virtual router has it, or nobody asks, is no mistake', () => {
  const strict = hostWith({ 'net/ipv4/conf/all/arp_ignore': '1' });
  assert.deepEqual(names({ host: strict }), []);
  assert.deepEqual(names({ host: hostWith({ 'net/ipv4/conf/all/arp_ignore': '2' }) }), []);
  assert.deepEqual(names({ host: strict, network: withVipOn('vrrp.51', 'macvlan') }), []);
  assert.deepEqual(names({ network: withVipOn('lo') }), []);
  const routed = { ...withVipOn('lo'), addresses: withVipOn('lo').addresses.filter(({ address }) => address === VIP) };
  assert.deepEqual(names({ host: strict, network: routed }), []);
  const standby = { ...NETWORK, addresses: NETWORK.addresses.filter(({ address }) => address !== VIP) };
  assert.deepEqual(names({ host: strict, network: standby }), []);
});

test('arp_ignore 8 answers for nothing, and 3 for addresses of scope host not', () => {
  assert.deepEqual(names({ host: hostWith({ 'net/ipv4/conf/ens3/arp_ignore': '8' }) }), ['error arp-silent']);
  const three = hostWith({ 'net/ipv4/conf/ens3/arp_ignore': '3' });
  assert.deepEqual(names({ host: three }), []);
  const onHost = withVipOn('lo').addresses.map((each) => (each.address === VIP ? { ...each, scope: 'host' } : each));
  assert.deepEqual(names({ host: three, network: { ...NETWORK, addresses: onHost } }), ['error arp-silent']);
});

const CONFIG6 = `interfaces: [ens3]\nservices: [{ address: "fd00::100", port: 80, realServers: ["fd00::31", "fd00::32"] }]\n`;

test('another interface on the network of the VIP answers for it, unless it keeps to its own addresses', () => {
  const link = { ...NETWORK.links[0]!, name: 'ens4', ifindex: 3 };
  const address = { ...NETWORK.addresses[0]!, interface: 'ens4', address: ip('192.168.1.23') };
  const network = { ...NETWORK, links: [...NETWORK.links, link], addresses: [...NETWORK.addresses, address] };
  const [finding] = find({ network });
  assert.deepEqual(names({ network }), ['warning other-interface-answers']);
  assert.equal(finding!.text, `ens4 answers for the VIP ${VIP}, and the director does not use it`);
  assert.equal(finding!.mend[0]!.command, 'sysctl -w net.ipv4.conf.ens4.arp_ignore=1');
  const quiet = [
    { network, host: hostWith({ 'net/ipv4/conf/ens4/arp_ignore': '1' }) },
    { network, host: hostWith({ 'net/ipv4/conf/all/arp_filter': '1' }) },
    { network: { ...network, links: [...NETWORK.links, { ...link, leaves: ['ens3'] }] } },
    { network: { ...network, addresses: [...NETWORK.addresses, { ...address, address: ip('10.0.0.1') }] } },
  ];
  quiet.forEach((each) => {
    assert.deepEqual(names(each), []);
  });
});

test('IPv6 that is off is told if the configuration has IPv6, and no other interface has it', () => {
  const host = hostWith({ 'net/ipv6/conf/ens3/disable_ipv6': '1' });
  const director = directorFacts(CONFIG6);
  assert.deepEqual(names({ director, host }), ['error ipv6-off']);
  assert.deepEqual(names({ host }), []);
  assert.deepEqual(names({ director }), []);
  const address = { interface: 'bond0', address: ip('fd00::21'), prefixLength: 64, duplicate: false, scope: 'global' };
  const network = { ...NETWORK, addresses: [...NETWORK.addresses, address] };
  assert.deepEqual(names({ director, host, network }), []);
});

test('a router of IPv6 that is ignored because this host forwards is told', () => {
  const host = hostWith({ 'net/ipv6/conf/ens3/forwarding': '1' });
  const frame = { interface: 'ens3', at: 5, bytes: new Uint8Array(90) };
  const probes = { ...PROBES, routerAdvertisements: [frame] };
  const only = (change: Partial<Facts>): string[] =>
    names(change).filter((each) => each.endsWith('router-advertisements-ignored'));
  assert.deepEqual(only({ host, probes }), ['warning router-advertisements-ignored']);
  assert.deepEqual(only({ host }), []);
  assert.deepEqual(only({ host: { ...host, defaultRoutes: { 4: [], 6: ['ens3'] } }, probes }), []);
  assert.deepEqual(only({ host: hostWith({ ...host.sysctls, 'net/ipv6/conf/ens3/accept_ra': '2' }), probes }), []);
});

const many = (count: number, extra = ''): string =>
  `interfaces: [ens3]\nservices:\n  - address: ${VIP}\n    port: 80\n    realServers: [${Array.from({ length: count }, (_, i) => `{ address: 10.0.${i >> 8}.${i & 255}${extra} }`).join(', ')}]\n`;

test('more real servers than the kernel remembers neighbours are an error, and more than it keeps a warning', () => {
  const of = (count: number, extra?: string): string[] => names({ director: directorFacts(many(count, extra)) });
  assert.deepEqual(of(1_100), ['error neighbours-too-many']);
  assert.deepEqual(of(600), ['warning neighbours-too-many']);
  assert.deepEqual(of(500), []);
  // Those with a MAC need no entry.
  assert.deepEqual(of(1_100, ', mac: 02:00:00:00:00:01'), []);
  assert.equal(
    commands({ director: directorFacts(many(1_100)) })[0],
    'sysctl -w net.ipv4.neigh.default.gc_thresh1=1024 net.ipv4.neigh.default.gc_thresh2=4096 net.ipv4.neigh.default.gc_thresh3=8192',
  );
});

test('a table of neighbours that is or was full is told, whoever filled it', () => {
  const table = (change: object): string[] =>
    names({ host: { ...HOST, neighbourTables: [{ family: 6, entries: 10, refused: 0, ...change }] } });
  assert.deepEqual(table({ entries: 1_000 }), ['warning neighbours-too-many']);
  assert.deepEqual(table({ refused: 3 }), ['warning neighbours-too-many']);
  assert.deepEqual(table({ entries: 400 }), []);
});

const CHECKED = `${CONFIG}    health: { checks: [tcp] }\n`;

test('ports of checks that the kernel gives to others are told, and a mend keeps what others reserved', () => {
  const director = directorFacts(CHECKED);
  const wide = { 'net/ipv4/ip_local_port_range': '1024\t65535' };
  assert.deepEqual(names({ director, host: hostWith(wide) }), ['warning check-ports-shared']);
  const host = hostWith({ ...wide, 'net/ipv4/ip_local_reserved_ports': '8080,61000-62000' });
  assert.equal(
    commands({ director, host })[0],
    'sysctl -w net.ipv4.ip_local_reserved_ports=8080,61000-62000,61000-65095',
  );
  const reserved = { ...wide, 'net/ipv4/ip_local_reserved_ports': '61000-63000,63001-65095' };
  assert.deepEqual(names({ director, host: hostWith(reserved) }), []);
  assert.deepEqual(names({ director }), []);
  assert.deepEqual(names({ host: hostWith(wide) }), []);
  const moved = directorFacts(`health: { ports: 20000-21000 }\n${CHECKED}`);
  assert.deepEqual(names({ director: moved }), []);
});

test("the ports of checks are the data path's", () => {
  assert.deepEqual(CHECK_PORTS, {
    first: checkPorts['first-port'],
    last: checkPorts['first-port'] + checkPorts.ports - 1,
  });
});

test('connection tracking that is full is an error, nearly full a warning', () => {
  const of = (count: number): string[] => names({ firewall: { chains: [], conntrack: { count, most: 1000 } } });
  assert.deepEqual(of(1000), ['error conntrack-full']);
  assert.deepEqual(of(900), ['warning conntrack-full']);
  assert.deepEqual(of(890), []);
  assert.deepEqual(names({ firewall: { chains: [] } }), []);
});

test('br_netfilter is told if the director is on a bridge', () => {
  const host = hostWith({ 'net/bridge/bridge-nf-call-iptables': '1' });
  const network = { ...NETWORK, links: [{ ...NETWORK.links[0]!, kind: 'bridge' }] };
  assert.deepEqual(names({ host, network }), ['warning bridge-filtered']);
  assert.deepEqual(names({ host }), []);
  assert.deepEqual(names({ network }), []);
});

test('a strict rp_filter is told only where the director itself is a real server, and the way back another interface', () => {
  const strict = { ...hostWith({ 'net/ipv4/conf/all/rp_filter': '1' }), defaultRoutes: { 4: ['ens4'], 6: [] } };
  const local = directorFacts(CONFIG.replace('192.168.1.32', '127.0.0.1'));
  const only = (change: Partial<Facts>): string[] => names(change).filter((each) => each.includes('reverse-filter'));
  assert.deepEqual(only({ director: local, host: strict }), ['warning reverse-filter']);
  assert.deepEqual(only({ host: strict }), []);
  assert.deepEqual(only({ director: local, host: { ...strict, defaultRoutes: { 4: ['ens3'], 6: [] } } }), []);
  const loose = { ...strict, sysctls: { ...strict.sysctls, 'net/ipv4/conf/ens3/rp_filter': '2' } };
  assert.deepEqual(only({ director: local, host: loose }), []);
});

test('redirects are told if a real server has this host as its gateway', () => {
  const host = hostWith({ 'net/ipv4/ip_forward': '1' });
  const probes = probesWith(REAL1.address, { offLink: answer(REAL1) });
  const only = (change: Partial<Facts>): string[] => names(change).filter((each) => each.includes('redirects-sent'));
  assert.deepEqual(only({ host, probes }), ['warning redirects-sent']);
  assert.deepEqual(only({ host }), []);
  assert.deepEqual(only({ probes }), []);
  const off = { 'net/ipv4/conf/all/send_redirects': '0', 'net/ipv4/conf/ens3/send_redirects': '0' };
  assert.deepEqual(only({ host: hostWith({ ...host.sysctls, ...off }), probes }), []);
});

test('kernels before 6.1 are told', () => {
  const of = (kernel: string): string[] => names({ host: { ...HOST, kernel } });
  assert.deepEqual(of('5.10.0-30-amd64'), ['error kernel-old']);
  assert.deepEqual(of('6.0.9'), ['error kernel-old']);
  assert.deepEqual(of('6.1.0'), []);
  assert.deepEqual(of('7.0-rc1'), []);
});

test('a line of Node.js is told from the day of its end on', () => {
  const of = (node: string, day: string): string[] => names({ host: { ...HOST, node, at: Date.parse(day) } });
  assert.deepEqual(of('v20.20.2', '2026-05-01'), ['note node-old']);
  assert.deepEqual(of('v20.20.2', '2026-04-01'), []);
  assert.deepEqual(of('v22.1.0', '2026-05-01'), []);
  assert.deepEqual(of('v99.0.0', '2040-01-01'), []);
});

test('BPF without a compiler is a warning; hardening, which somebody wanted, is not mended', () => {
  assert.deepEqual(names({ host: hostWith({ 'net/core/bpf_jit_enable': '0' }) }), ['warning bpf-slow']);
  assert.deepEqual(names({ host: hostWith({ 'kernel/bpf_stats_enabled': '1' }) }), ['note bpf-slow']);
  const [hardened] = find({ host: hostWith({ 'net/core/bpf_jit_harden': '2' }) });
  assert.equal(hardened?.mend[0]?.fix, undefined);
  assert.deepEqual(names({ host: hostWith({ 'net/core/bpf_jit_harden': '1' }) }), []);
});

test('powersave is told of drivers that stay slow by it', () => {
  const of = (driver: string, governor: string): string[] =>
    names({ host: { ...HOST, frequencies: [{ driver, governor }] } });
  assert.deepEqual(of('acpi-cpufreq', 'powersave'), ['note cpu-slow']);
  assert.deepEqual(of('intel_pstate', 'powersave'), []);
  assert.deepEqual(of('amd-pstate-epp', 'powersave'), []);
  assert.deepEqual(of('acpi-cpufreq', 'schedutil'), []);
});

test('a daemon near its limit of files is told', () => {
  assert.deepEqual(names({ host: { ...HOST, daemonFiles: { open: 820, most: 1024 } } }), ['warning open-files-few']);
  assert.deepEqual(names({ host: { ...HOST, daemonFiles: { open: 300, most: 1024 } } }), []);
});

test('memory is told before a start if the tables do not fit, and later if there is nearly none', () => {
  const memory = (mb: number): HostFactsMemory => ({ availableBytes: mb * 2 ** 20, totalBytes: 4096 * 2 ** 20 });
  assert.deepEqual(names({ host: { ...HOST, memory: memory(100) } }), ['warning memory-short']);
  assert.deepEqual(names({ host: { ...HOST, memory: memory(200) } }), []);
  const large = directorFacts(`flows: { ipv4: 16777216 }\n${CONFIG}`);
  assert.deepEqual(names({ director: large, host: { ...HOST, memory: memory(300) } }), ['warning memory-short']);
  const running = { ...directorFacts(), source: 'maps' as const };
  assert.deepEqual(names({ director: running, host: { ...HOST, memory: memory(140) } }), []);
  assert.deepEqual(names({ director: running, host: { ...HOST, memory: memory(50) } }), ['warning memory-short']);
});

type HostFactsMemory = NonNullable<typeof HOST.memory>;

test('a disk that cannot keep the state is told', () => {
  const of = (change: object): string[] => names({ host: { ...HOST, stateDisk: { ...HOST.stateDisk!, ...change } } });
  assert.deepEqual(of({ isReadOnly: true }), ['warning state-disk']);
  assert.deepEqual(of({ hasFreeFiles: false }), ['warning state-disk']);
  assert.deepEqual(of({ freeBytes: 4096 }), ['warning state-disk']);
  assert.deepEqual(of({ freeBytes: 2 ** 26 }), []);
});

test('changes that were not saved for a day are told; those of today, and none, are not', () => {
  const status = (changes: number, changedSince: string): Facts['director'] => ({
    ...directorFacts(),
    status: { changes, changedSince, interfaces: [], problems: [] } as unknown as NonNullable<
      Facts['director']['status']
    >,
  });
  assert.deepEqual(names({ director: status(3, '2026-02-27T12:00:00Z') }), ['warning unsaved-changes']);
  assert.deepEqual(names({ director: status(3, '2026-03-01T02:00:00Z') }), []);
  assert.deepEqual(names({ director: status(0, '2026-02-27T12:00:00Z') }), []);
});

test('a clock that follows none is a note; one of which nothing is known is not', () => {
  assert.deepEqual(names({ host: { ...HOST, isClockSynchronised: false } }), ['note clock-free']);
  assert.deepEqual(names({ host: { ...HOST, isClockSynchronised: undefined } }), []);
});

const inMode = (mode: 'native' | 'generic', config: string): Facts['director'] => ({
  ...directorFacts(config),
  status: {
    interfaces: [{ name: 'ens3', state: 'attached', mode, reason: 'the driver of ens3 refuses native XDP' }],
    problems: [],
  } as unknown as NonNullable<Facts['director']['status']>,
});

test('generic mode that nobody asked for is told, with the reason of the driver', () => {
  const [finding] = find({ director: inMode('generic', `mode: auto\n${CONFIG}`) });
  assert.equal(finding?.check, 'generic-mode');
  assert.match(finding.text, /its driver virtio_net refused native mode/);
  assert.deepEqual(finding.evidence, ['the driver of ens3 refuses native XDP']);
  assert.deepEqual(names({ director: inMode('generic', `mode: generic\n${CONFIG}`) }), []);
  assert.deepEqual(names({ director: inMode('native', `mode: auto\n${CONFIG}`) }), []);
});

test("another's XDP program is told before a start; of a director that runs the status tells", () => {
  const cards = [{ ...CARD, programs: [{ id: 7, name: 'xdp_pass', mode: 'native' }] }];
  assert.deepEqual(names({ cards }), ['warning xdp-foreign']);
  assert.deepEqual(names({ cards, director: { ...directorFacts(), source: 'maps' } }), []);
  const under = [{ ...cards[0]!, name: 'ens9' }];
  assert.deepEqual(names({ cards: under }), []);
});

test('frames that were missed are told, and a longer ring if the card has one; a few are not', () => {
  const card = { ...CARD, missed: 5_000, ring: { now: 256, most: 4096 } };
  assert.deepEqual(names({ cards: [card] }), ['warning frames-lost']);
  assert.deepEqual(commands({ cards: [card] }), ['ethtool -G ens3 rx 4096']);
  assert.deepEqual(names({ cards: [{ ...card, missed: 90 }] }), []);
  assert.deepEqual(names({ cards: [{ ...card, received: 1e9 }] }), []);
});

test('forwarded frames that were not sent are told by whatever name drivers have for them', () => {
  const of = (xdp: Readonly<Record<string, number>>): string[] => names({ cards: [{ ...CARD, xdp }] });
  assert.deepEqual(of({ rx_queue_0_xdp_tx: 900_000, rx_queue_1_xdp_tx_errors: 900 }), ['warning frames-lost']);
  assert.deepEqual(of({ rx_xdp_tx_xmit: 900_000, rx_xdp_tx_full: 900 }), ['warning frames-lost']);
  assert.deepEqual(of({ rx_queue_0_xdp_tx: 10, tx_queue_0_xdp_tx_drops: 900 }), ['error frames-lost']);
  assert.deepEqual(of({ rx_queue_0_xdp_tx: 900_000, rx_queue_0_xdp_drops: 900 }), []);
  assert.deepEqual(of({ rx_queue_0_xdp_tx: 900_000, rx_queue_0_xdp_tx_errors: 9 }), []);
});

test('too few queues are told where CPUs and card have more, and the driver needs none of them for sending', () => {
  const of = (driver: string, now: number, most: number, cpus: number, kind = ''): string[] =>
    names({ cards: [{ ...CARD, driver, kind, cpus, queues: { now, most }, interrupts: [] }] });
  assert.deepEqual(of('ixgbe', 1, 63, 8), ['warning queues-few']);
  assert.deepEqual(of('ixgbe', 8, 63, 8), []);
  assert.deepEqual(of('ixgbe', 5, 8, 8), []);
  assert.deepEqual(of('ixgbe', 1, 1, 8), []);
  assert.deepEqual(of('virtio_net', 1, 2, 2), []);
  assert.deepEqual(of('virtio_net', 1, 16, 8), ['warning queues-few']);
  assert.deepEqual(of('ena', 4, 8, 8), []);
  assert.deepEqual(of('ena', 2, 8, 8), ['warning queues-few']);
  assert.deepEqual(of('veth', 1, 8, 8, 'veth'), []);
});

test('a hash that leaves queues out is told', () => {
  const of = (spread: readonly number[]): string[] => names({ cards: [{ ...CARD, spread }] });
  assert.deepEqual(of([0, 0, 0, 0]), ['warning spread-uneven']);
  assert.deepEqual(of([0, 1, 0, 1]), []);
  assert.deepEqual(of([]), []);
});

test('interrupts that all go to one CPU are told; of one queue, or spread, they are not', () => {
  const on = (...cpus: number[]): readonly Finding[] =>
    find({
      cards: [
        {
          ...CARD,
          interrupts: cpus.map((cpu, i) => ({ number: 50 + i, name: `ens3-TxRx-${i}`, count: 9, cpus: [cpu] })),
        },
      ],
    });
  const [finding] = on(0, 0);
  assert.equal(finding?.check, 'interrupts-together');
  assert.equal(
    finding.mend[0]?.command,
    'echo 0 >/proc/irq/50/smp_affinity_list; echo 1 >/proc/irq/51/smp_affinity_list',
  );
  assert.deepEqual(on(0, 1), []);
  assert.deepEqual(on(1), []);
  assert.deepEqual(names({ cards: [{ ...CARD, interrupts: CARD.interrupts.slice(0, 3) }] }), []);
});
