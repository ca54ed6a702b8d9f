/** What a host has, as its own programs list it: parsed, and compared with steps. Pure. */

import { isDeepStrictEqual } from 'node:util';

import { BeelineError } from '../model/index.js';
import { PACKAGES } from './packages.js';
import { deviceOf, type NftStep, type RuleStep, type Step } from './step.js';

/** An address of an interface. */
export interface HostAddress {
  readonly device: string;
  readonly address: string;
  readonly prefix: number;
  /** Of IPv6: its duplicate was found, or it is not known yet whether there is one. */
  readonly dad?: 'tentative' | 'failed';
}

export interface HostLink {
  readonly device: string;
  readonly up: boolean;
  /** Whether it speaks ARP: no loopback, no tunnel. */
  readonly arp: boolean;
}

export interface NftTable {
  readonly family: string;
  readonly name: string;
  /** The expressions of each rule, in order. */
  readonly rules: readonly (readonly unknown[])[];
}

export interface NftChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
}

/** A file as it is; `undefined`: there is none. A link's text is where it leads. */
export type FileText = string | undefined;

export interface Facts {
  readonly links: readonly HostLink[];
  readonly addresses: readonly HostAddress[];
  /** By the key under /proc/sys; a key that the kernel does not have is missing. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly tables: readonly NftTable[];
  readonly chains: readonly NftChain[];
  /** The lines that begin with "-A", by the tool. */
  readonly rules: Readonly<Record<RuleStep['tool'], readonly string[]>>;
  readonly files: Readonly<Record<string, FileText>>;
}

interface IpJson {
  readonly ifname?: string;
  readonly flags?: readonly string[];
  readonly addr_info?: readonly {
    readonly local?: string;
    readonly prefixlen?: number;
    readonly tentative?: boolean;
    readonly dadfailed?: boolean;
  }[];
}

/** @throws BeelineError `HOST_TOOL` for programs that print no JSON, such as BusyBox's ip */
function parseJson(command: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const [tool = ''] = command.split(' ');
    throw new BeelineError('HOST_TOOL', `"${command}" prints no JSON here`, {
      hint: `Install a newer ${PACKAGES[tool] ?? tool}: BusyBox's is not enough. A real server may do without: "beeline realserver script".`,
      cause: error,
    });
  }
}

/** Parses `ip -j address show`. */
export function parseAddresses(json: string): Pick<Facts, 'links' | 'addresses'> {
  // Old versions print nothing, or empty objects, for what has no addresses.
  const devices = (parseJson('ip -j', json.trim() || '[]') as IpJson[]).flatMap(({ ifname, ...rest }) =>
    ifname === undefined ? [] : [{ ifname, ...rest }],
  );
  return {
    links: devices.map(({ ifname, flags = [] }) => ({
      device: ifname,
      up: flags.includes('UP'),
      arp: !flags.includes('LOOPBACK') && !flags.includes('NOARP') && !flags.includes('POINTOPOINT'),
    })),
    addresses: devices.flatMap(({ ifname, addr_info = [] }) =>
      addr_info.flatMap(({ local, prefixlen, tentative, dadfailed }) =>
        local === undefined || prefixlen === undefined
          ? []
          : [
              {
                device: ifname,
                address: local,
                prefix: prefixlen,
                ...(dadfailed === true
                  ? { dad: 'failed' as const }
                  : tentative === true
                    ? { dad: 'tentative' as const }
                    : {}),
              },
            ],
      ),
    ),
  };
}

/** Parses `ip -j route show`. */
export function parseRoutes(json: string): { readonly dev?: string }[] {
  return parseJson('ip -j', json.trim() || '[]') as { dev?: string }[];
}

interface NftObject {
  readonly table?: { readonly family: string; readonly name: string };
  readonly chain?: {
    readonly family: string;
    readonly table: string;
    readonly name: string;
    readonly hook?: string;
    readonly policy?: string;
  };
  readonly rule?: { readonly family: string; readonly table: string; readonly expr: readonly unknown[] };
}

/** Parses `nft -j list ruleset`. */
export function parseNft(json: string): Pick<Facts, 'tables' | 'chains'> {
  const objects = (parseJson('nft -j', json.trim() || '{}') as { nftables?: NftObject[] }).nftables ?? [];
  const rules = objects.flatMap(({ rule }) => (rule === undefined ? [] : [rule]));
  return {
    tables: objects.flatMap(({ table }) =>
      table === undefined
        ? []
        : [
            {
              family: table.family,
              name: table.name,
              rules: rules
                .filter((rule) => rule.family === table.family && rule.table === table.name)
                .map(({ expr }) => expr),
            },
          ],
    ),
    chains: objects.flatMap(({ chain }) => (chain === undefined ? [] : [chain])),
  };
}

/** Parses `arptables-save`, or `iptables -t nat -S`: the rules. */
export function parseRules(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('-A '));
}

/** A TCP socket that listens, and a UDP socket without a peer, which takes packets of anybody (include/net/tcp_states.h). */
export const LISTENING = { tcp: '0A', udp: '07' } as const;

/** The local addresses and ports of sockets in a state, of /proc/net/tcp, udp and so on (`hex`: bytes in words of the host's order). */
export function parseListeners(
  text: string,
  state: string = LISTENING.tcp,
): { readonly address: string; readonly port: number }[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((cells) => cells[3] === state)
    .map((cells) => {
      const [address = '', port = ''] = cells[1]!.split(':');
      return { address: address.toLowerCase(), port: parseInt(port, 16) };
    });
}

/** Whether two listings of a rule are the same one: programs print the words in an order of their own. */
export function isSameRule(line: string, { chain, rule }: Pick<RuleStep, 'chain' | 'rule'>): boolean {
  const sorted = (words: readonly string[]): string[] =>
    words.map((word) => word.replace(/^"(.*)"$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+)\/32$/, '$1')).sort();
  return isDeepStrictEqual(sorted(line.split(/\s+/)), sorted(['-A', chain, ...rule]));
}

export function tableFor(facts: Facts, { family, table }: NftStep): NftTable | undefined {
  return facts.tables.find((each) => each.family === family && each.name === table);
}

/**
 * Whether a table has nothing but what Beeline may have made, by whatever wish: each of its rules is for the VIP of the table.
 * An older set-up had other ports, or another address of the real server, behind that.
 */
export function isOwnTable({ rules }: NftTable, step: NftStep): boolean {
  const starts = (step.rules as readonly (readonly unknown[])[]).map(([first]) => first);
  return rules.every(([first]) => starts.some((each) => isDeepStrictEqual(first, each)));
}

/** Whether the host is already as the step would make it. */
export function isDone(step: Step, facts: Facts): boolean {
  switch (step.kind) {
    case 'sysctl':
      return step.enough.includes(facts.sysctls[step.key] ?? '');
    case 'address':
      return facts.addresses.some(
        ({ device, address, prefix }) =>
          device === deviceOf(step) && address === step.address && prefix === step.prefix,
      );
    case 'nft':
      return isDeepStrictEqual(tableFor(facts, step)?.rules, step.rules);
    case 'rule':
      return facts.rules[step.tool].some((line) => isSameRule(line, step));
    case 'file':
      return facts.files[step.path] === step.text;
    case 'link':
      return facts.files[step.path] === step.target;
  }
}
