/** The XDP program and its maps. Alone in knowing how the maps are laid out. */

import { fileURLToPath } from 'node:url';

export type { Counters } from './counters.js';
export { DataPlane, type Attachment } from './dataplane.js';
export type { Explained, Trace, TraceStep, TracedEntry } from './explainer.js';
export type { Difference, Explanation } from './explanation.js';
export type { FlowCounts, FlowEntry, FlowFilter, FlowStatistics, FlowTotals } from './flows.js';
export { BPF_FS_MAGIC, listSets, removePins, setPath } from './pins.js';

/** The director's BPF object, as scripts/build leaves it. */
export const DIRECTOR_OBJECT = fileURLToPath(new URL('../../bpf/director.bpf.o', import.meta.url));

/** The same data path, made to explain itself. */
export const EXPLAIN_OBJECT = fileURLToPath(new URL('../../bpf/explain.bpf.o', import.meta.url));
export { pinnedDestinations } from './leftovers.js';
export { Publisher } from './publisher.js';
export { MapSet } from './map-set.js';
export { attach } from './attach.js';
export { sumRows, sumToRow } from './counters.js';
export { type Histories, historiesFormat, MoveTracker } from './move-tracker.js';
export { Explainer } from './explainer.js';
export { explainOnce, type Surroundings } from './explanation.js';
export { LiveRecall } from './recall.js';
export { type FlowSums, summarizeFlows } from './flows.js';
export { BPF_FS, ensurePinDirectory } from './pins.js';
