/** Importers: the rules of another director become a configuration and remarks on what has no equivalent. */

export { hasLosses, type Imported, type Place, type Remark, type RemarkKind } from './result.js';
export { formatReport, type ReportOptions } from './report.js';
export { importIpvsadm } from './ipvsadm.js';
export { importLdirectord, type Lookups, MOST_LDIRECTORD_CHARACTERS, systemLookups } from './ldirectord/index.js';
export { importKeepalived, type Files, type KeepalivedOptions } from './keepalived/index.js';
export { decodeBytes, readAtMost } from './bytes.js';
export { diskFiles, ownId } from './files.js';
