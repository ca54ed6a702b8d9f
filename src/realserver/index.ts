/** The real server's half of direct routing: VIPs that a host takes packets for, and never answers for. */

export { checkStatus } from './check/check.js';
export type { Finding } from './check/finding.js';
export { scriptFor, type ScriptRequest } from './script.js';
export { checkHost } from './shell/check.js';
export { Host } from './shell/host.js';
export { wayInUse, wishesFor } from './shell/resolve.js';
export { bringTo, readRecord, type StepReport } from './shell/setup.js';
export { type Method, METHODS, parseVirtual, type Way, WAYS, withVips, withoutVips } from './wish.js';
