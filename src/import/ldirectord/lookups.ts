/** Looks up the names of hosts and ports that a file has in place of numbers. */

import { type Family, familyOf, type IpAddress, parseIp, type Protocol } from '../../model/index.js';

export interface Lookups {
  /** Returns an address of a host; undefined if there is none. */
  addressOf(host: string, family: Family): Promise<IpAddress | undefined>;
  readonly portOf: (service: string, protocol: Protocol) => number | undefined;
}

/** After so many milliseconds no name is looked up any more: each may take as long as the resolver waits. */
const MOST_MS = 20_000;

/** Asks the host's resolver, for each name once. @param portOf services(5) */
export function systemLookups(portOf: Lookups['portOf'], deadline = performance.now() + MOST_MS): Lookups {
  const found = new Map<string, Promise<IpAddress | undefined>>();
  return {
    portOf,
    addressOf: (host, family) => {
      const key = `${family} ${host}`;
      const known = found.get(key) ?? ask(host, family, deadline);
      found.set(key, known);
      return known;
    },
  };
}

async function ask(host: string, family: Family, deadline: number): Promise<IpAddress | undefined> {
  if (performance.now() > deadline) {
    return undefined;
  }
  const { lookup } = await import('node:dns/promises');
  try {
    return parseIp((await lookup(host, { family })).address);
  } catch {
    return undefined;
  }
}

/** Returns the address that a text is, or that a host of this name has. Brackets around it do not matter. */
export async function addressOf(text: string, family: Family, lookups: Lookups): Promise<IpAddress | undefined> {
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  const address = parseIp(bare);
  if (address !== undefined) {
    return familyOf(address) === family ? address : undefined;
  }
  return /^[A-Za-z0-9._-]+$/.test(bare) ? lookups.addressOf(bare, family) : undefined;
}

/** Returns the port that a text is, or that a service of this name has. */
export function portOf(text: string, protocols: readonly Protocol[], lookups: Lookups): number | undefined {
  if (/^[0-9]+$/.test(text)) {
    return Number(text) <= 0xffff ? Number(text) : undefined;
  }
  return protocols.map((each) => lookups.portOf(text, each)).find((port) => port !== undefined);
}
