/** From the results of one check to a state: rise, fall and damping. Pure. */

import type { Damping, Judging } from '../model/index.js';
import type { Outcome } from './outcome.js';

/** What is known of one check of one real server. Plain data, so that the next daemon goes on with it. */
export interface CheckState {
  readonly isUp: boolean;
  /** When `isUp` last changed, in milliseconds since the machine started. */
  readonly since: number;
  /** The last result; undefined: the first check has not ended, and `isUp` is an assumption. */
  readonly last?: Outcome | undefined;
  /** How many of the last results in a row say the contrary of `isUp`. */
  readonly against: number;
  /** When it went down, as far as damping counts that; the newest last. */
  readonly downs: readonly number[];
  /** The last failed check, while damping holds the real server down; undefined: it does not. */
  readonly heldSince?: number | undefined;
}

/** Returns the state before the first check. @param now milliseconds since the machine started */
export function unchecked({ initially }: Pick<Judging, 'initially'>, now: number): CheckState {
  return { isUp: initially === 'up', since: now, against: 0, downs: [] };
}

/**
 * Returns the state after one more result.
 *
 * The first result decides at once: until then nothing is known, and neither an assumption nor patience would help. Later
 * ones need `rise` or `fall` in a row.
 *
 * @param now milliseconds since the machine started
 */
export function judge(
  state: CheckState,
  outcome: Outcome,
  { rise, fall, damping }: Pick<Judging, 'rise' | 'fall'> & { readonly damping?: Damping | undefined },
  now: number,
): CheckState {
  const isFirst = state.last === undefined;
  const after = { ...state, last: outcome };
  if (outcome.passed === state.isUp) {
    const isHeld = !outcome.passed && state.heldSince !== undefined;
    return { ...after, against: 0, ...(isHeld && { heldSince: now }) };
  }
  const against = state.against + 1;
  if (state.isUp) {
    return isFirst || against >= fall ? down(after, damping, now) : { ...after, against };
  }
  if (isFirst) {
    return up(after, now);
  }
  // Damping asks for time beside results. One that fails begins it anew, above.
  const isSteady = state.heldSince === undefined || now - state.heldSince >= (damping?.hold ?? 0) * 1000;
  return against >= rise && isSteady ? up(after, now) : { ...after, against };
}

function up(state: CheckState, now: number): CheckState {
  return { ...state, isUp: true, since: now, against: 0, heldSince: undefined };
}

function down(state: CheckState, damping: Damping | undefined, now: number): CheckState {
  const recent =
    damping === undefined ? [] : [...state.downs.filter((time) => now - time < damping.within * 1000), now];
  const isHeld = damping !== undefined && recent.length >= damping.changes;
  return { ...state, isUp: false, since: now, against: 0, downs: recent, heldSince: isHeld ? now : undefined };
}
