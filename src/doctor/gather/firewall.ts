/** Reads the rules of this host's firewall, and how full its table of connections is. */

import type { FirewallChain, FirewallFacts, FirewallRule } from '../facts-host.js';
import { requirePrinted, textOf } from './programs.js';

interface NftObject {
  readonly chain?: {
    readonly family: string;
    readonly table: string;
    readonly name: string;
    readonly hook?: string;
    readonly prio?: number;
    readonly policy?: string;
  };
  readonly rule?: {
    readonly family: string;
    readonly table: string;
    readonly chain: string;
    readonly handle: number;
    readonly expr?: FirewallRule['expressions'];
  };
}

/** What iptables-legacy and arptables-legacy have made. */
const OLDER = [
  { family: 'ip', names: '/proc/net/ip_tables_names' },
  { family: 'ip6', names: '/proc/net/ip6_tables_names' },
  { family: 'arp', names: '/proc/net/arp_tables_names' },
] as const;

/** @throws ProgramMissing, Error with the message of nft, which only root may ask */
export async function gatherFirewall(): Promise<FirewallFacts> {
  const [count, most] = ['count', 'max'].map((each) => Number(textOf(`/proc/sys/net/netfilter/nf_conntrack_${each}`)));
  return {
    chains: parseRuleset(await requirePrinted('nft', '--json', 'list', 'ruleset')),
    olderTables: OLDER.flatMap(({ family, names }) =>
      (textOf(names) ?? '').split('\n').flatMap((name) => (name === '' ? [] : [`${family} ${name}`])),
    ),
    // Without connection tracking both are missing.
    conntrack: Number.isNaN(count! + most!) ? undefined : { count: count!, most: most! },
  };
}

/** Parses `nft --json list ruleset`. */
export function parseRuleset(json: string): FirewallChain[] {
  const { nftables } = JSON.parse(json) as { readonly nftables: readonly NftObject[] };
  const keyOf = (family: string, table: string, chain: string): string => `${family} ${table} ${chain}`;
  const rules = new Map<string, FirewallRule[]>();
  for (const { rule } of nftables) {
    if (rule !== undefined) {
      const key = keyOf(rule.family, rule.table, rule.chain);
      const before = rules.get(key) ?? [];
      rules.set(key, before);
      before.push({ handle: rule.handle, expressions: rule.expr ?? [] });
    }
  }
  return nftables.flatMap(({ chain }) =>
    chain === undefined
      ? []
      : [
          {
            ...{ family: chain.family, table: chain.table, name: chain.name, hook: chain.hook },
            priority: chain.prio ?? 0,
            policy: chain.policy === 'drop' ? 'drop' : 'accept',
            rules: rules.get(keyOf(chain.family, chain.table, chain.name)) ?? [],
          },
        ],
  );
}
