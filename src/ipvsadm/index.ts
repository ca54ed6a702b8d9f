/** ipvsadm's language: reads its command lines, prints IPVS's own listings. Importers also load offline.ts. */

export type { Director, Environment } from './environment.js';
export { execute } from './execute.js';
export { type Names, parseServices, systemNames } from './names.js';
export { runTool, type Tool } from './tool.js';
