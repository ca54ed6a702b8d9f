/** The Maglev ring: which member answers for which slot, the same on every director that knows the same members. */

import { MAX_SLOTS, MIN_SLOTS } from '../model/index.js';

/** One candidate for slots. */
export interface RingMember {
  /** What the ring depends on: the same key gets the same slots everywhere. Unique within a ring. */
  readonly key: Uint8Array;
  /** Its share of the slots relative to the others'; at least 1, at most 2^31 - 1. */
  readonly weight: number;
}

/** Slot to ordinal: the member's place among the members as they were given. */
export type Ring = Uint16Array;

/** As many as a slot, 16 bits, can tell apart; two values say of moved slots what is no member. */
export const MAX_MEMBERS = 0xfffe;

/** Turns after which the rest of the slots is handed out without a contest, in units of the slots. */
const CONTEST_TURNS = 8;

/**
 * Fills a ring by Maglev's method (Eisenbud et al., NSDI 2016, section 3.4) with three changes:
 *
 * - Sizes are powers of two, so that a slot is found by a shift. The permutation `offset + i * skip` still visits every
 *   slot, because an odd skip is coprime to 2^k.
 * - Every member has a quota, its exact share rounded, so shares are within one slot of the weights.
 * - A member whose next slot is taken waits for its next turn instead of searching on. A slot thus goes to whoever ranks
 *   it highest, nearly independent of the others, and removing one of n members moves half as many of the others' slots
 *   as Maglev does (docs/adr/0004 has the figures).
 *
 * @param members in an order that is the same everywhere, for example sorted by key; at most 65,535 and at most `slots`
 * @param slots a power of two
 * @throws RangeError when there are more members than slots, or none
 */
export function buildRing(members: readonly RingMember[], slots: number): Ring {
  if (members.length === 0 || members.length > slots || members.length > MAX_MEMBERS) {
    throw new RangeError(`a ring of ${slots} slots cannot have ${members.length} members`);
  }
  if (slots < MIN_SLOTS || slots > MAX_SLOTS || !Number.isInteger(Math.log2(slots))) {
    throw new RangeError(`${slots} is not a power of two within ${MIN_SLOTS}..${MAX_SLOTS}`);
  }
  const ring = new Uint16Array(slots);
  if (members.length === 1) {
    return ring;
  }
  const mask = slots - 1;
  const open = quotas(members, slots);
  const next = new Uint32Array(members.length);
  const skip = new Uint32Array(members.length);
  members.forEach(({ key }, i) => {
    next[i] = hashBytes(key, OFFSET_SEED) & mask;
    skip[i] = hashBytes(key, SKIP_SEED) | 1;
  });

  const taken = new Uint8Array(slots);
  let free = slots;
  const take = (slot: number, i: number): void => {
    taken[slot] = 1;
    ring[slot] = i;
    open[i]! -= 1;
    free -= 1;
  };
  const advance = (i: number): number => {
    const slot = next[i]!;
    next[i] = (slot + skip[i]!) & mask;
    return slot;
  };

  // The contest. Members of the same weight have their turns together: those of half the heaviest's weight every other
  // round, and so on.
  const groups = groupByWeight(members);
  const heaviest = groups[0]!.weight;
  const sum = members.reduce((total, { weight }) => total + weight, 0);
  const rounds = (CONTEST_TURNS * slots * heaviest) / sum;
  let waiting = groups;
  for (let round = 0; free > 0 && round < rounds;) {
    const step = roundsToTurn(waiting, heaviest);
    round += step;
    let served = false;
    for (const group of waiting) {
      group.credit += group.weight * step;
      if (group.credit < heaviest) {
        continue;
      }
      group.credit -= heaviest;
      let full = false;
      for (const i of group.ordinals) {
        const slot = advance(i);
        if (taken[slot] === 0) {
          take(slot, i);
          full ||= open[i] === 0;
        }
      }
      if (full) {
        group.ordinals = group.ordinals.filter((i) => open[i]! > 0);
        served ||= group.ordinals.length === 0;
      }
    }
    if (served) {
      waiting = waiting.filter(({ ordinals }) => ordinals.length > 0);
    }
  }

  // The rest, a few slots in ten thousand: each member with room takes the next free ones of its permutation.
  for (const i of groups.flatMap(({ ordinals }) => ordinals)) {
    while (open[i]! > 0) {
      const slot = advance(i);
      if (taken[slot] === 0) {
        take(slot, i);
      }
    }
  }
  return ring;
}

