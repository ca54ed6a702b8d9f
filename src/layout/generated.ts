/** Made by scripts/generate-layout.js from the BTF of director.bpf.o: change bpf/layout.h or bpf/verdict.h (bpf/explain.h, bpf/check.h, bpf/host.h) instead. */

/** Tells this layout from every other; maps that carry another are never adopted. */
export const fingerprint = 0xc89ef3a0d2d32e25n;

/** struct nics */
export const nics = {
  byteLength: 36880,
  multiplier: { offset: 0, size: 4 },
  first: { offset: 4, size: 4 },
  everyVlan: { offset: 8, size: 4 },
  vlanStep: { offset: 12, size: 4 },
  entry: { offset: 16, size: 12288, stride: 48 },
  above: { offset: 12304, size: 8192, stride: 16 },
  vlans: { offset: 20496, size: 16384, stride: 4 },
} as const;

/** struct nic */
export const nic = {
  byteLength: 48,
  ifindex: { offset: 0, size: 4 },
  group: { offset: 4, size: 4 },
  mac: { offset: 8, size: 6, stride: 1 },
  fromHost: { offset: 14, size: 2 },
  address: { offset: 16, size: 4 },
  reserved: { offset: 20, size: 12, stride: 4 },
  address6: { offset: 32, size: 16, stride: 4 },
} as const;

/** struct mac_above */
export const macAbove = {
  byteLength: 16,
  mac: { offset: 0, size: 8 },
  ifindex: { offset: 8, size: 4 },
  standby: { offset: 12, size: 4 },
} as const;

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
  waits: 1,
  drop: 4,
  ttl: 8,
  track: 16,
  policy: 32,
  moved: 64,
  lingers: 128,
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

/** struct destinations */
export const destinations = {
  byteLength: 4200,
  mtu: { offset: 0, size: 4 },
  zero: { offset: 4, size: 4 },
  directors: { offset: 8, size: 48, stride: 8 },
  ownMac: { offset: 56, size: 8 },
  martians4: { offset: 64, size: 2048, stride: 8 },
  martians6: { offset: 2112, size: 2048, stride: 8 },
  entry: { offset: 4160, size: 16, stride: 16 },
  numbered: { offset: 4176, size: 16, stride: 16 },
  slot: { offset: 4192, size: 4, stride: 2 },
} as const;

/** struct destination */
export const destination = {
  byteLength: 16,
  mac: { offset: 0, size: 6, stride: 1 },
  sourceMac: { offset: 6, size: 6, stride: 1 },
  number: { offset: 12, size: 4 },
} as const;

/** struct egresses */
export const egresses = {
  byteLength: 0,
  entry: { offset: 0, size: 0, stride: 16 },
} as const;

/** struct egress */
export const egress = {
  byteLength: 16,
  ifindex: { offset: 0, size: 4 },
  group: { offset: 4, size: 4 },
  mtu: { offset: 8, size: 2 },
  vlan: { offset: 10, size: 2 },
  outerVlan: { offset: 12, size: 2 },
  zero: { offset: 14, size: 2 },
} as const;

/** struct policies */
export const policies = {
  byteLength: 0,
  entry: { offset: 0, size: 0, stride: 32 },
} as const;

/** struct policy */
export const policy = {
  byteLength: 32,
  scheduler: { offset: 0, size: 1 },
  flags: { offset: 1, size: 1 },
  group: { offset: 2, size: 2 },
  candidates: { offset: 4, size: 4 },
  length: { offset: 8, size: 4 },
  base: { offset: 12, size: 4 },
  mask: { offset: 16, size: 16, stride: 4 },
} as const;

/** enum scheduler */
export const scheduler = {
  maglev: 0,
  mh: 1,
  sh: 2,
  sequence: 3,
  lc: 4,
  wlc: 5,
  sed: 6,
  nq: 7,
  fo: 8,
  ovf: 9,
  lblc: 10,
  lblcr: 11,
  twos: 12,
} as const;

/** enum policy_flag */
export const policyFlag = {
  port: 1,
  fallback: 2,
  persistent: 4,
  'one-packet': 8,
  ghost: 16,
} as const;

