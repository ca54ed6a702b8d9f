/** Frames: built, changed, described, read from captures and written to them. Pure. */

export { parsePcap, parseTcpFrame, type TcpFrame } from './pcap.js';
export { type FrameSummary, summarizeFrame } from './describe.js';
export { buildFrame, type FrameOptions } from './build.js';
export {
  fragmentHeader,
  icmpError,
  ipv4Fragment,
  patched,
  replyBeginning,
  tagged,
  withExtensions,
  withOptions,
} from './change.js';
export { readCapture } from './capture-file.js';
