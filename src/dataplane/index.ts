/** The XDP program and its maps: everything of the director that touches the kernel's BPF. */

import { fileURLToPath } from 'node:url';

/** The director's BPF object, as scripts/build leaves it. */
export const DIRECTOR_OBJECT = fileURLToPath(new URL('../../bpf/director.bpf.o', import.meta.url));

/** The same data path, compiled to explain itself. */
export const EXPLAIN_OBJECT = fileURLToPath(new URL('../../bpf/explain.bpf.o', import.meta.url));

// All of it, as the daemon uses it.
export { DataPlane } from './dataplane.js';
export type { Attachment } from './links.js';

// Counters and flows.
export { type Counters, type ServiceCounters, sumRows, sumToRow } from './counters.js';
export type { FlowEntry } from './flows/entry.js';
export { moveFlows, wantedExtent } from './flows/extent.js';
export { FIRST_EXTENT } from './maps/control.js';
export { type FlowCounts, type FlowFilter, type FlowSums, listFlows, summarizeFlows } from './flows/flows.js';
export { type CollectedPage, FLOW_RECORD_BYTES, FlowHandOver, type FlowPage, type Taken } from './flows/hand-over.js';
export { type FlowNames, namesOf, translate } from './flows/names.js';
export { type KeptTimeouts, PastTimeouts, timeoutsFormat } from './flows/past-timeouts.js';
export type { FlowStatistics } from './flows/sweep.js';
export { type Histories, historiesFormat } from './histories.js';
export { MoveTracker } from './move-tracker.js';

// The host's own connections.
export { HOST_OBJECT, hasHostPrograms, type HostPlaces, HostPrograms, removeHostPrograms } from './host/programs.js';
export { HOST_NETWORKS, type HostFacts, isStandIn } from './host/tables.js';

// Explanations.
export { Explainer } from './explain/explainer.js';
export { type ExplainContext, explainOnce, type Explanation } from './explain/explanation.js';
export { LiveRecall } from './explain/recall.js';
export type { Trace, TracedEntry } from './explain/trace.js';

// Programs on interfaces.
export { type Occupant, occupantsOf } from './attach.js';

// Parts, for tests and benchmarks.
export { attach } from './attach.js';
export { EarlyFragments } from './fragments/early.js';
export { MapSet } from './maps/map-set.js';
export { readNumbering } from './maps/numbers.js';
export { valueSizesFor } from './maps/sizes.js';
export { Publisher } from './publish/publisher.js';

// Pins in the BPF file system.
export { type LeftLink, Leftovers, pinnedDestinations } from './leftovers.js';
export { BPF_FS, BPF_FS_MAGIC, ensurePinDirectory, listSets, pinnedPrograms, removePins, setPath } from './pins.js';
export { Leaving } from './leaving.js';
