/** Medians, percentiles and spreads, and which measurements other load disturbed. Pure. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Returns median, lowest and highest value. @throws RangeError for no values */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) {
    throw new RangeError('no values to take the median of');
  }
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** Returns the mean of the middle half: as robust as the median, and finer where the values are whole numbers. */
export function midmean(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const cut = Math.floor(sorted.length / 4);
  const middle = sorted.slice(cut, sorted.length - cut);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/**
 * Returns the smallest value that at least `share` of all values do not exceed (nearest rank).
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

/** The cost of a path, and of its floor right before and right after it. */
export interface Sample {
  readonly own: number;
  readonly before: number;
  readonly after: number;
}

/** The most that a floor may cost in a measurement that counts, as a multiple of the run's quietest floor. */
export const QUIET = 1.1;

export interface Judgement {
  /** The samples that count. */
  readonly samples: readonly Sample[];
  /** The number of samples that other load disturbed. */
  readonly disturbed: number;
}

/**
 * Separates samples of a quiet machine from disturbed ones by their floors alone. The path's cost never decides whether a
 * sample counts, so that no slow path is discarded because it is slow.
 *
 * If fewer than half of the `wanted` samples were quiet, the half with the quietest floors counts.
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
