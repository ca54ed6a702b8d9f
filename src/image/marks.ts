/** Services of marked packets in the data path: one service, and an entry for each VIP and protocol that leads to it. */

import {
  addressBits,
  type AnyService,
  BeelineError,
  compareIp,
  familyOf,
  type IpAddress,
  ipBytes,
  ipFromBytes,
  isMarkKey,
  type MarkMatch,
  type MarkRule,
  type MarkService,
  type Model,
  type Protocol,
  type Service,
  serviceName,
} from '../model/index.js';

/**
 * A VIP and protocol whose packets have a mark. It has its own number, so that flows from one client port to several VIPs
 * differ; the service has everything else.
 */
export interface MarkEntry {
  /** "fwm 1 tcp 192.168.1.100" */
  readonly name: string;
  /** "fwm 1" */
  readonly service: string;
  readonly address: IpAddress;
  readonly protocol: Protocol;
  /** Ascending. A single 0 stands for every port. */
  readonly ports: readonly number[];
}

export function markEntryName(service: string, protocol: Protocol, address: IpAddress): string {
  return `${service} ${protocol} ${address}`;
}

/** Returns the name that has the number of a service's flows: for a mark's service, that of the VIP and protocol. */
export function flowOwnerName(
  { name, service }: { readonly name: string; readonly service: AnyService },
  protocol: Protocol,
  vip: IpAddress,
): string {
  return !isMarkKey(service) ? name : markEntryName(name, protocol, vip);
}

/** The most addresses times ports: the table of services has an entry for each. */
const MAX_KEYS = 1 << 16;
const LAST_PORT = 0xffff;
const NO_RULES: readonly MarkRule[] = [];

/** The last result: rules change seldom, and images are compiled often. */
let last: { readonly rules: readonly MarkRule[]; readonly names: string; readonly entries: MarkEntry[] } | undefined;

/**
 * Returns the entries of all rules whose mark has a service, by address and name.
 *
 * @throws BeelineError `TABLE_FULL` if they stand for more addresses and ports than the table takes
 */
export function markEntries({
  markServices = [],
  markRules = NO_RULES,
}: Pick<Model, 'markServices' | 'markRules'>): MarkEntry[] {
  const names = markServices.map(serviceName).sort().join();
  if (last?.rules !== markRules || last.names !== names) {
    last = { rules: markRules, names, entries: expand(markServices, markRules) };
  }
  return last.entries;
}

function expand(services: readonly MarkService[], rules: readonly MarkRule[]): MarkEntry[] {
  const known = new Set(services.map(serviceName));
  const ports = new Map<string, { entry: Omit<MarkEntry, 'ports'>; ports: Set<number> }>();
  let keys = 0;
  for (const { mark, match } of rules) {
    const service = serviceName({ mark, family: familyOf(match.address) });
    if (!known.has(service)) {
      continue;
    }
    keys += addressesIn(match) * (isEveryPort(match) ? 1 : match.lastPort - match.firstPort + 1);
    if (keys > MAX_KEYS) {
      throw new BeelineError('TABLE_FULL', `the mark rules stand for more than ${MAX_KEYS} addresses and ports`, {
        hint: 'Match every port ("*") instead of a wide range, and the VIPs themselves instead of a large network.',
      });
    }
    for (const address of addressesOf(match)) {
      const { protocol } = match;
      const name = markEntryName(service, protocol, address);
      const found = ports.get(name) ?? { entry: { name, service, address, protocol }, ports: new Set() };
      ports.set(name, found);
      portsOf(match).forEach((port) => found.ports.add(port));
    }
  }
  return [...ports.values()]
    .map(({ entry, ports: some }) => ({ ...entry, ports: [...some].sort((a, b) => a - b) }))
    .sort((a, b) => compareIp(a.address, b.address) || (a.name < b.name ? -1 : 1));
}

function isEveryPort({ firstPort, lastPort }: MarkMatch): boolean {
  return firstPort === 0 && lastPort === LAST_PORT;
}

/** Ports from 1 on: no packet is for port 0. */
function portsOf(match: MarkMatch): number[] {
  const first = Math.max(1, match.firstPort);
  return isEveryPort(match) ? [0] : Array.from({ length: match.lastPort - first + 1 }, (_, i) => first + i);
}

function addressesIn({ address, prefixLength }: MarkMatch): number {
  return 2 ** (addressBits(familyOf(address)) - prefixLength);
}

function addressesOf(match: MarkMatch): IpAddress[] {
  return Array.from({ length: addressesIn(match) }, (_, i) => {
    const bytes = Uint8Array.from(ipBytes(match.address));
    // There are at most MAX_KEYS, so that only the last three bytes change.
    for (let at = bytes.length - 1, rest = i; rest > 0; at -= 1, rest >>>= 8) {
      bytes[at]! |= rest & 0xff;
    }
    return ipFromBytes(bytes);
  });
}

/** Returns whether a service gets no packets because marks, which come first as in IPVS, take them all. */
export function coveredBy(entries: readonly MarkEntry[]): (service: Service) => boolean {
  const covered = new Set(
    entries.flatMap(({ address, protocol, ports }) => ports.map((port) => `${protocol} ${address} ${port}`)),
  );
  return ({ address, protocol, port }) =>
    covered.has(`${protocol} ${address} ${port}`) || covered.has(`${protocol} ${address} 0`);
}
