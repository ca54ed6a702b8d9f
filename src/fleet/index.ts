/** Companions of the director: programs beside it that Beeline writes the configuration of. */

export { type Form, keepalivedConf } from './keepalived/conf.js';
export { marked, originOfText, type TextOrigin } from './keepalived/marker.js';
export { validateConf, type Validation } from './keepalived/validate.js';
