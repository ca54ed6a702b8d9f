/** The scheduler twos, two weighted draws of which the less loaded wins: the twin of bpf/schedule_twos.h. */

import { mix } from './hash.js';
import { type Candidates, overheadOf, type SchedulerState } from './policy.js';

export function scheduleTwos({ load, weights, taking }: Candidates, state: SchedulerState): number | undefined {
  if (taking.length === 0) {
    return undefined;
  }
  state.count += 1n;
  const random = mix(state.count);
  const again = mix(random ^ (random >> 32n));
  const sum = taking.reduce((total, index) => total + weights[index]!, 0);
  const draw = (bits: bigint): number => {
    let left = Number(((bits >> 32n) * BigInt(sum + 1)) >> 32n);
    return taking.find((index) => (left -= weights[index]!) <= 0)!;
  };
  const [one, other] = [draw(random), draw(again)];
  const overhead = (index: number): number => overheadOf(load(index));
  return weights[one]! * overhead(other) < weights[other]! * overhead(one) ? other : one;
}
