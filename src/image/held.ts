/**
 * Real servers that nothing can be sent to: whether their flows stay with them until something can (`unresolved: hold`). Those
 * of one that fails its checks, or is disabled, do not.
 */

import type { Destination } from '../model/index.js';
import type { CompiledService } from './image.js';
import type { Route } from './routes.js';

type Routed = Pick<CompiledService, 'service' | 'routes'>;

/** Returns whether a destination keeps its flows although nothing can be sent to it now: their packets are dropped. */
export function isHeld({ service, routes }: Routed, index: number): boolean {
  const route = routes[index]!;
  return route.action === 'none' && route.moves !== true && service.unresolved !== 'move';
}

/**
 * Returns whether a destination has a place in its service's ring. One that takes no new flows has, under dh and sh, as in IPVS:
 * they lead to it, and refuse. But not if its health or an operator is the reason: then others take its part.
 */
export function isInRing({ weight, condition }: Destination, route: Route): boolean {
  return route.action !== 'none' && (weight > 0 || condition === undefined);
}

/** Returns whether packets of a destination's flows go to it, or nowhere, but to no other one. */
export function keepsFlows(compiled: Routed, index: number): boolean {
  return compiled.routes[index]!.action !== 'none' || isHeld(compiled, index);
}

/**
 * Returns whether a service has a destination that would take new flows if it were resolved. Where nobody takes a packet,
 * it is then dropped, with `unresolved: move` too: a client that is refused gives up, one without an answer tries again.
 */
export function waitsForServers({ destinations, routes }: CompiledService): boolean {
  return destinations.some(({ weight }, index) => weight > 0 && routes[index]!.action === 'none');
}
