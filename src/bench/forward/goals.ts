/** The goals for forwarding in nanoseconds a packet, above those of the bare MAC rewrite. Pure. */

import type { ForwardRow } from './job.js';

export interface ForwardGoal {
  readonly director: ForwardRow['director'];
  /** Above the bare MAC rewrite right before and after: the median over the rounds. */
  readonly ns: number;
  /** The most that the goal allows. */
  readonly most: number;
  readonly met: boolean;
}

/** Beeline in native mode: with an entry for every flow, and without. */
const MOST_NS: Readonly<Partial<Record<ForwardRow['director'], number>>> = { beeline: 10, 'beeline-moved': 10 };

/** Returns the goals whose directors were measured. */
export function forwardGoals(rows: readonly Pick<ForwardRow, 'director' | 'aboveMacRewriteNs'>[]): ForwardGoal[] {
  return rows.flatMap(({ director, aboveMacRewriteNs: ns }) => {
    const most = MOST_NS[director];
    return most === undefined ? [] : [{ director, ns, most, met: ns <= most }];
  });
}
