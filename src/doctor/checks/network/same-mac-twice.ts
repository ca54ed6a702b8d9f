/** Real servers that share a MAC, and addresses for which two MACs answer. */

import { familyOf, type MacAddress } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, RealServerProbe } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { whoIs } from '../../who.js';
import { few, listOf } from '../../words.js';

export const sameMacTwice: Check = {
  name: 'same-mac-twice',
  about: 'two real servers with one MAC, and two MACs for one real server',
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
    for (const mac of each.macs) {
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
  const proxy = macs.map((mac) => whoIs(mac, facts)).find(({ kind }) => kind === 'proxy');
  return {
    check: 'same-mac-twice',
    severity: 'error',
    subject: address,
    text: `${macs.length} MACs answer for real server ${address} on ${name}: ${macs.join(', ')}`,
    evidence: macs.map((mac) => `${address} is-at ${mac}`),
    why:
      proxy === undefined
        ? 'Two hosts have its address, and the director sends to the one that answered last; or one host answers by two interfaces.'
        : `One of them is ${proxy.text}: the director may send to it what is for the real server.`,
    mend:
      proxy === undefined
        ? [
            {
              on: 'real server',
              host: address,
              command: 'ip -br addr on both: take the address off the host that should not have it',
            },
            {
              ...({ on: 'real server', host: address } as const),
              command: 'sysctl -w net.ipv4.conf.all.arp_ignore=1, if one host has both MACs',
            },
          ]
        : [
            {
              on: 'router',
              ...(proxy.address && { host: proxy.address }),
              command: 'sysctl -w net.ipv4.conf.INTERFACE.proxy_arp=0',
            },
          ],
  };
}
