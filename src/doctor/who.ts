/** Whom a MAC belongs to, and what this host has: answers of the facts that several checks need. Pure. */

import { compareIp, familyOf, type IpAddress, isVirtualMac, type MacAddress, virtualRouters } from '../model/index.js';
import type { DirectorFacts, Facts, HostAddress, NetworkFacts } from './facts.js';
import type { Mend, Severity } from './finding.js';
import { fixBy } from './finding.js';

export interface Who {
  /** `proxy`: it answers for addresses that nobody has. `virtual`: the master of a virtual router. */
  readonly kind: 'director' | 'virtual' | 'proxy' | 'real server' | 'neighbour' | 'stranger';
  readonly address?: IpAddress | undefined;
  /** With its MAC. */
  readonly text: string;
}

/** @param like of several addresses that the host has, one of this family is told */
export function whoIs(mac: MacAddress, { director: { model }, probes }: Facts, like?: IpAddress): Who {
  const { directors = [], proxies = [], realServers = [], neighbours = [] } = probes ?? {};
  const named = directors.find(({ macs }) => macs.includes(mac))?.address;
  if (named !== undefined || (model.directors ?? []).includes(mac)) {
    return {
      kind: 'director',
      address: named,
      text: `the other director ${named === undefined ? mac : `${named} (${mac})`}`,
    };
  }
  if (isVirtualMac(mac)) {
    return { kind: 'virtual', text: `the master of the virtual router ${mac}` };
  }
  if (proxies.some((each) => each.mac === mac)) {
    const address = neighbours.find((each) => each.mac === mac)?.address;
    return {
      kind: 'proxy',
      address,
      text: `a host that answers for others (${address === undefined ? '' : `${address}, `}${mac})`,
    };
  }
  const its = realServers.filter(({ macs }) => macs.includes(mac)).map((each) => each.address);
  const real = its.find((each) => like !== undefined && familyOf(each) === familyOf(like)) ?? its[0];
  if (real !== undefined) {
    return { kind: 'real server', address: real, text: `real server ${real} (${mac})` };
  }
  const address = neighbours.find((each) => each.mac === mac)?.address;
  return address === undefined
    ? { kind: 'stranger', text: `a host with the MAC ${mac}` }
    : { kind: 'neighbour', address, text: `the host ${address} (${mac})` };
}

/** The order of hosts in findings, whoever spoke first: by address, and those without one by their MACs. */
export function compareHosts(
  a: { readonly who: Who; readonly mac: MacAddress },
  b: { readonly who: Who; readonly mac: MacAddress },
): number {
  const [one, other] = [a.who.address, b.who.address];
  if (one === undefined || other === undefined) {
    return Number(one === undefined) - Number(other === undefined) || (a.mac < b.mac ? -1 : 1);
  }
  return compareIp(one, other);
}

/** Where this host has an address: on interfaces that are up. */
export function placesOf(address: IpAddress, network: NetworkFacts | undefined): HostAddress[] {
  const up = new Set(network?.links.flatMap(({ name, up: isUp }) => (isUp ? [name] : [])));
  return (network?.addresses ?? []).filter((each) => each.address === address && up.has(each.interface));
}

/** Whether keepalived gives a VIP to a director. */
export function isOfVrrp(vip: IpAddress, { model }: DirectorFacts): boolean {
  return virtualRouters(model).some(({ addresses }) => addresses.includes(vip));
}

/** Tells the network again who has VIPs, those that this host has. */
export function announceAgain(vips: readonly IpAddress[], { director, network }: Facts): Mend[] {
  const here = vips.filter((vip) => placesOf(vip, network).length > 0 && !isOfVrrp(vip, director));
  return here.length === 0 ? [] : [fixBy('beeline', 'vip', 'add', ...here)];
}

/** States in which packets go to a real server, or wait for it. */
const TAKING: readonly string[] = ['up', 'unresolved', 'ramping', 'fallback', 'panic', 'advised'];

/** How much a fault of a real server matters: an error if packets go there now. */
export class Use {
  readonly #takes = new Map<string, boolean>();

  constructor({ model, services }: DirectorFacts) {
    const note = (address: IpAddress, takes: boolean): void => {
      this.#takes.set(address, takes || this.#takes.get(address) === true);
    };
    if (services !== undefined) {
      services.forEach(({ realServers }) => {
        realServers.forEach(({ address, state }) => {
          note(address, TAKING.includes(state));
        });
      });
      return;
    }
    [...model.services, ...(model.markServices ?? [])].forEach(({ destinations }) => {
      destinations.forEach(({ address, weight }) => {
        note(address, weight > 0);
      });
    });
  }

  severityOf(realServer: IpAddress): Severity {
    return this.#takes.get(realServer) === false ? 'warning' : 'error';
  }
}
