/** Flow hand-over: two directors tell each other which real server each flow has, so that it survives a failover. */

export { HandOver, type HandOverOptions } from './hand-over.js';
