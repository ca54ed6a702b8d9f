/** Importers: the rules of another director become a configuration and remarks on what has no equivalent. */

export type { Imported, Remark } from './result.js';
export { importIpvsadm } from './ipvsadm.js';
export { importLdirectord, type Lookups, MOST_LDIRECTORD_CHARACTERS, systemLookups } from './ldirectord/index.js';
