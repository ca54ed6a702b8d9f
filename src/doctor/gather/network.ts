/** Reads this host's links, addresses and routes from the kernel. */

import { familyOf, type IpAddress, isMac, type Model, vipsOf } from '../../model/index.js';
import { BONDS, type Network, NetlinkError, waysOut } from '../../net/index.js';
import type { HostRoute, NetworkFacts } from '../facts.js';
import { addressesOfRealServers } from '../probe/targets.js';

export async function gatherNetwork(network: Network, model: Model): Promise<NetworkFacts> {
  const nameOf = (ifindex: number): string => network.linkByIndex(ifindex)?.name ?? `#${ifindex}`;
  const directors = (model.directors ?? []).flatMap((each) => (isMac(each) ? [] : [each]));
  const wanted: IpAddress[] = [...new Set([...vipsOf(model), ...addressesOfRealServers(model), ...directors])];
  const found = await network.routes(wanted, { asConfigured: true });
  const routes = new Map<IpAddress, HostRoute>();
  wanted.forEach((address, i) => {
    const route = found[i];
    if (route !== undefined && !(route instanceof NetlinkError)) {
      const { kind, ifindex, gateway, prefixLength } = route;
      routes.set(address, { kind, interface: nameOf(ifindex), gateway, prefixLength });
    }
  });
  return {
    links: network.links().map(({ name, ifindex, mac, mtu, up, carrier, kind }) => ({
      ...{ name, ifindex, mac, mtu, up, carrier, kind },
      egresses: egressesOf(network, ifindex),
      leaves: network.leavesUnder(ifindex).map((leaf) => leaf.name),
    })),
    addresses: network.addresses().map(({ ifindex, address, prefixLength, duplicate, scope }) => ({
      ...{ interface: nameOf(ifindex), address, prefixLength, duplicate, scope },
    })),
    routes,
    sources: await sourcesTo(network, addressesOfRealServers(model)),
  };
}

/** IPv4 takes the address of the network that it goes to; of IPv6 the kernel has rules (RFC 6724). */
async function sourcesTo(network: Network, addresses: readonly IpAddress[]): Promise<Map<IpAddress, IpAddress>> {
  const wanted = addresses.filter((each) => familyOf(each) === 6);
  const found = await network.routes(wanted);
  return new Map(
    found.flatMap((route, i) =>
      route === undefined || route instanceof NetlinkError || route.kind !== 'unicast' || route.source === undefined
        ? []
        : [[wanted[i]!, route.source] as const],
    ),
  );
}

/** Any of them may be the director's. */
function egressesOf(network: Network, ifindex: number): string[] {
  const found = waysOut(ifindex, (index) => network.linkByIndex(index)).flatMap(
    (way) => network.linkByIndex(way.ifindex) ?? [],
  );
  const bottom = found.at(-1);
  const members =
    bottom === undefined || !BONDS.includes(bottom.kind)
      ? []
      : network.links().filter(({ master }) => master === bottom.ifindex);
  return [...found, ...members].map(({ name }) => name);
}
