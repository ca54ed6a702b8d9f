/** The limits of the director's ICMP errors: the settings in struct answers. What is left of them is the program's. */

import * as layout from '../../layout/index.js';
import type { IcmpLimits } from '../../model/index.js';
import type { MapMemory } from './memory.js';

const NO_LIMITS: IcmpLimits = { intervalMs: { 4: 0, 6: 0 }, limitedTypes: { 4: 0, 6: 0 }, perSecond: 0, burst: 0 };
const US_PER_SECOND = 1_000_000;
/** Longer than any test or attack: no error a second at all. */
const NEVER_US = 0xffff_ffff;

export function setAnswerLimits(memory: MapMemory, limits: IcmpLimits = NO_LIMITS): void {
  const { intervalMs, limitedTypes, allIntervalUs, allBurst } = layout.answers;
  const words = memory.mapping('answers');
  [limits.intervalMs[4], limits.intervalMs[6]].forEach((interval, i) => {
    words.store32(intervalMs.offset + i * intervalMs.stride, interval);
  });
  [limits.limitedTypes[4], limits.limitedTypes[6]].forEach((types, i) => {
    words.store32(limitedTypes.offset + i * limitedTypes.stride, types);
  });
  const { perSecond } = limits;
  words.store32(allIntervalUs.offset, perSecond === 0 ? NEVER_US : Math.ceil(US_PER_SECOND / perSecond));
  words.store32(allBurst.offset, limits.burst);
}
