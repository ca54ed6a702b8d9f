/** Nobody answers ARP for a VIP, because this host's settings keep it from doing so: those of a real server, for example. */

import { familyOf, type IpAddress, isInNetwork, vipsOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { HostAddress, NetworkFacts } from '../../facts.js';
import type { HostFacts } from '../../facts-host.js';
import type { Finding } from '../../finding.js';
import { cameFor } from '../../services.js';
import { fixSettings } from './mends.js';

export const arpSilent: Check = {
  name: 'arp-silent',
  about: 'VIPs of this host for which arp_ignore keeps it from answering',
  reads: ['network', 'host'],
  find: ({ director, network, host }) =>
    network === undefined || host === undefined
      ? []
      : vipsOf(director.model).flatMap((vip) =>
          familyOf(vip) === 4 ? findingsOf(vip, network, host, cameFor(vip, director)) : [],
        ),
};

function findingsOf(
  vip: IpAddress,
  network: NetworkFacts,
  { sysctls }: HostFacts,
  came: ReturnType<typeof cameFor>,
): Finding[] {
  const has = network.addresses.filter(({ address }) => address === vip);
  const isUp = (name: string): boolean => network.links.some((link) => link.name === name && link.up);
  // Where hosts of the VIP's own network ask for it. Elsewhere it is routed here, and nobody asks.
  const asked = new Set(
    network.addresses
      .filter(({ address, prefixLength }) => prefixLength < 32 && isInNetwork(vip, address, prefixLength))
      .map((each) => each.interface)
      .filter((name) => name !== 'lo' && isUp(name)),
  );
  // A virtual router's own interface is asked beside the one under it.
  has.filter((each) => isMacvlan(each.interface, network)).forEach((each) => asked.add(each.interface));
  const silent = [...asked].filter((name) => !answers(name, has, arpIgnore(name, sysctls)));
  if (has.length === 0 || asked.size === 0 || silent.length < asked.size) {
    return [];
  }
  const keys = ['all', ...silent].map((name) => `net/ipv4/conf/${name}/arp_ignore`);
  const on = [...new Set(has.map((each) => each.interface))].join(', ');
  const [value] = silent.map((name) => arpIgnore(name, sysctls));
  return [
    {
      check: 'arp-silent',
      // What came without an answer has a route of a router's.
      severity: came.meanwhile > 0 ? 'note' : came.ever > 0 ? 'warning' : 'error',
      subject: vip,
      text: `nobody answers ARP for the VIP ${vip}: it is on ${on}, and arp_ignore is ${value} for ${silent.join(', ')}`,
      evidence: [
        ...keys.flatMap((key) => (sysctls[key] === undefined ? [] : [`/proc/sys/${key}: ${sysctls[key]}`])),
        ...(came.ever > 0
          ? [`packets for it: ${came.ever}, and ${came.meanwhile} of them while the doctor looked`]
          : []),
      ],
      why:
        came.ever > 0
          ? 'Only routers that have a route for it to this host send its packets here: right if that is what is wanted.'
          : 'Clients and routers of its network do not find the director. arp_ignore is for real servers.',
      mend: fixSettings(Object.fromEntries(keys.flatMap((key) => (Number(sysctls[key] ?? 0) === 0 ? [] : [[key, 0]])))),
    },
  ];
}

function isMacvlan(name: string, { links }: NetworkFacts): boolean {
  return links.some((link) => link.name === name && link.kind === 'macvlan' && link.up);
}

/** The stricter of the two settings holds (IN_DEV_MAXCONF). */
export function arpIgnore(name: string, sysctls: HostFacts['sysctls']): number {
  const valueOf = (scope: string): number => Number(sysctls[`net/ipv4/conf/${scope}/arp_ignore`] ?? 0);
  return Math.max(valueOf('all'), valueOf(name));
}

/** Whether an interface answers for an address that this host has (arp_ignore() in net/ipv4/arp.c). */
export function answers(name: string, has: readonly HostAddress[], value: number): boolean {
  switch (value) {
    case 1:
    case 2:
      return has.some((each) => each.interface === name);
    case 3:
      return has.some(({ scope }) => scope !== 'host');
    case 8:
      return false;
    default:
      return true;
  }
}
