/** The firewall drops what the director lives on: ARP and neighbour discovery, its health checks, VRRP. */

import { allServices, type CheckType, familyOf, type IpAddress, isSelf, vipsOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { DirectorFacts, NetworkFacts } from '../../facts.js';
import type { Finding, Mend } from '../../finding.js';
import { type Drop, dropOf, type ExamplePacket } from '../../firewall.js';
import { ruleText } from '../../firewall-text.js';
import { addressesOfRealServers } from '../../probe/targets.js';
import { CHECK_PORTS } from './check-ports-shared.js';

/** So many addresses are tried: a rule for one of more is rare, and firewalls have thousands of rules. */
const MOST_ADDRESSES = 64;

/** A kind of packets: what of it is tried, what its loss means, and the rule that lets it through. */
interface Need {
  readonly what: string;
  readonly why: string;
  readonly accept: string;
  readonly packets: readonly ExamplePacket[];
}

const ICMPV6 = { 'meta l4proto': ['icmpv6', 'ipv6-icmp', '58'], 'ip6 nexthdr': ['icmpv6', 'ipv6-icmp', '58'] };
const TCP = { 'meta l4proto': ['tcp', '6'], 'ip protocol': ['tcp', '6'], 'ip6 nexthdr': ['tcp', '6'] };
/** Checks of these kinds connect by TCP, to the service's port unless they have one. */
const BY_TCP: readonly CheckType[] = ['tcp', 'http', 'https', 'tls'];
/** conntrack does not follow neighbour discovery. */
const UNTRACKED = { 'ct state': ['untracked'] };

export const firewallDrops: Check = {
  name: 'firewall-drops',
  about: 'rules of nftables, iptables and arptables that drop ARP, neighbour discovery, health checks or VRRP',
  reads: ['network', 'firewall'],
  find: ({ director, network, firewall }) => {
    const chains = firewall?.chains ?? [];
    return network === undefined || chains.length === 0
      ? []
      : needsOf(director, network).flatMap((need) => {
          const drops = need.packets.flatMap((packet) => dropOf(chains, packet) ?? []);
          return drops.length === 0 ? [] : [findingOf(need, drops)];
        });
  },
};

function findingOf({ what, why, accept }: Need, drops: readonly Drop[]): Finding {
  const rules = new Map(drops.map(({ chain, rule }) => [ruleText({ chain, rule }), { chain, rule }]));
  return {
    check: 'firewall-drops',
    severity: 'error',
    subject: what,
    text: `the firewall drops ${drops[0]!.packet.text}${drops.length > 1 ? `, and ${drops.length - 1} more of that kind` : ''}`,
    evidence: [...rules.keys()],
    why,
    mend: [
      ...[...rules.values()].map(({ chain, rule }) => mendOf(chain, rule, accept)),
      {
        on: 'director',
        command: 'the same in what makes the rules at each boot: /etc/nftables.conf, or the program that wrote them',
      },
    ],
  };
}

function mendOf({ family, table, name }: Drop['chain'], rule: Drop['rule'], accept: string): Mend {
  const place = `${family} ${table} ${name}`;
  return {
    on: 'director',
    command:
      rule === undefined
        ? `nft insert rule ${place} ${accept} accept`
        : `nft delete rule ${place} handle ${rule.handle}`,
  };
}

function needsOf({ model }: DirectorFacts, network: NetworkFacts): Need[] {
  const here = new Set(network.addresses.map(({ address }) => address));
  const vips = vipsOf(model).filter((each) => here.has(each));
  const servers = addressesOfRealServers(model).filter((each) => network.routes.get(each)?.kind === 'unicast');
  const nicOf = (address: IpAddress): string => network.routes.get(address)?.interface ?? model.interfaces[0] ?? '';
  const [nic = ''] = model.interfaces;
  const some = (addresses: readonly IpAddress[], family: 4 | 6): IpAddress[] =>
    addresses.filter((each) => familyOf(each) === family).slice(0, MOST_ADDRESSES);
  return [
    {
      what: 'ARP for VIPs',
      why: 'Clients and routers of the network do not find the director.',
      accept: 'arp operation { request, reply }',
      packets: some(vips, 4).flatMap((vip) => arpForVip(vip, nic)),
    },
    {
      what: 'ARP of real servers',
      why: 'The kernel does not learn the MACs of real servers: nothing can be sent to them.',
      accept: 'arp operation { request, reply }',
      packets: some(servers, 4).flatMap((server) => arpOfServer(server, nicOf(server))),
    },
    {
      what: 'neighbour discovery',
      why: 'Without it neither the director finds real servers by IPv6, nor does anybody find the director.',
      accept: 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }',
      packets: [
        ...(some(vips, 6).length > 0 ? discovery(nic) : []),
        ...some(servers, 6).flatMap((server) => discovery(nicOf(server))),
      ],
    },
    {
      what: 'health checks',
      why: 'Checks fail, and take real servers out that work.',
      accept: 'ct state established',
      packets: checked({ model, network, nicOf }),
    },
    {
      what: 'VRRP',
      why: 'This director does not hear the other one: both take the VIPs.',
      accept: 'ip protocol vrrp',
      packets: (model.vrrp?.instances ?? [])
        .filter(({ peers, family }) => peers === undefined && family !== 6)
        .map((each) => advertisement(each.interface)),
    },
  ];
}

