/** What the doctor gathers of a host with nothing wrong: a virtual machine of Debian 12, with two CPUs and virtio-net. */

import type { CardFacts, FirewallFacts, HostFacts } from '../../src/doctor/index.js';

export const HOST: HostFacts = {
  at: Date.parse('2026-03-01T12:00:00Z'),
  kernel: '6.1.0-42-amd64',
  node: 'v22.22.0',
  sysctls: {
    'kernel/bpf_stats_enabled': '0',
    'net/core/bpf_jit_enable': '1',
    'net/core/bpf_jit_harden': '0',
    'net/ipv4/ip_forward': '0',
    'net/ipv4/ip_local_port_range': '32768\t60999',
    'net/ipv4/ip_local_reserved_ports': '',
    ...Object.fromEntries(
      [128, 512, 1024].flatMap((value, i) =>
        ['ipv4', 'ipv6'].map((family) => [`net/${family}/neigh/default/gc_thresh${i + 1}`, String(value)]),
      ),
    ),
    ...Object.fromEntries(
      ['all', 'default', 'lo', 'ens3'].flatMap((name) => [
        [`net/ipv4/conf/${name}/arp_ignore`, '0'],
        [`net/ipv4/conf/${name}/rp_filter`, '0'],
        [`net/ipv4/conf/${name}/send_redirects`, '1'],
        [`net/ipv6/conf/${name}/accept_ra`, '1'],
        [`net/ipv6/conf/${name}/disable_ipv6`, '0'],
        [`net/ipv6/conf/${name}/forwarding`, '0'],
      ]),
    ),
  },
  memory: { availableBytes: 1.5 * 2 ** 30, totalBytes: 2 * 2 ** 30 },
  neighbourTables: [
    { family: 4, entries: 6, refused: 0 },
    { family: 6, entries: 4, refused: 0 },
  ],
  defaultRoutes: { 4: ['ens3'], 6: [] },
  stateDisk: { path: '/var/lib/beeline', freeBytes: 2 ** 33, hasFreeFiles: true, isReadOnly: false },
  daemonFiles: { open: 40, most: 524_288 },
  isClockSynchronised: true,
  frequencies: [],
};

export const CARD: CardFacts = {
  name: 'ens3',
  kind: '',
  driver: 'virtio_net',
  cpus: 2,
  programs: [],
  queues: { now: 2, most: 2 },
  ring: { now: 256, most: 256 },
  spread: [],
  interrupts: [
    { number: 37, name: 'virtio2-config', count: 0, cpus: [0] },
    { number: 38, name: 'virtio2-input.0', count: 4661, cpus: [0] },
    { number: 39, name: 'virtio2-output.0', count: 3262, cpus: [0] },
    { number: 40, name: 'virtio2-input.1', count: 4410, cpus: [1] },
    { number: 41, name: 'virtio2-output.1', count: 3011, cpus: [1] },
  ],
  received: 1_000_000,
  missed: 0,
  xdp: { rx_queue_0_xdp_tx: 900_000 },
};

export const FIREWALL: FirewallFacts = { chains: [], conntrack: { count: 12, most: 65_536 } };

/** The host with other kernel parameters. */
export function hostWith(sysctls: Readonly<Record<string, string>>): HostFacts {
  return { ...HOST, sysctls: { ...HOST.sysctls, ...sysctls } };
}
