/** What a firewall does with a packet, as far as its rules say so: a rule that cannot be judged makes the result unsure. Pure. */

import { isInNetwork, isIp } from '../model/index.js';
import type { FirewallChain, FirewallRule } from './facts-host.js';

export interface ExamplePacket {
  /** Says what it is, for people. */
  readonly text: string;
  readonly family: 'ip' | 'ip6' | 'arp';
  readonly hook: 'input' | 'output';
  /** What is known of it, by the words of nft: "ip saddr", "meta iifname", "ct state". Several: names of the same value. */
  readonly fields: Readonly<Record<string, readonly string[]>>;
}

export interface Drop {
  readonly packet: ExamplePacket;
  readonly chain: FirewallChain;
  /** Undefined: the chain's policy. */
  readonly rule?: FirewallRule | undefined;
}

type Match = 'yes' | 'no' | 'maybe';
type Verdict =
  | { readonly kind: 'accept' | 'unsure' | 'end' }
  | { readonly kind: 'drop'; readonly chain: FirewallChain; readonly rule?: FirewallRule };
type Action =
  | { readonly kind: 'accept' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'return' }
  | { readonly kind: 'queue' }
  | { readonly kind: 'none' }
  | { readonly kind: 'jump' | 'goto'; readonly target: string };

/** The most chains that lead to one another (NFT_JUMP_STACK_SIZE in the kernel). */
const MOST_JUMPS = 16;

/** Returns by which rule a firewall drops a packet for certain; undefined: it does not, or that cannot be said. */
export function dropOf(chains: readonly FirewallChain[], packet: ExamplePacket): Drop | undefined {
  const bases = chains
    .filter(({ family, hook }) => hook === packet.hook && (family === packet.family || isInet(family, packet)))
    .toSorted((a, b) => a.priority - b.priority);
  for (const base of bases) {
    const verdict = judge(chains, base, packet, 0);
    if (verdict.kind === 'drop') {
      return { packet, chain: verdict.chain, rule: verdict.rule };
    }
    if (verdict.kind === 'end' && base.policy === 'drop') {
      return { packet, chain: base };
    }
  }
  return undefined;
}

function isInet(family: string, packet: ExamplePacket): boolean {
  return family === 'inet' && packet.family !== 'arp';
}

/** `end`: no rule decided. */
function judge(chains: readonly FirewallChain[], chain: FirewallChain, packet: ExamplePacket, depth: number): Verdict {
  let isUnsure = depth > MOST_JUMPS;
  for (const rule of chain.rules) {
    const match = matchOf(rule, packet);
    const action = match === 'no' ? ({ kind: 'none' } as const) : actionOf(rule, packet);
    if (action.kind === 'none') {
      continue;
    }
    if (match === 'maybe' || action.kind === 'queue' || isUnsure) {
      // What may be dropped may go on as well: later rules say.
      isUnsure ||= action.kind !== 'drop';
      continue;
    }
    if (action.kind === 'return') {
      return { kind: 'end' };
    }
    if (action.kind === 'accept') {
      return { kind: 'accept' };
    }
    if (action.kind === 'drop') {
      return { kind: 'drop', chain, rule };
    }
    const { target } = action;
    const next = chains.find(
      ({ family, table, name }) => family === chain.family && table === chain.table && name === target,
    );
    const verdict: Verdict = next === undefined ? { kind: 'unsure' } : judge(chains, next, packet, depth + 1);
    if (verdict.kind !== 'end' || action.kind === 'goto') {
      return verdict;
    }
  }
  return { kind: isUnsure ? 'unsure' : 'end' };
}

/** Whether all conditions of a rule hold. */
function matchOf({ expressions }: FirewallRule, packet: ExamplePacket): Match {
  let result: Match = 'yes';
  for (const each of expressions) {
    const match = conditionOf(each, packet);
    if (match === 'no') {
      return 'no';
    }
    result = match === 'maybe' ? 'maybe' : result;
  }
  return result;
}

/** Statements without a condition always "hold". */
const STATEMENTS: readonly string[] = [
  ...['accept', 'comment', 'counter', 'drop', 'goto', 'jump', 'log', 'mangle', 'notrack', 'queue', 'reject', 'return'],
];

function conditionOf(expression: Readonly<Record<string, unknown>>, packet: ExamplePacket): Match {
  const [name = ''] = Object.keys(expression);
  if (name === 'match') {
    const { op, left, right } = expression['match'] as { op: string; left: unknown; right: unknown };
    const match = compareTo(left, right, packet);
    return op === '!=' ? negated(match) : ['==', 'in'].includes(op) ? match : 'maybe';
  }
  if (name === 'vmap') {
    return verdictBy(expression['vmap'], packet) === undefined ? 'maybe' : 'yes';
  }
  if (name === 'xt') {
    const { type, name: module } = expression['xt'] as { type?: string; name?: string };
    // The extensions of iptables: neighbour discovery is no connection's, and has none of the states that rules ask for.
    const isUntracked = packet.fields['ct state']?.includes('untracked') === true;
    return type !== 'match' ? 'yes' : ['conntrack', 'state'].includes(module ?? '') && isUntracked ? 'no' : 'maybe';
  }
  return STATEMENTS.includes(name) ? 'yes' : 'maybe';
}

