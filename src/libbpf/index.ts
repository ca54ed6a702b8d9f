/** A TypeScript interface to libbpf. It contains nothing about load balancing. */

export { Btf } from './btf.js';
export type * from './btf.js';
export { declaration, definitions } from './btf-c.js';
export { fit, reshape, resolvePath, type RealArray } from './btf-path.js';
export { BtfCodec, isFlags, type CodecOptions, type Form, type Place } from './btf-value.js';
export { parseInteger } from './integer.js';
export { BpfLink, detachXdp, queryXdp, XdpLink } from './link.js';
export type { AttachedPrograms, CgroupEvent, LinkInfo, XdpMode } from './link.js';
export { BpfMap, MapFlag, Mapping, UpdateMode } from './map.js';
export type { MapInfo, MapState } from './map.js';
export { BpfObject } from './object.js';
export { pinnedKind, type PinnedKind } from './pinned.js';
export { BpfProgram, LIVE_FRAMES, XdpAction } from './program.js';
export type { ProgramInfo, RunOptions, RunResult, XdpOrigin } from './program.js';
export { queryTcx, TcAttachment, type TcDirection, type TcOptions, type TcWay } from './tc.js';
export { RingBuffer } from './ring-buffer.js';
export { isList, isRecord, ValueError, type BtfRecord, type BtfValue } from './value.js';
export { KernelError } from '../native/index.js';
