/** Real servers that share a MAC, and addresses for which two MACs answer. */

import { familyOf, type IpAddress, type MacAddress } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, RealServerProbe } from '../../facts.js';
import type { Finding, Mend } from '../../finding.js';
import { whoIs } from '../../who.js';
import { few, listOf } from '../../words.js';

export const sameMacTwice: Check = {
  name: 'same-mac-twice',
  about: 'two real servers with one MAC, and two MACs for one real server',
  reads: ['network', 'probes'],
  find: (facts) => {
    const { realServers = [] } = facts.probes ?? {};
    return [
      ...few(sharedBy(realServers), 'MACs'),
      ...few(
        realServers.filter(({ macs }) => macs.length > 1).map((each) => conflictOf(each, facts)),
        'real servers',
      ),
    ];
  },
};

/** A host may have an address of each family: only those of one family are two real servers. */
function sharedBy(realServers: readonly RealServerProbe[]): Finding[] {
  const groups = new Map<string, { readonly mac: MacAddress; readonly of: RealServerProbe[] }>();
  for (const each of realServers) {
    const [mac, ...more] = each.macs;
    // For whom several answer is told as such.
    if (mac !== undefined && more.length === 0) {
      const key = `${familyOf(each.address)} ${each.interface} ${mac}`;
      const group = groups.get(key) ?? { mac, of: [] };
      group.of.push(each);
      groups.set(key, group);
    }
  }
  return [...groups.values()].filter(({ of }) => of.length > 1).map(({ mac, of }) => sharedOf(mac, of));
}

function sharedOf(mac: MacAddress, of: readonly RealServerProbe[]): Finding {
  const addresses = of.map(({ address }) => address);
  return {
    check: 'same-mac-twice',
    severity: 'warning',
    subject: mac,
    text: `real servers ${listOf(addresses)} have one MAC, ${mac}`,
    evidence: addresses.slice(0, 3).map((address) => `${address} is-at ${mac}`),
    why:
      'They are one host, which gets the share of all of them and takes all of them down with it; or a host that answers for ' +
      'others; or copies of one machine, between which the switch cannot tell.',
    mend: [
      {
        on: 'real server',
        host: addresses[0]!,
        command: 'ip -br link; ip -br addr: give a copied machine a MAC of its own',
      },
      { on: 'configuration', command: 'name one host once, with the sum of the weights' },
    ],
  };
}

function conflictOf({ address, interface: name, macs }: RealServerProbe, facts: Facts): Finding {
  const { realServers = [] } = facts.probes ?? {};
  const hosts = macs.map((mac) => ({
    mac,
    who: whoIs(mac, facts),
    other: realServers.find((each) => each.address !== address && each.macs.length === 1 && each.macs[0] === mac),
  }));
  const proxy = hosts.find(({ who }) => who.kind === 'proxy')?.who;
  const other = hosts.find((each) => each.other !== undefined)?.other?.address;
  return {
    check: 'same-mac-twice',
    severity: 'error',
    subject: address,
    text: `${macs.length} MACs answer for real server ${address} on ${name}: ${macs.join(', ')}`,
    evidence: hosts.map(
      (each) =>
        `${address} is-at ${each.mac}${each.other === undefined ? '' : `, which is real server ${each.other.address}`}`,
    ),
    why:
      proxy !== undefined
        ? `One of them is ${proxy.text}: the director may send to it what is for the real server.`
        : other !== undefined
          ? `Real server ${other} has its address as well, or answers for others: the director sends to the one that answered last.`
          : 'Two hosts have its address, and the director sends to the one that answered last; or one host answers by two interfaces.',
    mend:
      proxy !== undefined
        ? quietProxy(address, proxy.address)
        : other !== undefined
          ? mendsOn(other, address)
          : [
              {
                on: 'real server',
                host: address,
                command: 'ip -br addr on both: take the address off the host that should not have it',
              },
              {
                ...({ on: 'real server', host: address } as const),
                command: 'sysctl -w net.ipv4.conf.all.arp_ignore=1, if one host has both MACs',
              },
            ],
  };
}

/** Of a host that answers for others. */
function quietProxy(address: IpAddress, host: IpAddress | undefined): Mend[] {
  return [{ on: 'router', ...(host && { host }), command: noProxy(address) }];
}

function mendsOn(host: IpAddress, address: IpAddress): Mend[] {
  return [
    { on: 'real server', host, command: `ip -br addr show to ${address}: take it off, if it is there` },
    { on: 'real server', host, command: `else, it answers for others: ${noProxy(address)}` },
  ];
}

function noProxy(address: IpAddress): string {
  return familyOf(address) === 4
    ? 'sysctl -w net.ipv4.conf.INTERFACE.proxy_arp=0 net.ipv4.conf.INTERFACE.proxy_arp_pvlan=0'
    : 'sysctl -w net.ipv6.conf.all.proxy_ndp=0';
}
