/** The server behind the VIP: does it listen, and does a firewall let packets through? Pure. */

import { ipBytes, type IpAddress } from '../../model/index.js';
import type { VipWish } from '../wish.js';
import { type CheckFacts, error, type Finding, note, ok, warning } from './finding.js';

const WILDCARDS = ['00000000', '0'.repeat(32)];

export function checkListeners(
  { vip, method }: VipWish,
  ports: readonly number[],
  facts: CheckFacts,
  protocol: 'TCP' | 'UDP' = 'TCP',
): Finding[] {
  const listeners = (protocol === 'TCP' ? facts.listeners : facts.udpListeners) ?? [];
  const what = protocol === 'TCP' ? 'connections' : 'packets';
  return ports.map((port) => {
    const places = listeners.filter((each) => each.port === port).map(({ address }) => address);
    const wanted =
      method === 'redirect'
        ? facts.addresses
            .filter(({ device }) => device !== 'lo')
            .map(({ address }) => procAddress(address as IpAddress))
        : [procAddress(vip)];
    if (places.some((place) => wanted.includes(place) || isWildcard(place, vip))) {
      return ok('listener', `a server takes ${what} to ${vip} on ${protocol} port ${port}`);
    }
    const why = places.length === 0 ? 'nothing listens there' : 'what listens there is on another address';
    return error(
      'listener',
      `no server takes ${what} to ${vip} on ${protocol} port ${port}: ${why}`,
      method === 'redirect'
        ? "let the server listen on all addresses, or on this host's own"
        : `let the server listen on all addresses, or on ${vip}`,
    );
  });
}

/** IPv6's wildcard takes IPv4 too, unless the server says otherwise. */
function isWildcard(place: string, vip: IpAddress): boolean {
  return place === WILDCARDS[1] || (place === WILDCARDS[0] && !vip.includes(':'));
}

/** An address as /proc/net/tcp has it: words of four bytes in the order of a little-endian host. */
export function procAddress(address: IpAddress): string {
  const bytes = Array.from(ipBytes(address));
  const words = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.slice(i * 4, i * 4 + 4).reverse());
  return words
    .flat()
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}

/** A chain that drops by default needs a rule for the service; one that names the VIP or the port may drop it. */
export function checkFirewall({ vip }: VipWish, ports: readonly number[], facts: CheckFacts): Finding[] {
  if (!facts.firewallKnown) {
    return [note('firewall', 'the rules of the firewall were not read: nft is not installed, or only root may')];
  }
  const family = vip.includes(':') ? 'ip6' : 'ip';
  const chains = facts.chains.filter(
    ({ hook, policy, family: own }) =>
      (hook === 'input' || hook === 'prerouting') && policy === 'drop' && (own === 'inet' || own === family),
  );
  const dropping = facts.tables
    .filter((table) => table.family === 'inet' || table.family === family)
    .flatMap(({ family: own, name, rules }) => rules.map((rule) => ({ where: `${own} ${name}`, rule })))
    .find(({ rule }) => /"(drop|reject)"/.test(JSON.stringify(rule)) && namesIt(rule, vip, ports));
  if (dropping !== undefined) {
    return [
      warning(
        'firewall',
        `a rule of the table ${dropping.where} drops packets for ${vip} or its ports`,
        `nft list table ${dropping.where}`,
      ),
    ];
  }
  const closed = chains.find(({ family: own, table }) => !isLetIn(facts, own, table, vip, ports));
  if (closed === undefined) {
    return [ok('firewall', `no rule of nftables drops packets for ${vip}`)];
  }
  const where = `${closed.family} ${closed.table} ${closed.name}`;
  return [
    warning(
      'firewall',
      `the chain ${where} drops what no rule accepts, and no rule names ${vip} or its ports`,
      `nft list chain ${where}`,
    ),
  ];
}

/** Whether a rule is about the VIP, or about one of the ports: by itself, in a set or in a range. */
function namesIt(rule: readonly unknown[], vip: IpAddress, ports: readonly number[]): boolean {
  return JSON.stringify(rule).includes(`"${vip}"`) || ports.some((port) => rule.some((each) => isForPort(each, port)));
}

interface NftMatch {
  readonly match?: { readonly left?: { readonly payload?: { readonly field?: unknown } }; readonly right?: unknown };
}

function isForPort(expression: unknown, port: number): boolean {
  const { match } = (expression ?? {}) as NftMatch;
  return match?.left?.payload?.field === 'dport' && hasPort(match.right, port);
}

function hasPort(right: unknown, port: number): boolean {
  if (typeof right !== 'object' || right === null) {
    return right === port;
  }
  const { set, range } = right as { readonly set?: unknown; readonly range?: unknown };
  if (Array.isArray(range)) {
    const [first, last] = range as unknown[];
    return typeof first === 'number' && typeof last === 'number' && first <= port && port <= last;
  }
  return Array.isArray(set) && set.some((each) => hasPort(each, port));
}

function isLetIn(facts: CheckFacts, family: string, table: string, vip: IpAddress, ports: readonly number[]): boolean {
  const rules = facts.tables.find((each) => each.family === family && each.name === table)?.rules ?? [];
  return rules.some((rule) => {
    const text = JSON.stringify(rule);
    return text.includes('"accept"') && (ports.length === 0 ? text.includes(`"${vip}"`) : namesIt(rule, vip, ports));
  });
}