/** struct candidates */
export const candidates = {
  byteLength: 512,
  entry: { offset: 0, size: 0, stride: 8 },
  beyond: { offset: 0, size: 512, stride: 8 },
} as const;

/** struct candidate */
export const candidate = {
  byteLength: 8,
  number: { offset: 0, size: 4 },
  weight: { offset: 4, size: 4 },
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
  service: { offset: 0, size: 0, stride: 240 },
} as const;

/** struct service_verdicts */
export const serviceVerdicts = {
  byteLength: 240,
  count: { offset: 0, size: 240, stride: 8 },
} as const;

/** struct flow_counter */
export const flowCounter = {
  byteLength: 32,
  stored: { offset: 0, size: 8 },
  evicted: { offset: 8, size: 8 },
  refused: { offset: 16, size: 8 },
  zero: { offset: 24, size: 8 },
} as const;

/** struct flow_query */
export const flowQuery = {
  byteLength: 256,
  words: { offset: 0, size: 24, stride: 8 },
  hash: { offset: 24, size: 8 },
  flowHash: { offset: 32, size: 8 },
  data: { offset: 40, size: 8 },
  templateData: { offset: 48, size: 8 },
  first: { offset: 56, size: 4 },
  ring: { offset: 60, size: 4 },
  copy: { offset: 64, size: 4 },
  now: { offset: 68, size: 4 },
  port: { offset: 72, size: 2 },
  service: { offset: 74, size: 2 },
  shift: { offset: 76, size: 1 },
  flags: { offset: 77, size: 1 },
  event: { offset: 78, size: 1 },
  isIpv6: { offset: 79, size: 1 },
  opens: { offset: 80, size: 1 },
  verdict: { offset: 81, size: 1 },
  diverted: { offset: 82, size: 1 },
  crowded: { offset: 83, size: 1 },
  firstWent: { offset: 84, size: 4 },
  found: { offset: 88, size: 4 },
  previous: { offset: 92, size: 4 },
  scheduler: { offset: 96, size: 4 },
  fromHost: { offset: 100, size: 4 },
  client: { offset: 104, size: 16, stride: 8 },
  ports: { offset: 120, size: 4 },
  probe: { offset: 124, size: 20 },
  scan: { offset: 144, size: 56 },
  reserved: { offset: 200, size: 56, stride: 8 },
} as const;

/** struct ports */
export const ports = {
  byteLength: 4,
  source: { offset: 0, size: 2 },
  destination: { offset: 2, size: 2 },
} as const;

/** struct probe */
export const probe = {
  byteLength: 20,
  length: { offset: 0, size: 4 },
  slot: { offset: 4, size: 4 },
  word: { offset: 8, size: 4 },
  scheduler: { offset: 12, size: 4 },
  found: { offset: 16, size: 4 },
} as const;

/** struct scan */
export const scan = {
  byteLength: 56,
  scheduler: { offset: 0, size: 4 },
  cached: { offset: 4, size: 4 },
  best: { offset: 8, size: 4 },
  member: { offset: 12, size: 4 },
  joined: { offset: 16, size: 4 },
  full: { offset: 20, size: 1 },
  idle: { offset: 21, size: 1 },
  zero: { offset: 22, size: 2 },
  weight: { offset: 24, size: 8 },
  overhead: { offset: 32, size: 8 },
  memberWeight: { offset: 40, size: 8 },
  memberOverhead: { offset: 48, size: 8 },
} as const;

/** struct flows4 */
export const flows4 = {
  byteLength: 0,
  entry: { offset: 0, size: 0, stride: 16 },
} as const;

/** struct flow4 */
export const flow4 = {
  byteLength: 16,
  key: { offset: 0, size: 8 },
  data: { offset: 8, size: 8 },
} as const;

/** struct flows6 */
export const flows6 = {
  byteLength: 0,
  entry: { offset: 0, size: 0, stride: 32 },
} as const;

