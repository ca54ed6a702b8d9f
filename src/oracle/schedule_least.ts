/** The schedulers lc, wlc, sed and nq, by the least overhead: the twin of bpf/schedule_least.h. */

import { type Candidates, first, leastForWeight, overheadOf } from './policy.js';

export function scheduleLeast(
  scheduler: 'lc' | 'wlc' | 'sed' | 'nq',
  { load, weights, taking }: Candidates,
): number | undefined {
  const overhead = (index: number): number => overheadOf(load(index));
  /** Flows, the one to come included (ip_vs_sed.c). */
  const withNext = (index: number): number => load(index).active + 1;
  switch (scheduler) {
    case 'lc':
      return first(taking, (a, b) => overhead(a) < overhead(b));
    case 'wlc':
      return leastForWeight(taking, weights, overhead);
    case 'sed':
      return leastForWeight(taking, weights, withNext);
    case 'nq':
      return taking.find((index) => load(index).active === 0) ?? leastForWeight(taking, weights, withNext);
  }
}