/** The request that asks for it, and the answer. */
function arpForVip(vip: IpAddress, nic: string): ExamplePacket[] {
  return [
    {
      text: `ARP requests for the VIP ${vip}`,
      ...{ family: 'arp', hook: 'input' },
      fields: { 'arp daddr ip': [vip], 'arp operation': ['request', '1'], 'meta iifname': [nic], 'meta iif': [nic] },
    },
    {
      text: `ARP answers for the VIP ${vip}`,
      ...{ family: 'arp', hook: 'output' },
      fields: { 'arp saddr ip': [vip], 'arp operation': ['reply', '2'], 'meta oifname': [nic], 'meta oif': [nic] },
    },
  ];
}

function arpOfServer(server: IpAddress, nic: string): ExamplePacket[] {
  return [
    {
      text: `ARP requests for the real server ${server}`,
      ...{ family: 'arp', hook: 'output' },
      fields: { 'arp daddr ip': [server], 'arp operation': ['request', '1'], 'meta oifname': [nic], 'meta oif': [nic] },
    },
    {
      text: `ARP answers of the real server ${server}`,
      ...{ family: 'arp', hook: 'input' },
      fields: { 'arp saddr ip': [server], 'arp operation': ['reply', '2'], 'meta iifname': [nic], 'meta iif': [nic] },
    },
  ];
}

function discovery(nic: string): ExamplePacket[] {
  const of = (name: string, number: string, words: string, hook: 'input' | 'output'): ExamplePacket => ({
    text: `${words} on ${nic}`,
    ...{ family: 'ip6', hook },
    fields: {
      ...{ ...ICMPV6, ...UNTRACKED, 'icmpv6 type': [name, number], 'ip6 hoplimit': ['255'] },
      ...(hook === 'input'
        ? { 'meta iifname': [nic], 'meta iif': [nic] }
        : { 'meta oifname': [nic], 'meta oif': [nic] }),
    },
  });
  return (['input', 'output'] as const).flatMap((hook) => [
    of('nd-neighbor-solicit', '135', 'neighbour solicitations (ICMPv6)', hook),
    of('nd-neighbor-advert', '136', 'neighbour advertisements (ICMPv6)', hook),
  ]);
}

/** For each real server a check by TCP: its SYN, and the answer. */
function checked({
  model,
  network,
  nicOf,
}: {
  readonly model: DirectorFacts['model'];
  readonly network: NetworkFacts;
  readonly nicOf: (address: IpAddress) => string;
}): ExamplePacket[] {
  const local = String((model.health?.ports ?? CHECK_PORTS).first);
  const targets = allServices(model).flatMap(({ destinations, health, ...service }) => {
    const check = (health?.checks ?? []).find(({ type }) => BY_TCP.includes(type));
    return check !== undefined && 'protocol' in service && service.protocol === 'tcp'
      ? destinations.map(({ address }) => ({ address, port: check.port ?? service.port }))
      : [];
  });
  return targets
    .filter(({ address }) => !isSelf(address) && network.routes.get(address)?.kind === 'unicast')
    .slice(0, MOST_ADDRESSES)
    .flatMap(({ address, port }): ExamplePacket[] => {
      const family = familyOf(address) === 4 ? 'ip' : 'ip6';
      const nic = nicOf(address);
      return [
        {
          text: `health checks to the real server ${address}, port ${port}`,
          ...{ family, hook: 'output' },
          fields: {
            ...{ ...TCP, [`${family} daddr`]: [address], 'tcp dport': [String(port)], 'tcp sport': [local] },
            ...{ 'ct state': ['new'], 'meta oifname': [nic], 'meta oif': [nic] },
          },
        },
        {
          text: `answers to health checks from the real server ${address}, port ${port}`,
          ...{ family, hook: 'input' },
          fields: {
            ...{ ...TCP, [`${family} saddr`]: [address], 'tcp sport': [String(port)], 'tcp dport': [local] },
            ...{ 'ct state': ['established'], 'meta iifname': [nic], 'meta iif': [nic] },
          },
        },
      ];
    });
}

function advertisement(nic: string): ExamplePacket {
  return {
    text: `advertisements of VRRP on ${nic}`,
    ...{ family: 'ip', hook: 'input' },
    fields: {
      ...{ 'meta l4proto': ['vrrp', '112'], 'ip protocol': ['vrrp', '112'], 'ip daddr': ['224.0.0.18'] },
      ...{ 'ct state': ['new'], 'meta iifname': [nic], 'meta iif': [nic], 'ip ttl': ['255'] },
    },
  };
}
