/** Health checks: how a check reaches a VIP on one real server, what makes checks, and what results mean. */

export { type Advice, ADVISED_STATES, type AdvisedState } from './advice.js';
export { Agenda, dueAgain, firstDue, type Pace } from './agenda.js';
export { Checker } from './checker.js';
export type { CheckerOptions, CheckerUsage } from './engine/options.js';
export type { NowReport, Transition } from './engine/events.js';
export type { StepReport } from './engine/exchange.js';
export type { KeptCheck, KeptHealth, KeptServer } from './engine/kept.js';
export type { WayNetwork } from './engine/ways.js';
export {
  contentOf,
  EVENT_VERSION,
  type EventContent,
  HEALTH_EVENTS,
  type HealthEvent,
  healthEvent,
  type HealthEventDetails,
  type HealthEventType,
  Hooks,
  type HooksOptions,
} from './hooks/index.js';
export { type CheckState, judge, unchecked } from './judge.js';
export { DIALOGUES } from './kinds/dialogue.js';
export { talksOf } from './kinds/index.js';
export type { Ending, HttpHead, Judgement, Talk, Target, Turn, Until } from './kinds/kind.js';
export { type Layer, LAYERS, type Outcome, outcomeText } from './outcome.js';
export { isAvailable, isQuorumMet, type PoolPolicy, poolOf, type ServerView, type ViewOf, weightUp } from './pool.js';
export { nextStepMs, STEPS, UNITS, unitsAt } from './ramp.js';
export { parseAdvice } from './slow/advice-words.js';
export { checkEnvironment } from './slow/environment.js';
export { runSlow } from './slow/index.js';
export type { SlowContext, SlowResult } from './slow/slow.js';
export type { CheckReport, HealthOf, ServerHealth } from './states.js';
export { CheckLoop, type CheckLoopOptions, type CheckLoopUsage } from './wire/check-loop.js';
export { httpBody, httpHeaders, httpReason } from './wire/http.js';
export { type CheckJob, DEFAULT_LIMIT, type Step } from './wire/job.js';
export { DEFAULT_FIRST_PORT, DEFAULT_PORTS, overlap, type PortRange, portsInUse } from './wire/local-ports.js';
export { type CheckResult, type Outcome as WireOutcome, OUTCOMES as WIRE_OUTCOMES } from './wire/result.js';
export { CHECK_OBJECT, type FollowFailure, Wire, type WireOptions } from './wire/wire.js';
