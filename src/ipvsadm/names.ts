/** Looks up names of services (/etc/services) and hosts, only when a command line or a listing needs them. */

import { readFileSync } from 'node:fs';

import { type IpAddress, parseIp } from '../model/index.js';

/** The protocols of ipvsadm. Beeline does not have SCTP. */
export type ProtocolName = 'tcp' | 'udp' | 'sctp';

export interface Names {
  /** Returns the IPv4 address of a host. */
  addressOf(host: string): Promise<IpAddress | undefined>;
  portOf(service: string, protocol: ProtocolName): number | undefined;
  /** Returns the names of the hosts that have one. */
  hostsOf(addresses: Iterable<IpAddress>): Promise<ReadonlyMap<IpAddress, string>>;
  serviceOf(port: number, protocol: ProtocolName): string | undefined;
}

/** The content of services(5): a name for each port and protocol, and ports by name and alias. */
export interface ServiceNames {
  /** By "port/protocol". */
  readonly names: ReadonlyMap<string, string>;
  /** By "name/protocol". */
  readonly ports: ReadonlyMap<string, number>;
}

/** Parses services(5). The first line for a name or port counts. */
export function parseServices(text: string): ServiceNames {
  const names = new Map<string, string>();
  const ports = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name, place = '', ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    const [, port, protocol] = /^(\d+)\/(\w+)$/.exec(place) ?? [];
    if (name === undefined || port === undefined || protocol === undefined) {
      continue;
    }
    if (!names.has(place)) {
      names.set(place, name);
    }
    for (const each of [name, ...aliases]) {
      const key = `${each}/${protocol}`;
      if (!ports.has(key)) {
        ports.set(key, Number(port));
      }
    }
  }
  return { names, ports };
}

/** Returns the names of this host; none without the file. @param path services(5) */
export function systemNames(path = '/etc/services'): Names {
  let services: ServiceNames | undefined;
  const known = (): ServiceNames => (services ??= parseServices(textOf(path)));
  return {
    portOf: (service, protocol) => known().ports.get(`${service}/${protocol}`),
    serviceOf: (port, protocol) => known().names.get(`${port}/${protocol}`),
    addressOf: async (host) => {
      const { lookup } = await import('node:dns/promises');
      try {
        return parseIp((await lookup(host, { family: 4 })).address);
      } catch {
        return undefined;
      }
    },
    hostsOf: async (addresses) => {
      const { lookupService } = await import('node:dns/promises');
      const found = await Promise.all(
        [...new Set(addresses)].map(async (address): Promise<[IpAddress, string][]> => {
          try {
            const { hostname } = await lookupService(address, 0);
            return hostname.includes(':') || hostname === address ? [] : [[address, hostname]];
          } catch {
            return [];
          }
        }),
      );
      return new Map(found.flat());
    },
  };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
