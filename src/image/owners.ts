/** Owners: which member of an epoch gets the new flows of each slot of its ring. */

import type { CompiledService } from './image.js';
import { isInRing } from './held.js';
import type { Epoch } from './epoch.js';
import { SH_SLOTS } from './ipvs-hash.js';
import { MAX_MEMBERS } from './ring.js';
import { rebuildRing } from './rings.js';

type Members = Epoch['members'];

/** By slot, an index among the epoch's members, or NOBODY. */
export type Owners = Uint16Array;

export const NOBODY = MAX_MEMBERS + 1;

/** By the list of members, which an epoch keeps when it is copied. */
const known = new WeakMap<Members, Owners>();

/**
 * Notes the ring that `compile` has built of an epoch's members already: a large one takes a tenth of a second. Only
 * maglev's are large.
 */
export function rememberRing(members: Members, { service, destinations, routes, ring }: CompiledService): void {
  if (service.scheduler !== 'maglev' || ring === undefined) {
    return;
  }
  const memberOf = new Uint16Array(destinations.length);
  let next = 0;
  destinations.forEach((each, i) => {
    if (isInRing(each, routes[i]!)) {
      memberOf[i] = next;
      next += 1;
    }
  });
  known.set(
    members,
    ring.map((index) => memberOf[index]!),
  );
}

export function ownersOf(epoch: Epoch): Owners {
  let owners = known.get(epoch.members);
  if (owners === undefined) {
    const ring = rebuildRing(epoch) ?? new Uint16Array(0);
    // Only sh leads to members of weight 0.
    owners = epoch.scheduler === 'sh' ? ring.map((_, slot) => ownerUnderSh(epoch, ring, slot)) : ring;
    known.set(epoch.members, owners);
  }
  return owners;
}

/**
 * Returns which member gets a slot's new flows under sh, which is not always the one that the slot leads to: a member of
 * weight 0 keeps its slots, whose new flows go to none, or with sh-fallback to the next.
 */
function ownerUnderSh({ members, flags }: Epoch, ring: Uint16Array, slot: number): number {
  const takes = (each: number): boolean => members[ring[each]!]![1] > 0;
  if (takes(slot) || !flags.includes('sh-fallback')) {
    return takes(slot) ? ring[slot]! : NOBODY;
  }
  const step = ring.findIndex((_, each) => takes((each + 2 * slot) % SH_SLOTS));
  return step < 0 ? NOBODY : ring[(step + 2 * slot) % SH_SLOTS]!;
}
