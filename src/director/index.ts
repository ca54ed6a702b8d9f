/** The daemon: one director, its control socket and its signals. */

export { type DaemonOptions, runDaemon } from './daemon.js';
export { hostWarnings } from './host-warnings.js';
export { limitProblem } from './limits.js';
export { Offloads, type OffloadsOptions } from './offloads.js';
export { createLog, formatLine, leadsToJournal, type LogFormat, serializeError } from './log.js';
export { explainFrames } from './reports/explain.js';
