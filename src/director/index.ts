/** The daemon: one director, its control socket and its signals. */

export { formatLine, serializeError } from './log.js';
export { explainFrames } from './reports/explain.js';
