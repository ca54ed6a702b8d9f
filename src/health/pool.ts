/** From the states of a service's real servers to what takes flows: failures, quorum, fallback, panic. Pure. */

import type { Destination, OnFailure, Quorum, WhenLost } from '../model/index.js';

/** How a service follows the states of its real servers. */
export interface PoolPolicy extends WhenLost {
  readonly onFailure: OnFailure;
  /** Default: one real server of whatever weight. */
  readonly quorum?: Quorum | undefined;
}

/** keepalived's default: a single real server of weight 1 is enough. */
const ONE: Quorum = { weight: 1 };

/**
 * Returns whether the quorum is met. With hysteresis it depends on whether it was met before: a sum between both limits
 * changes nothing (keepalived's update_quorum_state).
 *
 * @param weight the sum of the weights of the real servers that are up
 */
export function isQuorumMet(
  weight: number,
  { weight: wanted, hysteresis = 0 }: Quorum = ONE,
  wasMet: boolean,
): boolean {
  return wasMet ? weight > 0 && weight >= wanted - hysteresis : weight >= wanted + hysteresis;
}

/** Returns the sum of the weights of those that are up. */
export function weightUp(destinations: readonly Destination[], isUp: (destination: Destination) => boolean): number {
  return destinations.reduce((sum, each) => sum + (isUp(each) ? each.weight : 0), 0);
}

/**
 * Returns the destinations that packets follow. Those that nothing happens to are the same objects.
 *
 * While the quorum is lost and there is a fallback, new flows go there alone. Real servers that are up keep the flows that
 * they have: there is no reason to break those (keepalived removes them).
 */
export function poolOf(
  destinations: readonly Destination[],
  { onFailure, fallback = [], panic = false }: PoolPolicy,
  isUp: (destination: Destination) => boolean,
  quorumMet: boolean,
): readonly Destination[] {
  if (!quorumMet && panic) {
    return destinations;
  }
  const isReplaced = !quorumMet && fallback.length > 0;
  const kept = destinations.flatMap((each) => {
    if (!isUp(each)) {
      return onFailure === 'remove' ? [] : [quiet(each)];
    }
    return [isReplaced ? quiet(each) : each];
  });
  if (!isReplaced) {
    return kept.length === destinations.length && kept.every((each, i) => each === destinations[i])
      ? destinations
      : kept;
  }
  // One of the pool may be its fallback too: it takes new flows then, whatever its checks say.
  const stays = kept.filter(({ address }) => !fallback.includes(address));
  const found = new Map(destinations.map((each) => [each.address, each]));
  return [...stays, ...fallback.map((address) => ({ ...found.get(address), address, weight: 1 }))];
}

function quiet(destination: Destination): Destination {
  return destination.weight === 0 ? destination : { ...destination, weight: 0 };
}
