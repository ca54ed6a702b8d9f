/** Statistics, added up and per second as IPVS estimates that (net/netfilter/ipvs/ip_vs_est.c). Pure. */

import type { Statistics } from '../../control/index.js';

/** How often rates are estimated: IPVS's est_timer. */
export const ESTIMATE_MS = 2_000;

/** Which part of the difference between measured and estimated an estimate adopts: IPVS shifts by 2. */
const WEIGHT = 1 / 4;

export const NO_STATISTICS: Statistics = { connections: 0, packets: 0, bytes: 0 };

/** Computes each of the three numbers. */
export function statisticsOf(compute: (name: keyof Statistics) => number): Statistics {
  return { connections: compute('connections'), packets: compute('packets'), bytes: compute('bytes') };
}

export function add(a: Statistics, b: Statistics): Statistics {
  return statisticsOf((name) => a[name] + b[name]);
}

export function subtract(a: Statistics, b: Statistics): Statistics {
  return statisticsOf((name) => a[name] - b[name]);
}

/**
 * Returns what was counted between two readings. If a counter went down, all began from zero in other maps: then the
 * second reading is all that is known.
 */
export function growth(before: Statistics, now: Statistics): Statistics {
  const restarted = now.connections < before.connections || now.packets < before.packets || now.bytes < before.bytes;
  return restarted ? now : subtract(now, before);
}

/**
 * Returns the next estimate of a rate.
 *
 * @param counted since the last estimate
 * @param seconds since the last estimate; more than 0
 */
export function estimate(average: Statistics, counted: Statistics, seconds: number): Statistics {
  return statisticsOf((name) => average[name] + (counted[name] / seconds - average[name]) * WEIGHT);
}
