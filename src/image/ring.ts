/** The Maglev ring: which member owns which slot. All directors that know the same members build the same ring. */

import { MAX_SLOTS, MIN_SLOTS } from '../model/index.js';

/** A member that competes for slots. */
export interface RingMember {
  /** Identifies the member: the same key gets the same slots on every director. Unique within a ring. */
  readonly key: Uint8Array;
  /** Its share of the slots relative to the others'; at least 1, at most 2^31 - 1. */
  readonly weight: number;
}

/** Slot to ordinal: the member's place among the members as they were given. */
export type Ring = Uint16Array;

/** As many as the 16 bits of a slot can number; two values have a meaning for moved slots. */
export const MAX_MEMBERS = 0xfffe;

/** After this many turns, in units of the slots, the remaining slots are given out without a contest. */
const CONTEST_TURNS = 8;

/**
 * Fills a ring by Maglev's method (Eisenbud et al., NSDI 2016, section 3.4) with three changes:
 *
 * - Sizes are powers of two, so that a slot is found by a shift. The permutation `offset + i * skip` still visits every
 *   slot, because an odd skip is coprime to 2^k.
 * - Every member has a quota, its exact share rounded, so shares are within one slot of the weights.
 * - A member whose next slot is taken waits for its next turn instead of searching on. Each slot thus goes to the member
 *   that ranks it highest, nearly independently of the others, and removing one of n members moves half as many of the
 *   others' slots as Maglev does (docs/adr/0004 has the figures).
 *
 * @param members in an order that is the same everywhere, for example sorted by key; at most 65,534 and at most `slots`
 * @param slots a power of two
 * @throws RangeError if there are more members than slots, or none
 */
export function buildRing(members: readonly RingMember[], slots: number): Ring {
  if (members.length === 0 || members.length > slots || members.length > MAX_MEMBERS) {
    throw new RangeError(`a ring of ${slots} slots cannot have ${members.length} members`);
  }
  if (slots < MIN_SLOTS || slots > MAX_SLOTS || !Number.isInteger(Math.log2(slots))) {
    throw new RangeError(`${slots} is not a power of two within ${MIN_SLOTS}..${MAX_SLOTS}`);
  }
  if (members.length === 1) {
    return new Uint16Array(slots);
  }
  const filling = new Filling(members, slots);
  const groups = groupByWeight(members);
  const sum = members.reduce((total, { weight }) => total + weight, 0);
  runContest(filling, groups, (CONTEST_TURNS * slots * groups[0]!.weight) / sum);

  // The rest, a few slots in ten thousand: each member with room takes the next free ones of its permutation.
  for (const member of groups.flatMap(({ ordinals }) => ordinals)) {
    while (filling.hasRoom(member)) {
      filling.tryNext(member);
    }
  }
  return filling.ring;
}

/** A ring that is being filled: its free slots, and each member's quota and place in its permutation. */
class Filling {
  readonly ring: Ring;
  free: number;
  readonly #taken: Uint8Array;
  readonly #open: Uint32Array;
  readonly #next: Uint32Array;
  readonly #skip: Uint32Array;

  constructor(members: readonly RingMember[], slots: number) {
    this.ring = new Uint16Array(slots);
    this.free = slots;
    this.#taken = new Uint8Array(slots);
    this.#open = quotas(members, slots);
    this.#next = Uint32Array.from(members, ({ key }) => hashBytes(key, OFFSET_SEED) & (slots - 1));
    this.#skip = Uint32Array.from(members, ({ key }) => hashBytes(key, SKIP_SEED) | 1);
  }

  /** Whether a member has not reached its quota. */
  hasRoom(member: number): boolean {
    return this.#open[member]! > 0;
  }

  /** Gives a member the next slot of its permutation, if that is free. */
  tryNext(member: number): void {
    const slot = this.#next[member]!;
    this.#next[member] = (slot + this.#skip[member]!) & (this.ring.length - 1);
    if (this.#taken[slot] === 0) {
      this.#taken[slot] = 1;
      this.ring[slot] = member;
      this.#open[member]! -= 1;
      this.free -= 1;
    }
  }
}

/**
 * Lets the members take turns. Members of the same weight have their turns together: those of half the heaviest's weight
 * every other round, and so on.
 *
 * @param groups heaviest first; afterwards their `ordinals` are the members with room left
 */
function runContest(filling: Filling, groups: readonly WeightGroup[], rounds: number): void {
  const heaviest = groups[0]!.weight;
  let waiting = groups;
  for (let round = 0; filling.free > 0 && round < rounds;) {
    const step = roundsToTurn(waiting, heaviest);
    round += step;
    let isServed = false;
    for (const group of waiting) {
      group.credit += group.weight * step;
      if (group.credit < heaviest) {
        continue;
      }
      group.credit -= heaviest;
      let isFull = false;
      for (const member of group.ordinals) {
        filling.tryNext(member);
        isFull ||= !filling.hasRoom(member);
      }
      if (isFull) {
        group.ordinals = group.ordinals.filter((member) => filling.hasRoom(member));
        isServed ||= group.ordinals.length === 0;
      }
    }
    if (isServed) {
      waiting = waiting.filter(({ ordinals }) => ordinals.length > 0);
    }
  }
}

/** Returns after how many rounds a group has a turn: many, if the heaviest have all their slots and the others are light. */
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
 * Returns how many slots each member gets: `slots * weight / sum`, rounded so that the sum is exact (largest remainder),
 * and at least one each, so that a small weight among large ones is served at all.
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
  // The guaranteed slots are taken from the largest members.
  return missing < 0 ? levelled(result, -missing) : result;
}

/** Takes `surplus` from the largest, one after another, until they are equal but for one. */
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

/** Arbitrary constants, but the same on every director. */
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
