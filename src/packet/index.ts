/** Frames: built, changed, described, read from captures and written to them. Pure. */

export { buildFrame, type FrameOptions } from './build.js';
export { type CapturedFrame, readCapture } from './capture-reader.js';
export { captureFrame, captureHeader, type WrittenFrame } from './capture-writer.js';
export {
  fragmentHeader,
  ipv4Fragment,
  patched,
  tagged,
  withExtensions,
  withLengthField,
  withOptions,
  withTtl,
} from './change.js';
export {
  ETHER_TYPE,
  ETHERNET,
  ICMP,
  IPV4,
  IPV4_FRAGMENT,
  IPV6,
  IPV6_EXTENSIONS,
  IPV6_FRAGMENT,
  PROTOCOL_VRRP,
  TAG_BYTES,
  TAG_TYPES,
  TCP,
  TCP_FLAG,
} from './constants.js';
export { type FrameSummary, summarizeFrame } from './describe.js';
export { icmpAnswer, icmpError, replyBeginning } from './icmp.js';
export {
  etherTypeOf,
  isTcp,
  mayHoldIp,
  type ParsedFrame,
  type ParsedPacket,
  parseFrame,
  type TcpFrame,
} from './parse.js';
export { announcement, ND, type NeighbourMessage, parseNeighbour, whoHas } from './neighbour.js';
export { parseRouterAdvertisement, type RouterAdvertisement, routerSolicitation } from './router.js';
export { parseVrrp, type VrrpAdvertisement } from './vrrp.js';
export { ECHO, echoRequest, type ProbeWay, tcpSegment } from './probe.js';
