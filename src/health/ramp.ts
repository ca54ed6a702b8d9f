/** Slow start: the weight of a real server that came back grows from nearly nothing to its own. Pure. */

/** Weights grow in so many steps: each is a publication, and under maglev moves a part of the slots. */
export const STEPS = 16;

/**
 * How many units one of weight 1 counts while a service ramps. All weights of the service are multiplied by it, since
 * weights are whole numbers.
 */
export const UNITS = STEPS;

/**
 * Returns the share of its weight, in units, that a real server has.
 *
 * @param elapsedMs since it came up
 * @param seconds how long the ramp lasts; 0: there is none
 */
export function unitsAt(elapsedMs: number, seconds: number): number {
  const part = seconds <= 0 ? 1 : elapsedMs / (seconds * 1000);
  return Math.min(UNITS, Math.max(1, Math.floor(part * STEPS) + 1));
}

/** Returns after how many milliseconds since it came up the share changes next; undefined: never. */
export function nextStepMs(elapsedMs: number, seconds: number): number | undefined {
  const units = unitsAt(elapsedMs, seconds);
  return units >= UNITS ? undefined : (units * seconds * 1000) / STEPS;
}
