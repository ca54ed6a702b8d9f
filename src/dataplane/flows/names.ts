/** Names for the numbers that flows have: two directors number the same services and real servers differently. Pure. */

import { isDeepStrictEqual } from 'node:util';

import type { Image, Numbering } from '../../image/index.js';
import type { IpAddress } from '../../model/index.js';

/** A service, or a mark's entry, each of whose flows is remembered. */
export interface NamedService {
  readonly number: number;
  readonly name: string;
  /** The number of the service that it leads to: another one for a mark's entry. */
  readonly group: number;
}

export interface NamedRealServer {
  readonly number: number;
  /** The number of its service. */
  readonly service: number;
  readonly address: IpAddress;
}

export interface FlowNames {
  readonly services: readonly NamedService[];
  readonly realServers: readonly NamedRealServer[];
}

export const NO_NAMES: FlowNames = { services: [], realServers: [] };

/** By another director's numbers, this one's; 0: it has none. */
export interface Translation {
  readonly services: Uint32Array;
  readonly serviceGroups: Uint32Array;
  readonly numbers: Uint32Array;
  readonly groups: Uint32Array;
}

type Named = Pick<Image, 'services' | 'markEntries'>;

/** Returns the names of all services whose flows have entries, and of their real servers. */
export function namesOf({ services, markEntries }: Named, numbering: Numbering): FlowNames {
  const tracked = services.filter(({ tracks, service }) => tracks && service.onePacket !== true);
  const known = new Map(tracked.flatMap(({ name }) => [[name, numbering.get(name)] as const]));
  const numbered = [...known].flatMap(([name, numbers]) => (numbers === undefined ? [] : [{ name, ...numbers }]));
  const entries = markEntries.flatMap(({ name, service }): NamedService[] => {
    const [number, group] = [numbering.get(name)?.number, known.get(service)?.number];
    return number === undefined || group === undefined ? [] : [{ number, name, group }];
  });
  return {
    services: [...numbered.map(({ number, name }) => ({ number, name, group: number })), ...entries],
    realServers: numbered.flatMap(({ number: service, destinations }) =>
      [...destinations].map(([address, number]) => ({ number, service, address })),
    ),
  };
}

/** Returns the names of before if they are the same: whoever was told them knows them. */
export function sameNames(before: FlowNames, now: FlowNames): FlowNames {
  return isDeepStrictEqual(before, now) ? before : now;
}

/** Finds this director's numbers for another one's: of services with the same name, of their real servers by address. */
export function translate(theirs: FlowNames, own: FlowNames): Translation {
  const ownByName = new Map(own.services.map((each) => [each.name, each]));
  const ownServers = new Map(own.realServers.map(({ number, service, address }) => [`${service} ${address}`, number]));
  const services = tableFor(theirs.services);
  const [serviceGroups, numbers] = [services.slice(), tableFor(theirs.realServers)];
  const groups = numbers.slice();
  for (const { number, name } of theirs.services) {
    const found = ownByName.get(name);
    services[number] = found?.number ?? 0;
    serviceGroups[number] = found?.group ?? 0;
  }
  for (const { number, service, address } of theirs.realServers) {
    const group = serviceGroups[service] ?? 0;
    const found = ownServers.get(`${group} ${address}`);
    numbers[number] = found ?? 0;
    groups[number] = found === undefined ? 0 : group;
  }
  return { services, serviceGroups, numbers, groups };
}

function tableFor(numbered: readonly { readonly number: number }[]): Uint32Array {
  return new Uint32Array(numbered.reduce((most, { number }) => Math.max(most, number), 0) + 1);
}
