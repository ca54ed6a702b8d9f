/** ipvsadm's language: command lines in, IPVS's own listings out. */

export { type Tool } from './tool.js';
export { type Director, execute, type Surroundings } from './execute.js';
export { type Names, parseServices } from './names.js';
export { attempt, type Figures, OfflineDirector } from './offline.js';
