/** Health checks: what their results mean for real servers and services. Changes no table: overlays do. */

export { Agenda, dueAgain, firstDue, type Pace } from './agenda.js';
export { type CheckState, judge, unchecked } from './judge.js';
export { type Layer, LAYERS, type Outcome, outcomeText } from './outcome.js';
export { isQuorumMet, type PoolPolicy, poolOf, weightUp } from './pool.js';
export { nextStepMs, STEPS, UNITS, unitsAt } from './ramp.js';
export { DIALOGUES } from './kinds/dialogue.js';
export { talksOf } from './kinds/index.js';
export type { Ending, Judgement, Talk, Target, Turn, Until } from './kinds/kind.js';
