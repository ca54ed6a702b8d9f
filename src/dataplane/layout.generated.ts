/** Made by scripts/generate-layout.js from the BTF of director.bpf.o: change bpf/layout.h or bpf/verdict.h instead. */

/** Tells this layout from every other; maps that carry another are never adopted. */
export const fingerprint = 0x6355f84362c43ef1n;

/** struct services4 */
export const services4 = {
  byteLength: 576,
  multiplier: { offset: 0, size: 16, stride: 8 },
  vipFilter: { offset: 16, size: 512, stride: 8 },
  reserved: { offset: 528, size: 48, stride: 8 },
  entry: { offset: 576, size: 0, stride: 32 },
} as const;

/** struct service4 */
export const service4 = {
  byteLength: 32,
  address: { offset: 0, size: 4 },
  port: { offset: 4, size: 2 },
  protocol: { offset: 6, size: 1 },
  zero: { offset: 7, size: 1 },
  first: { offset: 8, size: 4 },
  ring: { offset: 12, size: 4 },
  number: { offset: 16, size: 2 },
  shift: { offset: 18, size: 1 },
  flags: { offset: 19, size: 1 },
  reserved: { offset: 20, size: 12, stride: 4 },
} as const;

/** enum service_flag */
export const serviceFlag = {
  'wildcard-tcp': 1,
  'wildcard-udp': 2,
} as const;

/** struct services6 */
export const services6 = {
  byteLength: 576,
  multiplier: { offset: 0, size: 16, stride: 8 },
  vipFilter: { offset: 16, size: 512, stride: 8 },
  reserved: { offset: 528, size: 48, stride: 8 },
  entry: { offset: 576, size: 0, stride: 32 },
} as const;

/** struct service6 */
export const service6 = {
  byteLength: 32,
  address: { offset: 0, size: 16, stride: 4 },
  port: { offset: 16, size: 2 },
  protocol: { offset: 18, size: 1 },
  zero: { offset: 19, size: 1 },
  first: { offset: 20, size: 4 },
  ring: { offset: 24, size: 4 },
  number: { offset: 28, size: 2 },
  shift: { offset: 30, size: 1 },
  flags: { offset: 31, size: 1 },
} as const;

/** struct slots */
export const slots = {
  byteLength: 0,
  destination: { offset: 0, size: 0, stride: 2 },
} as const;

/** struct destinations */
export const destinations = {
  byteLength: 0,
  entry: { offset: 0, size: 0, stride: 16 },
} as const;

/** struct destination */
export const destination = {
  byteLength: 16,
  mac: { offset: 0, size: 6, stride: 1 },
  sourceMac: { offset: 6, size: 6, stride: 1 },
  number: { offset: 12, size: 4 },
} as const;

/** struct counters */
export const counters = {
  byteLength: 0,
  entry: { offset: 0, size: 0, stride: 32 },
} as const;

/** struct counter */
export const counter = {
  byteLength: 32,
  packets: { offset: 0, size: 8 },
  bytes: { offset: 8, size: 8 },
  flows: { offset: 16, size: 8 },
  zero: { offset: 24, size: 8 },
} as const;

/** struct verdicts */
export const verdicts = {
  byteLength: 0,
  service: { offset: 0, size: 0, stride: 88 },
} as const;

/** struct service_verdicts */
export const serviceVerdicts = {
  byteLength: 88,
  count: { offset: 0, size: 88, stride: 8 },
} as const;

/** struct identity */
export const identity = {
  byteLength: 24,
  address: { offset: 0, size: 16, stride: 1 },
  port: { offset: 16, size: 2 },
  protocol: { offset: 18, size: 1 },
  family: { offset: 19, size: 1 },
  service: { offset: 20, size: 2 },
  zero: { offset: 22, size: 2 },
} as const;

/** enum verdict */
export const verdict = {
  forwarded: 0,
  local: 1,
  'not-ours': 2,
  'no-service': 3,
  'no-destination': 4,
  'other-host': 5,
  'other-protocol': 6,
  fragment: 7,
  'ip-options': 8,
  truncated: 9,
  malformed: 10,
} as const;

/** struct control */
export const control = {
  byteLength: 24,
  active: { offset: 0, size: 4 },
  magic: { offset: 4, size: 4 },
  layout: { offset: 8, size: 8 },
  generation: { offset: 16, size: 8 },
} as const;

/** struct geometry */
export const geometry = {
  byteLength: 20,
  services4Shift: { offset: 0, size: 4 },
  services6Shift: { offset: 4, size: 4 },
  slotMask: { offset: 8, size: 4 },
  destinationMask: { offset: 12, size: 4 },
  serviceMask: { offset: 16, size: 4 },
} as const;

/** The section .rodata */
export const readOnlyData = {
  byteLength: 24,
  verdictNames: { offset: 0, size: 4 },
  geometry: { offset: 4, size: 20 },
} as const;
