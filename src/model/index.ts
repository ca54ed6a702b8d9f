/** The types that everything else speaks. Imports no other room. */

export * from './address.js';
export * from './check.js';
export * from './difference.js';
export * from './edit/edit.js';
export * from './edit/types.js';
export * from './edit/warnings.js';
export * from './error.js';
export * from './flow-settings.js';
export * from './health.js';
export * from './health-rules.js';
export * from './health-warnings.js';
export * from './instance.js';
export * from './mark.js';
export * from './model.js';
export * from './nearest.js';
export * from './once-per.js';
export * from './other-directors.js';
export * from './plain-text.js';
export * from './printable.js';
export * from './rules.js';
export * from './scheduler.js';
export * from './service.js';
export * from './service-name.js';
export * from './vrrp.js';
export * from './warning.js';
export * from './world.js';
