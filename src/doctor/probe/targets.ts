/** Whom the doctor asks: VIPs, real servers, and the hosts beside them. Pure. */

import {
  addressBits,
  allServices,
  type AnyService,
  familyOf,
  type IpAddress,
  isMac,
  isMarkKey,
  isSelf,
  type MacAddress,
  macBytes,
  type Model,
  type Protocol,
  serviceName,
  vipsOf,
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

/** A host that the kernel has talked to. */
export interface Neighbour {
  readonly address: IpAddress;
  readonly interface: string;
  readonly mac: MacAddress;
}

export interface Targets {
  /** Each VIP, and the interfaces on whose networks it may be. */
  readonly vips: readonly { readonly vip: IpAddress; readonly interfaces: readonly string[] }[];
  readonly realServers: readonly RealServerTarget[];
  readonly neighbours: readonly Neighbour[];
  /** Other directors that are named by address. */
  readonly directors: readonly { readonly address: IpAddress; readonly interface: string }[];
  /** Those that are named by MAC. */
  readonly directorMacs: readonly MacAddress[];
  /** VIPs that this host has: only those may its packets come from. */
  readonly vipsHere: readonly IpAddress[];
  readonly notLookedAt: readonly { readonly what: string; readonly why: string }[];
}

/** Returns the addresses of all real servers of a model but this host, each once. */
export function addressesOfRealServers(model: Model): IpAddress[] {
  return [
    ...new Set(
      allServices(model).flatMap(({ destinations }) =>
        destinations.flatMap(({ address }) => (isSelf(address) ? [] : [address])),
      ),
    ),
  ];
}

export function targetsOf(
  model: Model,
  { addresses, links, routes }: NetworkFacts,
  known: readonly Neighbour[],
): Targets {
  const vips = vipsOf(model);
  // The kernel answers nobody for one whose duplicate it found.
  const used = addresses.filter(({ scope, duplicate }) => scope !== 'host' && !duplicate);
  const here = new Set(used.map(({ address }) => address));
  const usable = new Set(links.filter(({ up }) => up).map(({ name }) => name));
  const interfaces = model.interfaces.filter((name) => usable.has(name));
  const where = new Map(addresses.map((each) => [each.address, each.interface]));
  const { targets: all, notLookedAt } = realServerTargets(model, routes, interfaces);
  const { targets, left } = withinBudget(all);
  const directors = (model.directors ?? []).flatMap((address) => {
    const way = isMac(address) ? undefined : onLink(routes.get(address));
    return isMac(address) || way === undefined ? [] : [{ address, interface: way }];
  });
  const busy = new Set<string>([...vips, ...addressesOfRealServers(model), ...(model.directors ?? [])]);
  return {
    vips: vips.map((vip) => {
      const own = where.get(vip);
      const alsoOn = own !== undefined && usable.has(own) && own !== 'lo' ? [own] : [];
      return { vip, interfaces: [...new Set([...interfaces, ...alsoOn])] };
    }),
    realServers: targets,
    directors,
    directorMacs: (model.directors ?? []).filter(isMac),
    neighbours: known
      .filter(({ address, interface: name, mac }) => !busy.has(address) && interfaces.includes(name) && !isGroup(mac))
      .slice(0, MOST_NEIGHBOURS),
    vipsHere: vips.filter((vip) => here.has(vip)).slice(0, MOST_VIPS_FROM),
    notLookedAt: [...notLookedAt, ...left],
  };
}

/** The interface of a route without a gateway. */
function onLink(route: HostRoute | undefined): string | undefined {
  return route?.kind === 'unicast' && route.gateway === undefined ? route.interface : undefined;
}

/** Whether a MAC is that of a group, which the kernel has among its neighbours (IEEE 802, 8.2.2: the first bit on the wire). */
function isGroup(mac: MacAddress): boolean {
  return (macBytes(mac)[0]! & 1) !== 0;
}

/** What a real server is asked whatever its VIPs are: pings, and one that its gateway shows. */
const PROBES_OF_REAL_SERVER = 4;

/** A ping and the ports of TCP. */
function costOf({ ports }: RealServerTarget['vips'][number]): number {
  return 1 + ports.filter(isAsked).length;
}

/** Pings, and its own address by the same ports. */
function ownCostOf({ vips }: RealServerTarget): number {
  return (
    PROBES_OF_REAL_SERVER + new Set(vips.flatMap(({ ports }) => ports.filter(isAsked).map(({ port }) => port))).size
  );
}

/** Only TCP answers whoever asks; port 0 stands for all. */
export function isAsked({ protocol, port }: TargetPort): boolean {
  return protocol === 'tcp' && port !== 0;
}

/**
 * Leaves out VIPs of real servers where there are too many of both. Each real server begins with another VIP, so that each
 * VIP is looked at somewhere.
 */
function withinBudget(all: readonly RealServerTarget[]): {
  targets: readonly RealServerTarget[];
  left: Targets['notLookedAt'];
} {
  const pairs = all.reduce((sum, { vips }) => sum + vips.length, 0);
  const cost = all.reduce((sum, { vips }) => sum + vips.reduce((of, each) => of + costOf(each), 0), 0);
  const own = all.reduce((sum, each) => sum + ownCostOf(each), 0);
  let budget = MOST_PROBES - MOST_NEIGHBOURS * (1 + MOST_VIPS_FROM) - own;
  if (cost <= budget) {
    return { targets: all, left: [] };
  }
  const turned = all.map(({ vips }, i) => [...vips.slice(i % vips.length), ...vips.slice(0, i % vips.length)]);
  const chosen = all.map((): RealServerTarget['vips'][number][] => []);
  const longest = Math.max(...turned.map(({ length }) => length));
  for (let k = 0; k < longest && budget > 0; k += 1) {
    for (const [i, vips] of turned.entries()) {
      const pair = vips[k];
      if (pair !== undefined && costOf(pair) <= budget) {
        budget -= costOf(pair);
        chosen[i]!.push(pair);
      }
    }
  }
  const asked = chosen.reduce((sum, { length }) => sum + length, 0);
  const why = `that is more than one examination asks: ${MOST_PROBES} packets`;
  return {
    targets: all.map((each, i) => ({ ...each, vips: chosen[i]! })),
    left: [{ what: `${pairs - asked} of ${pairs} VIPs on real servers`, why }],
  };
}

/** A real server's VIPs, and the ports of each: both in the order of the services. */
type Wanted = Map<IpAddress, TargetPort[]>;

function realServerTargets(
  model: Model,
  routes: ReadonlyMap<IpAddress, HostRoute>,
  interfaces: readonly string[],
): { targets: RealServerTarget[]; notLookedAt: { what: string; why: string }[] } {
  const wanted = new Map<IpAddress, { mac: MacAddress | undefined; by: string | undefined; vips: Wanted }>();
  const tagged = new Set<IpAddress>();
  for (const service of allServices(model)) {
    for (const { address, mac, vlan, interface: by } of service.destinations) {
      if (isSelf(address)) {
        continue;
      }
      if (vlan !== undefined) {
        tagged.add(address);
        continue;
      }
      const target = wanted.get(address) ?? { mac, by, vips: new Map<IpAddress, TargetPort[]>() };
      wanted.set(address, target);
      for (const { vip, ...port } of portsOf(service, model)) {
        target.vips.set(vip, [...(target.vips.get(vip) ?? []), port]);
      }
    }
  }
  const targets = [...wanted].flatMap(([address, { mac, by, vips }]): RealServerTarget[] => {
    const way = mac === undefined ? onLink(routes.get(address)) : (by ?? onLink(routes.get(address)) ?? interfaces[0]);
    return way === undefined
      ? []
      : [{ address, interface: way, mac, vips: [...vips].map(([vip, ports]) => ({ vip, ports })) }];
  });
  const why = 'they are on VLANs of their own, by tags that the director writes';
  return { targets, notLookedAt: tagged.size === 0 ? [] : [{ what: `real servers ${[...tagged].join(', ')}`, why }] };
}

/** The VIPs and ports of a service; of a mark's, where its rules are about one address. Port 0: several. */
export function portsOf(service: AnyService, { markRules = [] }: Model): ({ readonly vip: IpAddress } & TargetPort)[] {
  const name = serviceName(service);
  if (!isMarkKey(service)) {
    return [{ vip: service.address, service: name, protocol: service.protocol, port: service.port }];
  }
  return markRules.flatMap(({ mark, match: { address, prefixLength, protocol, firstPort, lastPort } }) =>
    mark === service.mark && familyOf(address) === service.family && prefixLength === addressBits(service.family)
      ? [{ vip: address, service: name, protocol, port: firstPort === lastPort ? firstPort : 0 }]
      : [],
  );
}
