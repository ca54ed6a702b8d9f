/** The types that everything else speaks. Imports nothing of ours. */

export * from './address.js';
export * from './difference.js';
export * from './edit.js';
export * from './error.js';
export * from './instance.js';
export * from './mark.js';
export * from './rules.js';
export * from './service.js';
export * from './world.js';
