/** Health checks of real servers: how a check reaches a VIP on one real server, and the loop that makes checks. */

export { DEFAULT_LIMIT, type CheckJob, type Step, type Until } from './wire/job.js';
export { CheckLoop, type CheckLoopOptions, type CheckLoopUsage } from './wire/check-loop.js';
export { httpBody, httpHeaders, httpReason } from './wire/http.js';
export { DEFAULT_FIRST_PORT, DEFAULT_PORTS, overlap, type PortRange, portsInUse } from './wire/local-ports.js';
export { type CheckResult, OUTCOMES, type Outcome } from './wire/result.js';
export { CHECK_OBJECT, type FollowFailure, Wire, type WireOptions } from './wire/wire.js';
