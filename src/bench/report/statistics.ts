/** Medians, percentiles and spreads; and which measurements a noisy machine spoilt. Pure. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @throws RangeError for no values */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) {
    throw new RangeError('no values to take the median of');
  }
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** The mean of the middle half: as robust as the median, and finer where the values are whole numbers. */
export function midmean(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const cut = Math.floor(sorted.length / 4);
  const middle = sorted.slice(cut, sorted.length - cut);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/**
 * The smallest value that at least `share` of all values do not exceed (nearest rank).
 *
 * @param sorted ascending, not empty
 * @param share above 0, up to 1
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** What something cost, and what its floor cost right before and right after it. */
export interface Sample {
  readonly own: number;
  readonly before: number;
  readonly after: number;
}

/** By how much a floor may exceed the run's quietest one in a measurement that counts. */
export const QUIET = 1.1;

export interface Judgement {
  /** What counts. */
  readonly samples: readonly Sample[];
  /** How many measurements the machine disturbed. */
  readonly disturbed: number;
}

/**
 * Separates what was measured on a quiet machine from what was not, by the floors alone: a measurement's own figure never
 * decides whether it counts, so nothing slow is thrown away because it was slow.
 *
 * Where fewer than half of the `wanted` measurements were quiet, that half with the quietest floors counts.
 *
 * @param quietest the lowest floor of the whole run
 */
export function judge(samples: readonly Sample[], quietest: number, wanted: number): Judgement {
  const byFloor = [...samples].sort((a, b) => worstFloor(a) - worstFloor(b));
  const quiet = byFloor.filter((sample) => worstFloor(sample) <= quietest * QUIET).length;
  return { samples: byFloor.slice(0, Math.max(quiet, Math.ceil(wanted / 2))), disturbed: samples.length - quiet };
}

function worstFloor({ before, after }: Sample): number {
  return Math.max(before, after);
}