/** struct flow6 */
export const flow6 = {
  byteLength: 32,
  address: { offset: 0, size: 16, stride: 8 },
  rest: { offset: 16, size: 8 },
  data: { offset: 24, size: 8 },
} as const;

/** struct loads */
export const loads = {
  byteLength: 0,
  entry: { offset: 0, size: 0, stride: 32 },
} as const;

/** struct load */
export const load = {
  byteLength: 32,
  flows: { offset: 0, size: 12, stride: 4 },
  upper: { offset: 12, size: 4 },
  lower: { offset: 16, size: 4 },
  overload: { offset: 20, size: 4 },
  member: { offset: 24, size: 4 },
  quiesced: { offset: 28, size: 4 },
} as const;

/** struct cursors */
export const cursors = {
  byteLength: 0,
  entry: { offset: 0, size: 0, stride: 16 },
} as const;

/** struct cursor */
export const cursor = {
  byteLength: 16,
  count: { offset: 0, size: 8 },
  cached: { offset: 8, size: 4 },
  zero: { offset: 12, size: 4 },
} as const;

/** struct fragments4 */
export const fragments4 = {
  byteLength: 131072,
  entry: { offset: 0, size: 131072, stride: 32 },
} as const;

/** struct fragment4 */
export const fragment4 = {
  byteLength: 32,
  words: { offset: 0, size: 32, stride: 8 },
} as const;

/** struct fragments6 */
export const fragments6 = {
  byteLength: 262144,
  entry: { offset: 0, size: 262144, stride: 64 },
} as const;

/** struct fragment6 */
export const fragment6 = {
  byteLength: 64,
  words: { offset: 0, size: 64, stride: 8 },
} as const;

/** struct answers */
export const answers = {
  byteLength: 32800,
  intervalMs: { offset: 0, size: 8, stride: 4 },
  limitedTypes: { offset: 8, size: 8, stride: 4 },
  allIntervalUs: { offset: 16, size: 4 },
  allBurst: { offset: 20, size: 4 },
  all: { offset: 24, size: 8 },
  client: { offset: 32, size: 32768, stride: 8 },
} as const;

/** struct early_fragment */
export const earlyFragment = {
  byteLength: 9232,
  timeNs: { offset: 0, size: 8 },
  ifindex: { offset: 8, size: 4 },
  zero: { offset: 12, size: 4 },
  frame: { offset: 16, size: 9216, stride: 1 },
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
  redirected: 1,
  local: 2,
  'not-ours': 3,
  'no-service': 4,
  'no-destination': 5,
  dropped: 6,
  'other-host': 7,
  'not-master': 8,
  'other-vlan': 9,
  'from-director': 10,
  'from-real-server': 11,
  martian: 12,
  icmp: 13,
  'other-protocol': 14,
  fragment: 15,
  extension: 16,
  'too-long': 17,
  ttl: 18,
  'no-egress': 19,
  'no-flow': 20,
  'flows-full': 21,
  'service-gone': 22,
  truncated: 23,
  malformed: 24,
  unresolved: 25,
  limited: 26,
  unanswered: 27,
  'not-fragmented': 28,
  early: 29,
} as const;

/** enum feature */
export const feature = {
  ipv4: 1,
  ipv6: 2,
  vlan: 4,
  nics: 8,
  fragments: 16,
  ttl: 32,
  directors: 64,
  flows: 128,
} as const;

/** struct control */
export const control = {
  byteLength: 200,
  active: { offset: 0, size: 4 },
  magic: { offset: 4, size: 4 },
  layout: { offset: 8, size: 8 },
  generation: { offset: 16, size: 8 },
  features: { offset: 24, size: 4 },
  revision: { offset: 28, size: 4 },
  flowExtents: { offset: 32, size: 16, stride: 8 },
  hashSecret: { offset: 48, size: 80, stride: 8 },
  flowTimeouts: { offset: 128, size: 64, stride: 4 },
  flowsHeld: { offset: 192, size: 4 },
  zero: { offset: 196, size: 4 },
} as const;

/** enum control_magic */
export const controlMagic = {
  magic: 1111835980,
} as const;

