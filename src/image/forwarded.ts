/** What the packets of a service follow, as far as it is the same on every director with the same model. Pure. */

import { createHash } from 'node:crypto';

import { compareIp, type ForwardedService, isHashing, policyOf } from '../model/index.js';
import { isHeld } from './held.js';
import type { CompiledService } from './image.js';

/** Real servers by address: MACs, interfaces and the order in which they were added are one director's own. */
export function forwardedBy(compiled: CompiledService): ForwardedService {
  const { service, name, destinations, routes } = compiled;
  const leaving = compiled.leaving ?? 0;
  const realServers = destinations
    .slice(0, destinations.length - leaving)
    .map(({ address, weight, upperThreshold, lowerThreshold, condition }, i) => {
      const route = routes[i]!;
      const reason = route.action === 'none' ? route.reason : condition?.reason;
      return {
        address,
        weight: route.action === 'none' && !isHeld(compiled, i) ? 0 : weight,
        ...(route.action === 'none' ? { reachable: false as const } : {}),
        ...(upperThreshold === undefined ? {} : { upperThreshold }),
        ...(lowerThreshold === undefined ? {} : { lowerThreshold }),
        ...(reason === undefined || reason === '' ? {} : { reason }),
      };
    })
    .sort((a, b) => compareIp(a.address, b.address));
  const table = tableOf(compiled);
  return { service: name, policy: policyOf(service), realServers, ...(table === undefined ? {} : { table }) };
}

/**
 * Returns the fingerprint of the table that a hash of flows is looked up in: which real server each slot leads to. Undefined for
 * schedulers without one: after a failover, they know no flow but those that were handed over.
 */
function tableOf({ service, destinations, ring, slots }: CompiledService): string | undefined {
  if (!isHashing(service.scheduler) || ring === undefined) {
    return undefined;
  }
  // Numbered by their addresses: one that has no slot changes nothing.
  const used = [...new Set(ring)].sort((a, b) => compareIp(destinations[a]!.address, destinations[b]!.address));
  const rank = new Uint16Array(destinations.length);
  used.forEach((index, place) => {
    rank[index] = place;
  });
  // After a change of its size, a ring is written with as many slots as the larger one had.
  const step = service.scheduler === 'maglev' ? Math.max(1, ring.length / slots) : 1;
  const ranks = Uint16Array.from({ length: ring.length / step }, (_, slot) => rank[ring[slot * step]!]!);
  const hash = createHash('sha256').update(new Uint8Array(ranks.buffer));
  hash.update(used.map((index) => destinations[index]!.address).join());
  return hash.digest('hex').slice(0, 16);
}
