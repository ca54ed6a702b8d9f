/** Routes: how packets reach each destination, from what the host knows of its neighbours. */

import {
  behindRouter,
  type Destination,
  familyOf,
  GUE_PORT,
  type IpAddress,
  isSelf,
  type MacAddress,
  type Tunnel,
  type TunnelType,
  type Vlan,
  type World,
} from '../model/index.js';

/**
 * How packets reach a destination. `none`: it takes no packets at the moment, and `reason` says why. `moves`: its flows go to
 * others, whatever the service does with those of real servers that do not resolve.
 */
export type Route =
  | {
      readonly action: 'forward';
      readonly mac: MacAddress;
      readonly sourceMac: MacAddress;
      readonly ifindex: number;
      readonly vlan?: Vlan | undefined;
      /** What packets are wrapped in. The MAC is the next hop's. */
      readonly tunnel?: TunnelRoute;
    }
  | { readonly action: 'local'; readonly sourceMac: MacAddress }
  | { readonly action: 'none'; readonly reason: string; readonly moves?: true };

/** The outer headers of packets to a real server. */
export interface TunnelRoute {
  readonly type: TunnelType;
  /** GUE's; otherwise 0. */
  readonly port: number;
  readonly checksum: boolean;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** The longest packet that fits within, in bytes. */
  readonly mtu: number;
}

/** Returns the route to a destination. */
export type Router = (destination: Destination) => Route;

/** Makes a router that looks up each address once: many services share their real servers. */
export function routerOf(world: World): Router {
  const routes = new Map<IpAddress, Route>();
  return (destination) => {
    const { address, mac, vlan, tunnel, condition } = destination;
    if (condition?.takesNothing === true) {
      return { action: 'none', reason: condition.reason ?? '', moves: true };
    }
    if (mac !== undefined || vlan !== undefined || tunnel !== undefined) {
      return findRoute(destination, world);
    }
    let route = routes.get(address);
    if (route === undefined) {
      route = findRoute(destination, world);
      routes.set(address, route);
    }
    return route;
  };
}

function findRoute(destination: Destination, world: World): Route {
  const { mac, tunnel } = destination;
  return mac === undefined || tunnel !== undefined
    ? resolvedRoute(destination, world)
    : configuredRoute(destination, mac, world);
}

/** The route to a destination whose MAC is configured. */
function configuredRoute({ interface: name, vlan }: Destination, mac: MacAddress, { interfaces }: World): Route {
  const egress = name === undefined ? interfaces[0] : interfaces.find((each) => each.name === name);
  return egress === undefined
    ? { action: 'none', reason: name === undefined ? 'the interface is missing' : `interface ${name} is missing` }
    : { action: 'forward', mac, sourceMac: egress.mac, ifindex: egress.ifindex, vlan };
}

/** The route to a destination whose MAC the kernel finds. */
function resolvedRoute(destination: Destination, { interfaces, resolutions }: World): Route {
  const { address, vlan, tunnel } = destination;
  const resolution = isSelf(address) ? ({ state: 'local' } as const) : resolutions.get(address);
  switch (resolution?.state) {
    case 'resolved': {
      const { mac, ifindex, gateway } = resolution;
      const egress = interfaces.find((each) => each.ifindex === ifindex);
      if (egress === undefined) {
        return { action: 'none', reason: "reached through an interface that is not the director's" };
      }
      const forward = {
        action: 'forward',
        mac,
        sourceMac: egress.mac,
        ifindex,
        vlan: vlan ?? resolution.vlan,
      } as const;
      if (tunnel !== undefined) {
        const family = familyOf(address);
        const source = resolution.source ?? egress.addresses?.find((each) => familyOf(each) === family);
        return source === undefined
          ? { action: 'none', reason: `is behind a tunnel, and this host has no address of IPv${family} to send from` }
          : {
              ...forward,
              tunnel: tunnelRoute(address, source, tunnel, Math.min(resolution.mtu ?? egress.mtu, egress.mtu)),
            };
      }
      return gateway === undefined ? forward : { action: 'none', reason: behindRouter(gateway) };
    }
    case 'local':
      return interfaces[0] === undefined
        ? { action: 'none', reason: 'the interface is missing' }
        : { action: 'local', sourceMac: interfaces[0].mac };
    case 'unresolved':
      return { action: 'none', reason: resolution.reason };
    case undefined:
      return { action: 'none', reason: 'not resolved yet' };
  }
}

/** The bytes of the headers behind the outer IP header: GUE's (RFC 768 and its own), GRE's (RFC 2784) with its checksum or without. */
function wrapBytes({ type, checksum = false }: Tunnel): number {
  switch (type) {
    case 'ipip':
      return 0;
    case 'gue':
      return 8 + 4;
    case 'gre':
      return checksum ? 8 : 4;
  }
}

const IP_BYTES = { 4: 20, 6: 40 } as const;

/** @param longest the longest packet that gets there, outer headers included */
function tunnelRoute(destination: IpAddress, source: IpAddress, tunnel: Tunnel, longest: number): TunnelRoute {
  const { type, port = GUE_PORT, checksum = false } = tunnel;
  const mtu = longest - IP_BYTES[familyOf(destination)] - wrapBytes(tunnel);
  return {
    ...{ type, port: type === 'gue' ? port : 0, checksum, source, destination },
    mtu: Math.max(0, Math.min(mtu, 0xffff)),
  };
}

function isSameTunnel(a: TunnelRoute | undefined, b: TunnelRoute | undefined): boolean {
  return (
    a?.type === b?.type &&
    a?.port === b?.port &&
    a?.checksum === b?.checksum &&
    a?.source === b?.source &&
    a?.destination === b?.destination &&
    a?.mtu === b?.mtu
  );
}

export function isSameRoute(a: Route, b: Route): boolean {
  switch (a.action) {
    case 'forward':
      return (
        b.action === 'forward' &&
        a.mac === b.mac &&
        a.sourceMac === b.sourceMac &&
        a.ifindex === b.ifindex &&
        a.vlan?.id === b.vlan?.id &&
        a.vlan?.outer === b.vlan?.outer &&
        isSameTunnel(a.tunnel, b.tunnel)
      );
    case 'local':
      return b.action === 'local' && a.sourceMac === b.sourceMac;
    case 'none':
      return b.action === 'none' && a.reason === b.reason && a.moves === b.moves;
  }
}
