/** Judges a plan by the limit that a command gave. Pure. */

import { BeelineError } from '../model/index.js';
import type { PlanReport } from './protocol.js';

/**
 * Refuses a plan that moves too many slots.
 *
 * @param maxMoved as a share of all slots, 0 to 1
 * @throws BeelineError `MAX_MOVED`
 */
export function requireAtMost(maxMoved: number, { moved }: Pick<PlanReport, 'moved'>): void {
  if (moved > maxMoved) {
    const percent = (share: number): string => `${Number((100 * share).toFixed(2))} %`;
    throw new BeelineError('MAX_MOVED', `${percent(moved)} of all slots would move, more than ${percent(maxMoved)}`, {
      hint: 'Nothing was changed. "beeline plan" says which; --max-moved is the limit.',
    });
  }
}
