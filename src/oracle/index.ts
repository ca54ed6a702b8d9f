/** The BPF program's twin in TypeScript: the reference that tests compare the program to. Pure. */

export type { Decision } from './delivery.js';
export { flowHash, fragmentHash, secondFlowHash } from './hash.js';
export type { Load, Recall, RecalledFragment, RecalledLoad } from './maps.js';
export { Oracle } from './oracle.js';
export type { Client } from './parse.js';
export type { Scheduled, SchedulerName } from './policy.js';
export { schedule } from './schedule.js';
