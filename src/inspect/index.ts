/** Looking into BPF maps, the director's and others', and writing into them by hand. */

export { BYPASSED, deleteEntry, setValue, type Edit, type Edited } from './edit.js';
export { Maps, type FoundMap, type Selection } from './find.js';
export { InspectedMap, type Entry, type ReadOptions, type Typed } from './inspected-map.js';
export { formatHex, formatValue, toJson } from './notation.js';
export { columnsOf, hasLong, isEmpty, isLong, isNothing, outline, sum, type ValueColumn } from './outline.js';
export { isZero, pieces, regionOfBytes, type Region } from './region.js';
export { definitions, MapFlag, type BtfCodec, type BtfRecord, type BtfValue, type Place } from '../libbpf/index.js';
