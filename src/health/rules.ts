/** The part of the room that decides and makes no checks: a director whose real servers are not checked loads nothing else of it. */

export { type Advice, ADVISED_STATES } from './advice.js';
export type { Transition, NowReport } from './engine/events.js';
export type { KeptHealth, KeptServer } from './engine/kept.js';
export { type CheckState } from './judge.js';
export { LAYERS, type Outcome, outcomeText } from './outcome.js';
export { isAvailable, isQuorumMet, type PoolPolicy, poolOf, type ServerView, type ViewOf, weightUp } from './pool.js';
export { nextStepMs, STEPS, UNITS, unitsAt } from './ramp.js';
export type { CheckReport, HealthOf, ServerHealth } from './states.js';
export { adviceText } from './slow/advice-words.js';
