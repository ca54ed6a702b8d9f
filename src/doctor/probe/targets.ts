/** Whom the doctor asks: VIPs, real servers, and the hosts beside them. Pure. */

import {
  allServices,
  familyOf,
  type IpAddress,
  isMarkKey,
  isSelf,
  type MacAddress,
  type Model,
  type Protocol,
  serviceName,
} from '../../model/index.js';
import type { HostRoute, NetworkFacts } from '../facts.js';

/** The most packets of IP that are sent in one examination; what is left out is told. */
export const MOST_PROBES = 30_000;
/** The most hosts beside the real servers that are asked, and VIPs that they are asked from. */
const MOST_NEIGHBOURS = 64;
const MOST_VIPS_FROM = 4;

export interface TargetPort {
  readonly service: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface RealServerTarget {
  readonly address: IpAddress;
  readonly interface: string;
  /** Of the configuration: it is not asked for. */
  readonly mac: MacAddress | undefined;
  readonly vips: readonly { readonly vip: IpAddress; readonly ports: readonly TargetPort[] }[];
}

export interface Targets {
  /** Each VIP, and the interfaces on whose networks it may be. */
  readonly vips: readonly { readonly vip: IpAddress; readonly interfaces: readonly string[] }[];
  readonly realServers: readonly RealServerTarget[];
  readonly neighbours: readonly { readonly address: IpAddress; readonly interface: string; readonly mac: MacAddress }[];
  /** VIPs that this host has: only those may its packets come from. */
  readonly vipsHere: readonly IpAddress[];
  readonly notLookedAt: readonly { readonly what: string; readonly why: string }[];
}

/** Returns all VIPs of a model, each once: of services, and of marks whose rules have one address. */
export function vipsOf(model: Model): IpAddress[] {
  const ofMarks = (model.markRules ?? []).flatMap(({ match }) =>
    match.prefixLength === (familyOf(match.address) === 4 ? 32 : 128) ? [match.address] : [],
  );
  return [...new Set([...model.services.map(({ address }) => address), ...ofMarks])];
}

/** Returns the addresses of all real servers of a model but this host, each once. */
export function realServersOf(model: Model): IpAddress[] {
  return [
    ...new Set(
      allServices(model).flatMap(({ destinations }) =>
        destinations.flatMap(({ address }) => (isSelf(address) ? [] : [address])),
      ),
    ),
  ];
}

export interface Neighbours {
  readonly address: IpAddress;
  readonly interface: string;
  readonly mac: MacAddress;
}

/** @param known the hosts that the kernel has talked to */
export function targetsOf(
  model: Model,
  { addresses, links, routes }: NetworkFacts,
  known: readonly Neighbours[],
): Targets {
  const vips = vipsOf(model);
  const here = new Set(addresses.filter(({ scope }) => scope !== 'host').map(({ address }) => address));
  const usable = new Set(links.filter(({ up }) => up).map(({ name }) => name));
  const interfaces = model.interfaces.filter((name) => usable.has(name));
  const where = new Map(addresses.map((each) => [each.address, each.interface]));
  const { targets, notLookedAt } = realServerTargets(model, routes, interfaces);
  const busy = new Set<string>([...vips, ...targets.map(({ address }) => address), ...(model.directors ?? [])]);
  return {
    vips: vips.map((vip) => {
      const own = where.get(vip);
      const alsoOn = own !== undefined && usable.has(own) && own !== 'lo' ? [own] : [];
      return { vip, interfaces: [...new Set([...interfaces, ...alsoOn])] };
    }),
    realServers: targets,
    neighbours: known
      .filter((each) => !busy.has(each.address) && interfaces.includes(each.interface))
      .slice(0, MOST_NEIGHBOURS),
    vipsHere: vips.filter((vip) => here.has(vip)).slice(0, MOST_VIPS_FROM),
    notLookedAt,
  };
}

/** A real server's VIPs, and the ports of each: both in the order of the services. */
type Wanted = Map<IpAddress, TargetPort[]>;

function realServerTargets(
  model: Model,
  routes: ReadonlyMap<IpAddress, HostRoute>,
  interfaces: readonly string[],
): { targets: RealServerTarget[]; notLookedAt: { what: string; why: string }[] } {
  const wanted = new Map<IpAddress, { mac: MacAddress | undefined; vips: Wanted }>();
  const tagged = new Set<IpAddress>();
  for (const service of allServices(model)) {
    for (const { address, mac, vlan } of service.destinations) {
      if (isSelf(address)) {
        continue;
      }
      if (vlan !== undefined) {
        tagged.add(address);
        continue;
      }
      const target = wanted.get(address) ?? { mac, vips: new Map<IpAddress, TargetPort[]>() };
      wanted.set(address, target);
      if (!isMarkKey(service)) {
        const ports = target.vips.get(service.address) ?? [];
        ports.push({ service: serviceName(service), protocol: service.protocol, port: service.port });
        target.vips.set(service.address, ports);
      }
    }
  }
  const targets = [...wanted].flatMap(([address, { mac, vips }]): RealServerTarget[] => {
    const route = routes.get(address);
    const name = route?.kind === 'unicast' && route.gateway === undefined ? route.interface : undefined;
    const way = name ?? (mac === undefined ? undefined : interfaces[0]);
    return way === undefined
      ? []
      : [{ address, interface: way, mac, vips: [...vips].map(([vip, ports]) => ({ vip, ports })) }];
  });
  const why = 'they are on VLANs of their own, by tags that the director writes';
  return { targets, notLookedAt: tagged.size === 0 ? [] : [{ what: `real servers ${[...tagged].join(', ')}`, why }] };
}
