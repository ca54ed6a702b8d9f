/** The layout of the program's tables and the names of its enums, generated from BTF. Imports nothing of ours. */

export * from './flow-data.js';
export * from './generated.js';
export * from './names.js';
export * from './notes.js';
export * from './verdict-words.js';