function actionOf({ expressions }: FirewallRule, packet: ExamplePacket): Action {
  for (const each of expressions) {
    const action = 'vmap' in each ? verdictBy(each['vmap'], packet) : actionBy(each);
    if (action !== undefined && action.kind !== 'none') {
      return action;
    }
  }
  return { kind: 'none' };
}

function actionBy(expression: Readonly<Record<string, unknown>>): Action {
  const [name = ''] = Object.keys(expression);
  switch (name) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'queue':
      return { kind: name };
    case 'reject':
      return { kind: 'drop' };
    case 'jump':
    case 'goto':
      return { kind: name, target: (expression[name] as { target: string }).target };
    case 'xt': {
      const { type, name: target = '' } = expression['xt'] as { type?: string; name?: string };
      const isDrop = type === 'target' && ['DROP', 'REJECT', 'mangle'].includes(target);
      // "mangle" of arptables writes another address into an ARP answer, so that nobody takes it for one.
      return { kind: isDrop ? 'drop' : type === 'target' && target === 'ACCEPT' ? 'accept' : 'none' };
    }
    default:
      return { kind: 'none' };
  }
}

/** What a map of verdicts says; undefined: that is not known. */
function verdictBy(vmap: unknown, packet: ExamplePacket): Action | undefined {
  const { key, data } = vmap as { key: unknown; data: unknown };
  const set = (data as { set?: unknown }).set;
  if (!Array.isArray(set)) {
    return undefined;
  }
  for (const [value, verdict] of set as [unknown, Readonly<Record<string, unknown>>][]) {
    const match = compareTo(key, value, packet);
    if (match !== 'no') {
      return match === 'yes' ? actionBy(verdict) : undefined;
    }
  }
  return { kind: 'none' };
}

const TRANSPORTS: readonly string[] = ['tcp', 'udp', 'udplite', 'sctp', 'dccp', 'icmp', 'icmpv6', 'igmp', 'esp', 'ah'];

/** Compares what a condition looks at with what it wants. */
function compareTo(left: unknown, right: unknown, packet: ExamplePacket): Match {
  const { meta, ct, payload } = (left ?? {}) as {
    meta?: { key?: string };
    ct?: { key?: string };
    payload?: { protocol?: string; field?: string };
  };
  if (payload?.protocol !== undefined) {
    const { protocol } = payload;
    const transports = packet.fields['meta l4proto'];
    const isOther =
      (['ip', 'ip6', 'arp'].includes(protocol) && protocol !== packet.family) ||
      (TRANSPORTS.includes(protocol) && transports?.includes(protocol) === false);
    if (isOther) {
      return 'no';
    }
  }
  const name =
    meta !== undefined
      ? `meta ${meta.key}`
      : ct !== undefined
        ? `ct ${ct.key}`
        : `${payload?.protocol} ${payload?.field}`;
  const known = IMPLIED[packet.family][name] ?? packet.fields[name];
  return known === undefined ? 'maybe' : isAmong(known, right);
}

/** What all packets of a family have. arptables asks for it in every rule. */
export const IMPLIED: Readonly<Record<ExamplePacket['family'], Readonly<Record<string, readonly string[]>>>> = {
  ip: { 'meta nfproto': ['ipv4', '2'], 'meta protocol': ['ip'] },
  ip6: { 'meta nfproto': ['ipv6', '10'], 'meta protocol': ['ip6'] },
  arp: { 'arp htype': ['1'], 'arp ptype': ['ip', '2048'], 'arp hlen': ['6'], 'arp plen': ['4'] },
};

/** Whether a value, by one of its names, is what a condition wants: a value, a set, a network or a range. */
function isAmong(known: readonly string[], wanted: unknown): Match {
  if (typeof wanted === 'string' || typeof wanted === 'number') {
    const text = String(wanted);
    if (text.startsWith('@')) {
      return 'maybe';
    }
    const isSame = (each: string): boolean =>
      text.endsWith('*') ? each.startsWith(text.slice(0, -1)) : each.toLowerCase() === text.toLowerCase();
    return known.some(isSame) ? 'yes' : 'no';
  }
  const { set, prefix, range, elem } = (wanted ?? {}) as {
    set?: unknown;
    prefix?: { addr: string; len: number };
    range?: readonly [unknown, unknown];
    elem?: { val: unknown };
  };
  const members = Array.isArray(wanted) ? (wanted as unknown[]) : Array.isArray(set) ? (set as unknown[]) : undefined;
  if (members !== undefined) {
    const matches = members.map((each) => isAmong(known, each));
    return matches.includes('yes') ? 'yes' : matches.includes('maybe') ? 'maybe' : 'no';
  }
  if (elem !== undefined) {
    return isAmong(known, elem.val);
  }
  if (prefix !== undefined && isIp(prefix.addr)) {
    const { addr, len } = prefix;
    return known.some((each) => isIp(each) && isInNetwork(each, addr, len)) ? 'yes' : 'no';
  }
  if (range !== undefined) {
    const [first, last] = range.map(Number) as [number, number];
    const numbers = known.map(Number).filter((each) => !Number.isNaN(each));
    return Number.isNaN(first + last) || numbers.length === 0
      ? 'maybe'
      : numbers.some((each) => first <= each && each <= last)
        ? 'yes'
        : 'no';
  }
  return 'maybe';
}

function negated(match: Match): Match {
  return match === 'maybe' ? 'maybe' : match === 'yes' ? 'no' : 'yes';
}
