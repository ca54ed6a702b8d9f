/** Configurations with VRRP, and the keepalived.conf that each becomes (test/golden/keepalived). */

import { readFileSync } from 'node:fs';

import { parseConfig } from '../../src/config/index.js';
import { type Form, keepalivedConf } from '../../src/fleet/index.js';
import { instanceOf, type Model } from '../../src/model/index.js';

const SERVICES = `services:
  - { address: 192.168.1.100, port: 80, realServers: [192.168.1.31] }
  - { address: 192.168.1.100, port: 443, realServers: [192.168.1.31] }
  - { address: 192.168.1.101, port: 80, realServers: [192.168.1.31] }
`;
const SERVICES6 = "  - { address: 'fd00::100', port: 80, realServers: ['fd00::31'] }\n";

export interface KeepalivedCase {
  readonly name: string;
  readonly vrrp: string;
  readonly services?: string;
  readonly form?: Form;
}

/** All on the interface test60, and test61 for what the directors say to each other. */
export const KEEPALIVED_CASES: readonly KeepalivedCase[] = [
  { name: 'ipv4', vrrp: '{ routerName: lb1, instances: [{ id: 51, priority: 250, interval: 0.1 }] }' },
  {
    name: 'ipv6',
    vrrp: '{ instances: [{ id: 254, priority: 240, preemptDelay: 30 }] }',
    services: `services:\n${SERVICES6}`,
  },
  {
    name: 'both',
    vrrp: '{ instances: [{ id: 51, priority: 250, preempt: false }] }',
    services: SERVICES + SERVICES6,
  },
  {
    name: 'unicast',
    vrrp: '{ instances: [{ id: 51, priority: 250, interface: test61, source: 10.9.0.1, peers: [10.9.0.2, 10.9.0.3] }] }',
  },
  {
    name: 'vmac',
    vrrp: '{ instances: [{ id: 51, priority: 250, vmac: true, source: 192.168.1.4, addresses: [192.168.1.100] }] }',
  },
  {
    name: 'apart',
    vrrp: `{ instances: [
      { id: 51, priority: 250, addresses: [192.168.1.100] },
      { id: 52, priority: 240, addresses: [192.168.1.101] },
      { id: 52, priority: 240, name: six, addresses: ['fe80::7:7', 'fd00::100'] } ] }`,
    services: SERVICES + SERVICES6,
  },
  { name: 'include', vrrp: '{ routerName: lb1, instances: [{ id: 51, priority: 250 }] }', form: 'include' },
];

export function modelOfCase({ vrrp, services = SERVICES }: Pick<KeepalivedCase, 'vrrp' | 'services'>): Model {
  return parseConfig(`interfaces: [test60]\nvrrp: ${vrrp}\n${services}`, 'case');
}

export function confOfCase(each: Omit<KeepalivedCase, 'name'>): string {
  return keepalivedConf(modelOfCase(each), instanceOf('default'), each.form ?? 'whole');
}

export function goldenConf(name: string): string {
  return readFileSync(`test/golden/keepalived/${name}.conf`, 'utf8');
}