/** enum layout_revision */
export const layoutRevision = {
  revision: 1,
} as const;

/** struct geometry */
export const geometry = {
  byteLength: 28,
  services4Shift: { offset: 0, size: 4 },
  services6Shift: { offset: 4, size: 4 },
  slotMask: { offset: 8, size: 4 },
  destinationMask: { offset: 12, size: 4 },
  serviceMask: { offset: 16, size: 4 },
  flows4Mask: { offset: 20, size: 4 },
  flows6Mask: { offset: 24, size: 4 },
} as const;

/** struct constants */
export const constants = {
  byteLength: 64,
  feature: { offset: 0, size: 4 },
  entryProtocol: { offset: 4, size: 4 },
  slotMark: { offset: 8, size: 4 },
  noMac: { offset: 12, size: 4 },
  flowClass: { offset: 16, size: 4 },
  flowState: { offset: 20, size: 4 },
  flowField: { offset: 24, size: 4 },
  flowWays: { offset: 28, size: 4 },
  fragmentTable: { offset: 32, size: 4 },
  early: { offset: 36, size: 4 },
  answerBucket: { offset: 40, size: 4 },
  hashMultiplier: { offset: 48, size: 8 },
  sh: { offset: 56, size: 4 },
  mh: { offset: 60, size: 4 },
} as const;

/** enum entry_protocol */
export const entryProtocol = {
  mark: 254,
  vip: 255,
  own: 253,
} as const;

/** enum slot_mark */
export const slotMark = {
  marked: 65534,
  unmoved: 65535,
} as const;

/** enum no_mac */
export const noMac = {
  'mac-local': 0,
  'mac-held': 1,
} as const;

/** enum flow_class */
export const flowClass = {
  active: 0,
  inactive: 1,
  persistent: 2,
} as const;

/** enum flow_state */
export const flowState = {
  free: 0,
  'syn-recv': 1,
  unconfirmed: 2,
  'udp-new': 3,
  'template-new': 4,
  udp: 5,
  established: 6,
  template: 7,
  busy: 8,
  close: 9,
  'time-wait': 10,
  'fin-wait': 11,
  'udp-lasting': 13,
  'established-lasting': 14,
  'template-lasting': 15,
} as const;

/** enum flow_field */
export const flowField = {
  'port-shift': 48,
  'number-shift': 28,
  'state-shift': 24,
  'number-mask': 1048575,
  'state-mask': 15,
  lasting: 8,
  'time-mask': 16777215,
} as const;

/** enum flow_ways */
export const flowWays = {
  ipv4: 8,
  ipv6: 4,
} as const;

/** enum fragment_table */
export const fragmentTable = {
  bits: 10,
  ways: 4,
  seconds: 30,
  'time-mask': 255,
} as const;

/** enum early */
export const early = {
  'ring-bytes': 2097152,
  'frame-bytes': 9216,
} as const;

/** enum answer_bucket */
export const answerBucket = {
  bits: 12,
  'time-bits': 40,
  burst: 6,
} as const;

/** enum hash_multiplier */
export const hashMultiplier = {
  1: 0x9e3779b97f4a7c15n,
  2: 0xc2b2ae3d27d4eb4fn,
  3: 0x165667b19e3779f9n,
} as const;

/** enum sh */
export const sh = {
  slots: 256,
  multiplier: 1640531527,
} as const;

/** enum mh */
export const mh = {
  slots: 4093,
  key: 2654435761,
} as const;

/** The section .rodata */
export const readOnlyData = {
  byteLength: 184,
  verdictNames: { offset: 0, size: 4 },
  features: { offset: 4, size: 4 },
  clockShift: { offset: 8, size: 4 },
  geometry: { offset: 12, size: 28 },
  constants: { offset: 40, size: 64 },
  hashSecret: { offset: 104, size: 80 },
} as const;

