/** The ARP problem in the lab: who answers for a VIP, and real servers that have nothing against it. */

import { type HostName, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { execute, type TestLab } from './lab.js';

export const REAL = ['real1', 'real2'] as const;

/** Takes from a real server what the lab itself sets up: the VIPs, and that it does not answer for them. */
export async function bare(lab: TestLab, host: HostName): Promise<void> {
  await lab.sysctls(host, { 'net/ipv4/conf/all/arp_ignore': '0', 'net/ipv4/conf/all/arp_announce': '0' });
  await lab.exec(host, ['ip', 'address', 'del', `${VIP4}/32`, 'dev', 'lo']);
  await lab.exec(host, ['ip', 'address', 'del', `${VIP6}/128`, 'dev', 'lo']);
}

/** The MACs that answer the client's ARP requests for the VIP. -b: each request goes to all. With -w, -c would count answers. */
export async function answering(lab: TestLab): Promise<Set<string>> {
  const { stdout } = await execute(lab, 'client', ['arping', '-b', '-c', '2', '-I', NIC, VIP4]);
  return new Set(Array.from(stdout.matchAll(/\[([0-9A-Fa-f:]{17})\]/g), ([, mac]) => mac!.toLowerCase()));
}
