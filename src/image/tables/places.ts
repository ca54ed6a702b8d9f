/** Places: where each ring and each service's destinations begin in their tables. */

import { MIN_SLOTS } from '../../model/index.js';
import type { CompiledService, Image } from '../image.js';
import type { Numbering } from '../numbering.js';
import type { Ring } from '../ring.js';

export interface Places {
  readonly rings: ReadonlyMap<Ring, number>;
  /** The previous owners of each ring that has moved slots. They follow the ring in the table. */
  readonly previous: ReadonlyMap<Ring, Uint16Array>;
  /** By service name. */
  readonly destinations: ReadonlyMap<string, number>;
}

/** The place of a service without a ring: slots that always hold 0, and destination 0, which is none. */
export const EMPTY_PLACE = { ring: 0, shift: 63, slots: MIN_SLOTS, first: 0 };

/** Places rings and destinations in the order of the services' numbers: a new one, with the highest, moves no other. */
export function placeTables(image: Image, numbering: Numbering): Places {
  const byNumber = image.services
    .map((compiled) => ({ compiled, number: numbering.get(compiled.name)!.number }))
    .sort((a, b) => a.number - b.number)
    .map(({ compiled }) => compiled);
  const rings = new Map<Ring, number>();
  const previous = new Map<Ring, Uint16Array>();
  let slot = EMPTY_PLACE.slots;
  for (const owner of ringsOf(byNumber)) {
    rings.set(owner.ring, slot);
    slot += slotsOf(owner);
    if (owner.previous !== undefined) {
      previous.set(owner.ring, owner.previous);
    }
  }
  const destinations = new Map<string, number>();
  let index = EMPTY_PLACE.first + 1;
  for (const { name, destinations: ofService } of byNumber) {
    destinations.set(name, index);
    index += ofService.length;
  }
  return { rings, previous, destinations };
}

/** Returns how many slots all rings need together. */
export function poolSlots(services: readonly CompiledService[]): number {
  return ringsOf(services).reduce((sum, owner) => sum + slotsOf(owner), EMPTY_PLACE.slots);
}

type RingOwner = Pick<CompiledService, 'previous'> & { readonly ring: Ring };

/** Returns each ring once, with the previous owners that one of its services has. */
function ringsOf(services: readonly CompiledService[]): RingOwner[] {
  const owners = new Map<Ring, RingOwner>();
  for (const { ring, previous } of services) {
    if (ring !== undefined && !owners.has(ring)) {
      owners.set(ring, { ring, previous });
    }
  }
  return [...owners.values()];
}

function slotsOf({ ring, previous }: RingOwner): number {
  return ring.length + (previous?.length ?? 0);
}
