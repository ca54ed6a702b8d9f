/** The table of wrr: the picks of IPVS's weighted round robin, as a sequence that repeats. */

import { greatestCommonDivisor } from './ipvs-hash.js';

/** Longer sequences, of large weights without a common divisor, are replaced by shorter ones of nearly the same shares. */
export const MAX_SEQUENCE = 1 << 16;

/**
 * Returns the picks of IPVS's weighted round robin until they repeat (ip_vs_wrr_schedule). IPVS goes through the list
 * again and again, and each time picks the destinations of at least a certain weight, which falls from the highest to zero.
 *
 * The beginning depends on the order in which the destinations were added, as in IPVS, where that weight survives
 * changes. We assume that they were added one by one, with their present weights.
 *
 * @param weights in IPVS's order, the destination added last first
 * @returns indices into `weights`; empty when all are zero
 */
export function wrrSequence(weights: readonly number[]): Uint16Array {
  return Uint16Array.from(roundsOf(weights).flatMap(({ picks }) => picks));
}

/** One way of IPVS through the list. */
interface Round {
  /** The least weight of a destination that is picked: IPVS's `cw`. */
  readonly asked: number;
  readonly picks: readonly number[];
}

/** Returns the rounds of a sequence, in its order. */
function roundsOf(weights: readonly number[]): readonly Round[] {
  const scaled = scale(weights);
  const { step, highest } = stepsOf(scaled);
  if (highest <= 0) {
    return [];
  }
  // The rounds in reverse, from the lowest weight that is asked for: each further one picks fewer.
  const rounds: Round[] = [];
  let taken = scaled.map((_, i) => i);
  for (let asked = 1; asked <= highest; asked += step) {
    taken = taken.filter((i) => scaled[i]! >= asked);
    rounds.push({ asked, picks: taken });
  }
  const begin = (firstAsked(scaled) - 1) / step + 1;
  return [...rounds.slice(0, begin).reverse(), ...rounds.slice(begin).reverse()];
}

/** Returns the weight that was asked for at a place in the sequence: IPVS's `cw`. */
export function askedAt(weights: readonly number[], place: number): number {
  let end = 0;
  for (const { asked, picks } of roundsOf(weights)) {
    end += picks.length;
    if (place < end) {
      return asked;
    }
  }
  return 0;
}

/** Returns the place in the sequence where the round begins that asks for a weight; 0 if none does. */
export function roundBegin(weights: readonly number[], asked: number): number {
  let begin = 0;
  for (const round of roundsOf(weights)) {
    if (round.asked === asked) {
      return begin;
    }
    begin += round.picks.length;
  }
  return 0;
}

/** Returns the weight that IPVS asks for after a change of the destinations. */
export function askedAfter(asked: number, weights: readonly number[]): number {
  return changed(asked, stepsOf(scale(weights)));
}

/** ip_vs_wrr_dest_changed() in net/netfilter/ipvs/ip_vs_wrr.c. */
function changed(asked: number, { step, highest }: { readonly step: number; readonly highest: number }): number {
  if (asked > highest || asked === 0) {
    return Math.max(0, highest);
  }
  return step > 1 ? Math.floor(asked / step) * step + 1 : asked;
}

/** Returns the weight that IPVS asks for first if all destinations are there when the scheduler begins. */
export function askedFirst(weights: readonly number[]): number {
  return Math.max(0, stepsOf(scale(weights)).highest);
}

/** IPVS's `di` and `mw`: the step by which the weight that is asked for falls, and where it begins. */
function stepsOf(weights: readonly number[]): { step: number; highest: number } {
  return steps(
    weights.reduce(greatestCommonDivisor, 0),
    weights.reduce((most, weight) => Math.max(most, weight), 0),
  );
}

function steps(divisor: number, heaviest: number): { step: number; highest: number } {
  const step = divisor === 0 ? 1 : divisor;
  return { step, highest: heaviest - (step - 1) };
}

/** Returns the same if they were added one by one. */
export function askedAdded(weights: readonly number[]): number {
  return firstAsked(scale(weights));
}

function firstAsked(weights: readonly number[]): number {
  let [asked, divisor, heaviest] = [0, 0, 0];
  for (const weight of weights.toReversed()) {
    divisor = greatestCommonDivisor(divisor, weight);
    heaviest = Math.max(heaviest, weight);
    asked = changed(asked, steps(divisor, heaviest));
  }
  return asked;
}

/** Returns the weights, or smaller ones in nearly the same proportion if the sequence would be too long. */
function scale(weights: readonly number[]): number[] {
  const divisor = Math.max(1, weights.reduce(greatestCommonDivisor, 0));
  const sum = weights.reduce((total, weight) => total + weight / divisor, 0);
  if (sum <= MAX_SEQUENCE) {
    return [...weights];
  }
  const factor = (MAX_SEQUENCE - weights.length) / sum / divisor;
  return weights.map((weight) => (weight === 0 ? 0 : Math.max(1, Math.floor(weight * factor))));
}
