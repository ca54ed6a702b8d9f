/** The lab's network, as in LVS tutorials: its hosts, addresses and setup. Pure. */

import { type IpAddress, type MacAddress, ip, mac } from '../model/index.js';

export type HostName = 'client' | 'director' | 'standby' | 'third' | 'real1' | 'real2';

export interface Host {
  readonly name: HostName;
  readonly mac: MacAddress;
  readonly ipv4: IpAddress;
  readonly ipv6: IpAddress;
}

/** The name of each host's network card. */
export const NIC = 'ens3';
export const VIP4 = ip('192.168.1.100');
export const VIP6 = 'fd00::100';

export const HOSTS: readonly Host[] = [
  { name: 'client', mac: mac('00:50:00:00:03:00'), ipv4: ip('192.168.1.12'), ipv6: ip('fd00::12') },
  { name: 'director', mac: mac('00:50:00:00:04:00'), ipv4: ip('192.168.1.21'), ipv6: ip('fd00::21') },
  { name: 'real1', mac: mac('00:50:00:00:01:00'), ipv4: ip('192.168.1.31'), ipv6: ip('fd00::31') },
  { name: 'real2', mac: mac('00:50:00:00:02:00'), ipv4: ip('192.168.1.32'), ipv6: ip('fd00::32') },
];

/** The second director of a lab for failover. */
export const STANDBY: Host = {
  name: 'standby',
  mac: mac('00:50:00:00:05:00'),
  ipv4: ip('192.168.1.22'),
  ipv6: ip('fd00::22'),
};

/** Another standby beside it. */
const THIRD: Host = {
  name: 'third',
  mac: mac('00:50:00:00:06:00'),
  ipv4: ip('192.168.1.23'),
  ipv6: ip('fd00::23'),
};

/**
 * The hosts of a lab.
 *
 * @param pair two directors, of which keepalived gives the VIPs to one
 * @param third whether there is a third one beside these
 */
export function hostsOf(pair: boolean, third = false): readonly Host[] {
  return pair ? [...HOSTS, STANDBY, ...(third ? [THIRD] : [])] : HOSTS;
}

/** The web servers' pages. */
export const PAGES: Readonly<Partial<Record<HostName, string>>> = {
  real1: '<h1>Real Server 01</h1>',
  real2: '<h1>Real Server 02</h1>',
};

export function hostNamed(name: HostName): Host {
  return hostsOf(true, true).find((host) => host.name === name)!;
}

/** Kernel parameters to set in a namespace, and then lines for `ip -batch` there. */
export interface Setup {
  readonly ip: readonly string[];
  readonly sysctls: Readonly<Record<string, string>>;
}

/** Returns the setup of a host, whose network card was made with its cable. */
export function hostSetup({ name, mac, ipv4, ipv6 }: Host, pair: boolean): Setup {
  const real = name === 'real1' || name === 'real2';
  return {
    ip: [
      'link set lo up',
      `link set ${NIC} address ${mac}`,
      `addr add ${ipv4}/24 dev ${NIC}`,
      `addr add ${ipv6}/64 dev ${NIC} nodad`,
      // Real servers have the VIP without announcing it: /32, since a /24 on lo would make the whole network local.
      ...(real ? [`addr add ${VIP4}/32 dev lo`, `addr add ${VIP6}/128 dev lo nodad`] : []),
      ...(name === 'director' && !pair
        ? [`addr add ${VIP4}/32 dev ${NIC}`, `addr add ${VIP6}/128 dev ${NIC} nodad preferred_lft 0`]
        : []),
      `link set ${NIC} up`,
    ],
    sysctls: {
      [`net/ipv6/conf/${NIC}/accept_ra`]: '0',
      // No other host has these addresses. With detection of duplicates the card's address could be used only after seconds.
      'net/ipv6/conf/all/accept_dad': '0',
      [`net/ipv6/conf/${NIC}/accept_dad`]: '0',
      // "all" and not "lo": the requests arrive on the card.
      ...(real ? { 'net/ipv4/conf/all/arp_ignore': '1', 'net/ipv4/conf/all/arp_announce': '2' } : {}),
    },
  };
}

/** Returns the setup of the switch: a bridge with a port for each host, named after it. */
export function switchSetup(hosts: readonly Host[]): Setup {
  return {
    ip: [
      'link add br0 type bridge mcast_snooping 0',
      'link set br0 up',
      ...hosts.flatMap(({ name }) => [`link set ${name} master br0`, `link set ${name} up`]),
    ],
    sysctls: { 'net/ipv6/conf/all/disable_ipv6': '1' },
  };
}

/** A configuration for the lab's director: the web servers, by IPv4 and IPv6. */
export const LAB_CONFIG = `# The lab's director: two web servers behind one virtual IP.
interfaces: [${NIC}]
services:
  - address: ${VIP4}
    port: 80
    realServers: [${hostNamed('real1').ipv4}, ${hostNamed('real2').ipv4}]
  - address: ${VIP6}
    port: 80
    realServers: ["${hostNamed('real1').ipv6}", "${hostNamed('real2').ipv6}"]
`;
