/** Reads and writes BPF maps by their BTF, the director's and any others. */

export { BYPASSED, deleteEntry, setValue, type Edit, type Edited } from './edit.js';
export type { FoundMap } from './find.js';
export { InspectedMap, type Entry, type ReadOptions } from './inspected-map.js';
export { Maps, type Selection } from './maps.js';
export { columnsOf, hasLong, isEmpty, isLong, isNothing, outline, sum, type ValueColumn } from './outline.js';
export { isZero, pieces, regionOfBytes, type Region } from './region.js';
export type { Typed } from './typed.js';
export { formatHex, formatValue, toJson } from './value-text.js';
export { definitions, MapFlag, type BtfCodec, type BtfRecord, type BtfValue, type Place } from '../libbpf/index.js';
