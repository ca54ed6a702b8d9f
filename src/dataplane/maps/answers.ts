/** The limits of the director's ICMP errors: the settings in struct answers. What is left of them the program counts. */

import * as layout from '../../layout/index.js';
import type { IcmpLimits } from '../../model/index.js';
import type { MapMemory } from './memory.js';

const NO_LIMITS: IcmpLimits = { intervalMs: { 4: 0, 6: 0 }, limitedTypes: { 4: 0, 6: 0 }, perSecond: 0, burst: 0 };
const US_PER_SECOND = 1_000_000;
/** Longer than any test or attack: no error a second at all. */
const NEVER_US = 0xffff_ffff;

export function setAnswerLimits(memory: MapMemory, limits: IcmpLimits = NO_LIMITS): void {
  const { intervalMs, limitedTypes, allIntervalUs, allBurst, all, client } = layout.answers;
  const words = memory.mapping('answers');
  /** Returns whether the setting is lower now. */
  const set = (offset: number, value: number): boolean => {
    const before = words.load32(offset);
    words.store32(offset, value);
    return value < before;
  };
  const intervals = [limits.intervalMs[4], limits.intervalMs[6]];
  const isShorter = intervals.map((interval, i) => set(intervalMs.offset + i * intervalMs.stride, interval));
  [limits.limitedTypes[4], limits.limitedTypes[6]].forEach((types, i) => {
    words.store32(limitedTypes.offset + i * limitedTypes.stride, types);
  });
  const { perSecond } = limits;
  const isFaster = set(allIntervalUs.offset, perSecond === 0 ? NEVER_US : Math.ceil(US_PER_SECOND / perSecond));
  const isSmaller = set(allBurst.offset, limits.burst);
  // A bucket says when it is full: at the old pace, that may be hours from now. The program cannot look for such times,
  // since in a flood another CPU may have stored one that is a little later than this CPU's clock allows, too.
  if (isShorter.includes(true)) {
    memory.zero('answers', 0, client.offset, client.size);
  }
  if (isFaster || isSmaller) {
    memory.zero('answers', 0, all.offset, all.size);
  }
}
