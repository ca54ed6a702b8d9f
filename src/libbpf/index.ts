/** The TypeScript face of libbpf. It knows nothing of load balancing. */

export { Btf } from './btf.js';
export type * from './btf.js';
export { detachXdp, queryXdp, XdpLink } from './link.js';
export type { AttachedPrograms, LinkInfo, XdpMode } from './link.js';
export { BpfMap, Mapping, UpdateMode } from './map.js';
export type { MapInfo } from './map.js';
export { BpfObject } from './object.js';
export { BpfProgram, LIVE_FRAMES, XdpAction } from './program.js';
export type { ProgramInfo, RunOptions, RunResult, XdpOrigin } from './program.js';
export { RingBuffer } from './ring-buffer.js';
export { KernelError } from '../native/error.js';
