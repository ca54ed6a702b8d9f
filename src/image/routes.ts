/** Routes: how packets reach each destination, from what the host knows of its neighbours. */

import { type Destination, type IpAddress, isSelf, type MacAddress, type Vlan, type World } from '../model/index.js';

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
    }
  | { readonly action: 'local'; readonly sourceMac: MacAddress }
  | { readonly action: 'none'; readonly reason: string; readonly moves?: true };

/** Returns the route to a destination. */
export type Router = (destination: Destination) => Route;

/** Makes a router that looks up each address once: many services share their real servers. */
export function routerOf(world: World): Router {
  const routes = new Map<IpAddress, Route>();
  return (destination) => {
    const { address, mac, vlan, condition } = destination;
    if (condition?.takesNothing === true) {
      return { action: 'none', reason: condition.reason ?? '', moves: true };
    }
    if (mac !== undefined || vlan !== undefined) {
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
  const { mac } = destination;
  return mac === undefined ? resolvedRoute(destination, world) : configuredRoute(destination, mac, world);
}

/** The route to a destination whose MAC is configured. */
function configuredRoute({ interface: name, vlan }: Destination, mac: MacAddress, { interfaces }: World): Route {
  const egress = name === undefined ? interfaces[0] : interfaces.find((each) => each.name === name);
  return egress === undefined
    ? { action: 'none', reason: name === undefined ? 'the interface is missing' : `interface ${name} is missing` }
    : { action: 'forward', mac, sourceMac: egress.mac, ifindex: egress.ifindex, vlan };
}

/** The route to a destination whose MAC the kernel finds. */
function resolvedRoute({ address, vlan }: Destination, { interfaces, resolutions }: World): Route {
  const resolution = isSelf(address) ? ({ state: 'local' } as const) : resolutions.get(address);
  switch (resolution?.state) {
    case 'resolved': {
      const { mac, ifindex } = resolution;
      const egress = interfaces.find((each) => each.ifindex === ifindex);
      return egress === undefined
        ? { action: 'none', reason: "reached through an interface that is not the director's" }
        : { action: 'forward', mac, sourceMac: egress.mac, ifindex, vlan: vlan ?? resolution.vlan };
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

export function isSameRoute(a: Route, b: Route): boolean {
  switch (a.action) {
    case 'forward':
      return (
        b.action === 'forward' &&
        a.mac === b.mac &&
        a.sourceMac === b.sourceMac &&
        a.ifindex === b.ifindex &&
        a.vlan?.id === b.vlan?.id &&
        a.vlan?.outer === b.vlan?.outer
      );
    case 'local':
      return b.action === 'local' && a.sourceMac === b.sourceMac;
    case 'none':
      return b.action === 'none' && a.reason === b.reason && a.moves === b.moves;
  }
}
