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
  const scaled = scale(weights);
  const { step, highest } = stepsOf(scaled);
  if (highest <= 0) {
    return new Uint16Array(0);
  }
  // The rounds in reverse, from the lowest weight that is asked for: each further one picks fewer.
  const rounds: number[][] = [];
  let taken = scaled.map((_, i) => i);
  for (let asked = 1; asked <= highest; asked += step) {
    taken = taken.filter((i) => scaled[i]! >= asked);
    rounds.push(taken);
  }
  const begin = (firstAsked(scaled) - 1) / step + 1;
  const picks = [...rounds.slice(0, begin).reverse(), ...rounds.slice(begin).reverse()].flat();
  return Uint16Array.from(picks);
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

/** IPVS's `cw` after all destinations were added (ip_vs_wrr_dest_changed). */
function firstAsked(weights: readonly number[]): number {
  let [asked, divisor, heaviest] = [0, 0, 0];
  for (const weight of weights.toReversed()) {
    divisor = greatestCommonDivisor(divisor, weight);
    heaviest = Math.max(heaviest, weight);
    const { step, highest } = steps(divisor, heaviest);
    if (asked > highest || asked === 0) {
      asked = Math.max(0, highest);
    } else if (step > 1) {
      asked = Math.floor(asked / step) * step + 1;
    }
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