/** In how many rounds some group has a turn: many, when the heaviest have all their slots and the others are light. */
function roundsToTurn(waiting: readonly WeightGroup[], heaviest: number): number {
  let least = Infinity;
  for (const { weight, credit } of waiting) {
    least = Math.min(least, Math.ceil((heaviest - credit) / weight));
    if (least === 1) {
      break;
    }
  }
  return least;
}

interface WeightGroup {
  readonly weight: number;
  /** Grows by the weight each round; a turn costs the heaviest's weight. */
  credit: number;
  /** The members with room left. */
  ordinals: number[];
}

/** Heaviest first. */
function groupByWeight(members: readonly RingMember[]): WeightGroup[] {
  const groups = new Map<number, WeightGroup>();
  members.forEach(({ weight }, i) => {
    const group = groups.get(weight);
    if (group === undefined) {
      groups.set(weight, { weight, credit: 0, ordinals: [i] });
    } else {
      group.ordinals.push(i);
    }
  });
  return [...groups.values()].sort((a, b) => b.weight - a.weight);
}

/**
 * How many slots each member gets: `slots * weight / sum`, rounded so that the sum is exact (largest remainder), and at
 * least one each, so that a small weight among large ones is served at all.
 */
export function quotas(members: readonly RingMember[], slots: number): Uint32Array {
  const sum = members.reduce((total, { weight }) => total + weight, 0);
  const exact = members.map(({ weight }) => (slots * weight) / sum);
  const result = Uint32Array.from(exact, (share) => Math.max(1, Math.floor(share)));
  let missing = slots - result.reduce((total, quota) => total + quota, 0);

  const byRemainder = exact
    .map((share, i) => ({ i, remainder: share - Math.floor(share) }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i);
  for (const { i } of byRemainder) {
    if (missing <= 0) {
      break;
    }
    if (exact[i]! >= 1) {
      result[i]! += 1;
      missing -= 1;
    }
  }
  // The guaranteed ones came from nowhere: the largest give them.
  return missing < 0 ? levelled(result, -missing) : result;
}

/** Takes `surplus` away from the largest, one after another: they end up at the same height, give or take one. */
function levelled(quota: Uint32Array, surplus: number): Uint32Array {
  const above = (level: number): number => quota.reduce((sum, each) => sum + Math.max(0, each - level), 0);
  let [low, high] = [0, quota.reduce((most, each) => Math.max(most, each), 0)];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    [low, high] = above(middle) >= surplus ? [middle, high] : [low, middle - 1];
  }
  let spare = above(low) - surplus;
  return quota.map((each) => {
    if (each <= low) {
      return each;
    }
    spare -= 1;
    return spare >= 0 ? low + 1 : low;
  });
}

/** Any two constants do, as long as every director has the same. */
const OFFSET_SEED = 0x6f666673;
const SKIP_SEED = 0x736b6970;

/** MurmurHash3's 32-bit variant (Appleby, 2011), byte-wise at the end; keys are 4 or 16 bytes. */
export function hashBytes(bytes: Uint8Array, seed: number): number {
  let hash = seed;
  const words = bytes.length >> 2;
  for (let i = 0; i < words; i += 1) {
    const at = i * 4;
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    word = Math.imul(word, 0xcc9e2d51);
    word = (word << 15) | (word >>> 17);
    hash ^= Math.imul(word, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let i = bytes.length - 1; i >= words * 4; i -= 1) {
    tail = (tail << 8) | bytes[i]!;
  }
  if (bytes.length % 4 !== 0) {
    tail = Math.imul(tail, 0xcc9e2d51);
    tail = (tail << 15) | (tail >>> 17);
    hash ^= Math.imul(tail, 0x1b873593);
  }
  hash ^= bytes.length;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
