/** Durable JSON files: versioned, checked and written so that a crash leaves the last one whole. */

export { decode, encode, type Format } from './format.js';
export type { Moment } from './moment.js';
export { removeFile, writeDurably } from './files.js';
export { readStored, type Report, Store } from './store.js';
