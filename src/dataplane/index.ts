/** The XDP program and its maps. Alone in knowing how the maps are laid out. */

import { fileURLToPath } from 'node:url';

export {
  compile,
  featureNames,
  SLOT_MARKED,
  SLOT_UNMOVED,
  slotsFor,
  type Compilable,
  type CompiledService,
  type Image,
  type Route,
} from './compile.js';
export { VERDICTS, type Counters, type VerdictName } from './counters.js';
export { DataPlane, type Attachment } from './dataplane.js';
export type { Explained, Trace, TraceStep, TracedEntry } from './explainer.js';
export type { Difference, Explanation } from './explanation.js';
export type { FlowCounts, FlowEntry, FlowFilter, FlowStatistics, FlowTotals } from './flows.js';
export { timeoutSeconds, type FlowState } from './flow-timeouts.js';
export { COPIED_TABLES, PLACE_MEANINGS, tableArrays } from './layout-notes.js';
export { Oracle, type Decision } from './oracle.js';
export { VERDICT_WORDS } from './verdict-words.js';
export { BPF_FS_MAGIC, listSets, removePins, setPath } from './pins.js';

/** The director's BPF object, as scripts/build leaves it. */
export const DIRECTOR_OBJECT = fileURLToPath(new URL('../../bpf/director.bpf.o', import.meta.url));

/** The same data path, made to explain itself. */
export const EXPLAIN_OBJECT = fileURLToPath(new URL('../../bpf/explain.bpf.o', import.meta.url));