/** struct trace */
export const trace = {
  byteLength: 136,
  steps: { offset: 0, size: 4 },
  verdict: { offset: 4, size: 4 },
  words: { offset: 8, size: 24, stride: 8 },
  service: { offset: 32, size: 4 },
  clientPort: { offset: 36, size: 2 },
  port: { offset: 38, size: 2 },
  protocol: { offset: 40, size: 1 },
  tags: { offset: 41, size: 1 },
  zero: { offset: 42, size: 2 },
  event: { offset: 44, size: 4 },
  state: { offset: 48, size: 4 },
  slot: { offset: 52, size: 4 },
  previous: { offset: 56, size: 4 },
  lookedOn: { offset: 60, size: 4 },
  number: { offset: 64, size: 4 },
  counted: { offset: 68, size: 4 },
  ipBytes: { offset: 72, size: 4 },
  opens: { offset: 76, size: 4 },
  found: { offset: 80, size: 8 },
  changed: { offset: 88, size: 8 },
  stored: { offset: 96, size: 8 },
  displaced: { offset: 104, size: 8 },
  templateFound: { offset: 112, size: 8 },
  templateChanged: { offset: 120, size: 8 },
  templateStored: { offset: 128, size: 8 },
} as const;

/** enum trace_step */
export const traceStep = {
  unusual: 1,
  ring: 2,
  hit: 4,
  followed: 8,
  scheduled: 16,
  diverted: 32,
  'first-fragment': 64,
  'later-fragment': 128,
  'no-room': 256,
  sought: 512,
  'turned-away': 1024,
  'first-went': 2048,
  crowded: 4096,
} as const;

/** enum flow_event */
export const flowEvent = {
  syn: 0,
  fin: 1,
  ack: 2,
  rst: 3,
  none: 4,
  datagram: 5,
  initial: 6,
  passive: 7,
  ipsec: 8,
} as const;

/** struct check */
export const check = {
  byteLength: 56,
  vip: { offset: 0, size: 16, stride: 4 },
  rip: { offset: 16, size: 16, stride: 4 },
  local: { offset: 32, size: 16, stride: 4 },
  family: { offset: 48, size: 1 },
  protocol: { offset: 49, size: 1 },
  answered: { offset: 50, size: 2 },
  forwarded: { offset: 52, size: 4 },
} as const;

/** struct check_range */
export const checkRange = {
  byteLength: 8,
  first: { offset: 0, size: 4 },
  count: { offset: 4, size: 4 },
} as const;

/** enum check_ports */
export const checkPorts = {
  'first-port': 61000,
  ports: 4096,
} as const;

/** struct host_key */
export const hostKey = {
  byteLength: 20,
  address: { offset: 0, size: 16, stride: 4 },
  port: { offset: 16, size: 2 },
  protocol: { offset: 18, size: 1 },
  family: { offset: 19, size: 1 },
} as const;

/** struct host_value */
export const hostValue = {
  byteLength: 8,
  number: { offset: 0, size: 4 },
  isAsked: { offset: 4, size: 4 },
} as const;

/** struct host_vip */
export const hostVip = {
  byteLength: 20,
  address: { offset: 0, size: 16, stride: 4 },
  family: { offset: 16, size: 4 },
} as const;

/** struct host_fragment */
export const hostFragment = {
  byteLength: 40,
  source: { offset: 0, size: 16, stride: 4 },
  destination: { offset: 16, size: 16, stride: 4 },
  id: { offset: 32, size: 4 },
  protocol: { offset: 36, size: 4 },
} as const;

/** enum host_number */
export const hostNumber = {
  'stand-in4': 4030857216,
  'stand-in6-first': 16777216,
  'stand-in6-third': 1,
  itself: 1,
  'first-vip': 16,
  'last-vip': 65534,
  client4: 4030922754,
  'client6-third': 2,
  'client6-fourth': 2,
} as const;

/** struct host */
export const host = {
  byteLength: 568,
  netnsCookie: { offset: 0, size: 8 },
  filter: { offset: 8, size: 512, stride: 8 },
  address4: { offset: 520, size: 16, stride: 4 },
  address6: { offset: 536, size: 16, stride: 4 },
  ifindex: { offset: 552, size: 4 },
  mac: { offset: 556, size: 6, stride: 1 },
  zero: { offset: 562, size: 2 },
} as const;
