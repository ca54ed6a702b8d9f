/** From a wish to the steps that fulfil it, in the order in which they are safe: nothing answers for a VIP at any moment. Pure. */

import { familyOf, type IpAddress } from '../model/index.js';
import { type AddressStep, type NftStep, prefixOf, type RuleStep, type Step, type SysctlStep } from '../steps/index.js';
import { persistFiles } from './persist.js';
import { needsArp, tableOf, type VipWish, type Wish } from './wish.js';

/** Returns the steps: what keeps this host from answering for the VIPs, then the VIPs, then the files for the next boot. */
export function planOf(wish: Wish): Step[] {
  const sysctls = wish.vips.some((each) => needsArp(each) && each.method === 'sysctl') ? SYSCTLS : [];
  const rules = wish.vips.flatMap(rulesOf);
  const addresses = wish.vips.filter(({ method }) => method !== 'redirect').map(({ vip }) => addressStep(vip));
  const steps = [...sysctls, ...rules, ...addresses];
  return [...steps, ...persistFiles(wish, steps)];
}

function sysctl(interfaceName: 'all' | 'lo', name: string, value: string, enough: string[], why: string): SysctlStep {
  const key = `net/ipv4/conf/${interfaceName}/${name}`;
  return { kind: 'sysctl', id: `sysctl ${key}`, key, value, enough, why };
}

/** 2 of arp_ignore is stricter than 1. 3 to 7 answer for addresses of lo, and 8 answers for no address at all. */
const IGNORE = ['1', '2'];

const SYSCTLS: readonly SysctlStep[] = [
  sysctl('all', 'arp_ignore', '1', IGNORE, 'an interface answers ARP only for addresses that it has itself'),
  sysctl('all', 'arp_announce', '2', ['2'], 'ARP requests of this host never name the VIP as their sender'),
  sysctl('lo', 'arp_ignore', '1', IGNORE, 'the same for lo, which has the VIP'),
  sysctl('lo', 'arp_announce', '2', ['2'], 'the same for lo, which has the VIP'),
];

function addressStep(address: IpAddress): AddressStep {
  const why =
    familyOf(address) === 4
      ? 'this host takes packets for the VIP; /32, since a wider prefix on lo would make the network local'
      : 'this host takes packets for the VIP; lo answers no neighbour solicitation, and nodad asks for no duplicate';
  return { kind: 'address', id: `address ${address}`, address, prefix: prefixOf(address), why };
}

function rulesOf(wish: VipWish): Step[] {
  if (wish.method === 'redirect') {
    return wish.tool === 'iptables' ? redirectRules(wish) : [redirectTable(wish)];
  }
  if (!needsArp(wish) || wish.rip === undefined) {
    return [];
  }
  const { vip, rip, method } = wish;
  return method === 'arptables' ? arpRules(vip, rip) : method === 'nft' ? [arpTable(vip, rip)] : [];
}

const DROP_WHY = 'no ARP request for the VIP reaches this host, which therefore answers none';
const MANGLE_WHY = "ARP requests of this host name the real server's address as their sender, and not the VIP";

function rule(tool: RuleStep['tool'], chain: string, words: string[], why: string): RuleStep {
  return { kind: 'rule', id: `${tool} ${chain} ${words.join(' ')}`, tool, chain, rule: words, why };
}

function arpRules(vip: IpAddress, rip: IpAddress): RuleStep[] {
  return [
    rule('arptables', 'INPUT', ['-d', vip, '-j', 'DROP'], DROP_WHY),
    rule('arptables', 'OUTPUT', ['-s', vip, '-j', 'mangle', '--mangle-ip-s', rip], MANGLE_WHY),
  ];
}

const match = (protocol: string, field: string, right: unknown): unknown => ({
  match: { op: '==', left: { payload: { protocol, field } }, right },
});

function arpTable(vip: IpAddress, rip: IpAddress): NftStep {
  const table = tableOf(vip);
  return {
    kind: 'nft',
    id: `nft arp ${table}`,
    family: 'arp',
    table,
    lines: [
      ...chain('input', 'type filter hook input priority 0; policy accept;', [`arp daddr ip ${vip} drop`]),
      ...chain('output', 'type filter hook output priority 0; policy accept;', [
        `arp saddr ip ${vip} arp saddr ip set ${rip}`,
      ]),
    ],
    rules: [
      [match('arp', 'daddr ip', vip), { drop: null }],
      [
        match('arp', 'saddr ip', vip),
        { mangle: { key: { payload: { protocol: 'arp', field: 'saddr ip' } }, value: rip } },
      ],
    ],
    why: `${DROP_WHY}; ${MANGLE_WHY}`,
  };
}

function chain(name: string, hook: string, rules: readonly string[]): string[] {
  return [`  chain ${name} {`, `    ${hook}`, ...rules.map((each) => `    ${each}`), '  }'];
}

const REDIRECT_WHY = 'what is for the VIP goes to an address that this host has: it needs no VIP, and answers for none';
const PROTOCOLS = ['tcp', 'udp'] as const;

function redirectTable({ vip, ports }: VipWish): NftStep {
  const family = familyOf(vip) === 4 ? 'ip' : 'ip6';
  const table = tableOf(vip);
  const each = ports.flatMap((port) => PROTOCOLS.map((protocol) => ({ protocol, port })));
  const toVip = match(family, 'daddr', vip);
  const lines =
    each.length === 0
      ? [`${family} daddr ${vip} redirect`]
      : each.map(({ protocol, port }) => `${family} daddr ${vip} ${protocol} dport ${port} redirect`);
  const rules =
    each.length === 0
      ? [[toVip, { redirect: null }]]
      : each.map(({ protocol, port }) => [toVip, match(protocol, 'dport', port), { redirect: null }]);
  const hook = 'type nat hook prerouting priority -100; policy accept;';
  const id = `nft ${family} ${table}`;
  return { kind: 'nft', id, family, table, lines: chain('prerouting', hook, lines), rules, why: REDIRECT_WHY };
}

function redirectRules({ vip, ports }: VipWish): RuleStep[] {
  const tool = familyOf(vip) === 4 ? 'iptables' : 'ip6tables';
  const to = ['-d', `${vip}/${prefixOf(vip)}`];
  const own = ['-m', 'comment', '--comment', 'beeline-realserver', '-j', 'REDIRECT'];
  if (ports.length === 0) {
    return [rule(tool, 'PREROUTING', [...to, ...own], REDIRECT_WHY)];
  }
  return ports.flatMap((port) =>
    PROTOCOLS.map((protocol) =>
      rule(tool, 'PREROUTING', [...to, '-p', protocol, '-m', protocol, '--dport', String(port), ...own], REDIRECT_WHY),
    ),
  );
}
