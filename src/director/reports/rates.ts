/** How much comes a second, as IPVS estimates it (net/netfilter/ipvs/ip_vs_est.c). Pure. */

import type { Traffic } from '../../control/index.js';

/** How often an estimate follows what was counted: IPVS's est_timer. */
export const ESTIMATE_MS = 2_000;

/** How much of the difference between what came and what was expected an estimate takes over: IPVS shifts by 2. */
const WEIGHT = 1 / 4;

export const NO_TRAFFIC: Traffic = { connections: 0, packets: 0, bytes: 0 };

/** Works on each of the figures. */
export function figures(work: (name: keyof Traffic) => number): Traffic {
  return { connections: work('connections'), packets: work('packets'), bytes: work('bytes') };
}

export function add(a: Traffic, b: Traffic): Traffic {
  return figures((name) => a[name] + b[name]);
}

/**
 * What was counted between two readings. Counters that are below what they were began anew from zero, in other maps:
 * what they have now is all that is known.
 */
export function growth(before: Traffic, now: Traffic): Traffic {
  const anew = now.connections < before.connections || now.packets < before.packets || now.bytes < before.bytes;
  return anew ? now : figures((name) => now[name] - before[name]);
}

/**
 * The next estimate.
 *
 * @param counted since the last one
 * @param seconds since the last one; more than 0
 */
export function estimate(average: Traffic, counted: Traffic, seconds: number): Traffic {
  return figures((name) => average[name] + (counted[name] / seconds - average[name]) * WEIGHT);
}
