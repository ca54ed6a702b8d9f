/** The BPF program's twin in TypeScript: the reference that tests hold the program to. Pure. */

export { type Client, type Load, schedule } from './schedule.js';
export { type Decision, Oracle, type Recall, type RecalledFragment, type RecalledLoad } from './oracle.js';
