/** The control socket as commands use it. The daemon's end is server.ts, which commands need not load. */

export { isRunning, request, type RequestOptions } from './client.js';
// Two directors speak in the same frames.
export { encodeFrame, FrameDecoder } from './frame.js';
export { checkShape } from './shape.js';
export { errorOf, replyErrorOf } from './reply-error.js';
export { requireAtMost } from './limits.js';
export type * from './protocol.js';
export { MAX_EXPLAINED_BYTES, MAX_EXPLAINED_FRAMES, PROTOCOL_VERSION } from './protocol.js';
export type { ControlServer, Handlers } from './server.js';
