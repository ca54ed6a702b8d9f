/** ipvsadm's language: reads its command lines, prints IPVS's own listings. */

export type { Director, Environment } from './environment.js';
export { execute } from './execute.js';
export { type Names, parseServices, systemNames } from './names.js';
export { type Figures, OfflineDirector, toPromise } from './offline.js';
export { restoreLines } from './restore.js';
export { runTool, type Tool } from './tool.js';
