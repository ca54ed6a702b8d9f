/** Real servers that left their service a moment ago: their flows wait for them as for one that does not resolve. */

import { type Destination, type IpAddress, oncePer } from '../model/index.js';
import type { CompiledService } from './image.js';

const ROUTE = { action: 'none', reason: 'was removed a moment ago: its flows wait for it to come back' } as const;

/**
 * Adds to a service destinations that left it: behind its own, with weight 0, and nothing can be sent to them. Rings and
 * turns stay as they are.
 */
export function withLeaving(compiled: CompiledService, addresses: readonly IpAddress[]): CompiledService {
  const left = addresses.map((address): Destination => ({ address, weight: 0 }));
  return {
    ...compiled,
    destinations: [...compiled.destinations, ...left],
    routes: [...compiled.routes, ...left.map(() => ROUTE)],
    leaving: left.length,
  };
}

/** Returns a service with its own destinations alone: the same object each time. */
export const withoutLeaving = oncePer((compiled: CompiledService): CompiledService => {
  const { leaving = 0, destinations, routes } = compiled;
  if (leaving === 0) {
    return compiled;
  }
  return {
    ...compiled,
    destinations: destinations.slice(0, -leaving),
    routes: routes.slice(0, -leaving),
    leaving: 0,
    // The slots of a service that all have left lead to one of those.
    ...(destinations.length === leaving && { ring: undefined, previous: undefined }),
  };
});
