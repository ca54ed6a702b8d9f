/** The real server's half of direct routing: VIPs that a host takes packets for, and never answers for. */

export { bringTo, Host, lockHost, parseVirtual, readRecord, type StepReport } from '../steps/index.js';
export { checkStatus } from './check/check.js';
export type { Finding, VipPorts } from './check/finding.js';
export { PURPOSE } from './purpose.js';
export { lookScript } from './remote/look.js';
export { checkSnapshot, readLook } from './remote/look-at.js';
export type { HostLook } from './remote/parse.js';
export type { Snapshot } from './remote/snapshot.js';
export { scriptFor, type ScriptRequest } from './script.js';
export { checkHost } from './shell/check.js';
export { notesOnBoot, unreadBy, wishesFor, wishOf } from './shell/resolve.js';
export { type Method, METHODS, type Way, WAYS, withVips, withoutVips } from './wish.js';
