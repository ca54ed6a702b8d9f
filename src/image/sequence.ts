/** Round robin, plain and weighted, as the sequence of picks that repeats: rr's and wrr's tables. */

import { greatestCommonDivisor } from './ipvs-hash.js';

/** Longer patterns, of large weights without a common divisor, are replaced by shorter ones of nearly the same shares. */
export const MAX_SEQUENCE = 1 << 16;

/**
 * The picks of IPVS's weighted round robin, until they repeat (ip_vs_wrr_schedule): again and again through the list,
 * each time taking the destinations of at least some weight, which falls from the highest to nothing.
 *
 * Where the pattern begins depends on the order in which the destinations came, as in IPVS: the weight that is asked for
 * is kept from change to change. All are taken to have been added one by one, with the weights that they have now.
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
  // Who is taken, from the round that asks for least: each further one asks for more, and looks at fewer.
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

/** IPVS's `di` and `mw`: by how much the weight asked for falls, and what it begins with. */
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

/** IPVS's `cw` after all were added (ip_vs_wrr_dest_changed). */
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

/** Weights as they are, or smaller ones in nearly the same proportion when their pattern would be too long. */
function scale(weights: readonly number[]): number[] {
  const divisor = Math.max(1, weights.reduce(greatestCommonDivisor, 0));
  const sum = weights.reduce((total, weight) => total + weight / divisor, 0);
  if (sum <= MAX_SEQUENCE) {
    return [...weights];
  }
  const factor = (MAX_SEQUENCE - weights.length) / sum / divisor;
  return weights.map((weight) => (weight === 0 ? 0 : Math.max(1, Math.floor(weight * factor))));
}
