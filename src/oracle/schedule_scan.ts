/** The schedulers fo, ovf, lblc and lblcr: the twin of bpf/schedule_scan.h. */

import { type Candidates, first, leastForWeight, overheadOf, type Scheduled, type SchedulerState } from './policy.js';

/** fo: the heaviest destination. ovf: the heaviest one that has no more flows than its weight. */
export function scheduleHeaviest(scheduler: 'fo' | 'ovf', { load, weights, taking }: Candidates): number | undefined {
  const among = scheduler === 'fo' ? taking : taking.filter((index) => load(index).active <= weights[index]!);
  return first(among, (a, b) => weights[a]! > weights[b]!);
}

/**
 * lblc and lblcr: a destination in use, unless it has more flows than its weight while another is half idle.
 *
 * @param join lblcr: puts a destination among those in use, as the last of them
 */
export function scheduleInUse(
  scheduler: 'lblc' | 'lblcr',
  { reachable }: Scheduled,
  { load, weights, taking }: Candidates,
  state: SchedulerState,
  join: (index: number) => void,
): number | undefined {
  const overhead = (index: number): number => overheadOf(load(index));
  const inUse = taking.filter((index) => (scheduler === 'lblc' ? index === state.cached : load(index).member));
  // Among equals, the one that joined last.
  const kept = leastForWeight(
    inUse.sort((a, b) => load(b).member - load(a).member),
    weights,
    overhead,
  );
  const idle = weights.some((weight, index) => reachable[index]! && load(index).active * 2 < weight);
  if (kept !== undefined && !(load(kept).active > weights[kept]! && idle)) {
    return kept;
  }
  const chosen = leastForWeight(taking, weights, overhead);
  state.cached = chosen;
  if (chosen !== undefined && scheduler === 'lblcr' && load(chosen).member === 0) {
    join(chosen);
  }
  return chosen;
}
