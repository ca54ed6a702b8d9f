/** Loads the native addon, and declares the types of its exports. */

import { createRequire } from 'node:module';

import { loadAddon } from './load.js';

/** The details of a failed call, of which the addon makes an error. */
export interface NativeErrorDetails {
  code: string;
  errno: number;
  message: string;
  call: string;
  object: string;
  log: string;
}

export interface NativeMapInfo {
  name: string;
  type: number;
  keySize: number;
  valueSize: number;
  valueBytes: number;
  maxEntries: number;
  flags: number;
  id: number;
  btfId: number;
  btfKeyTypeId: number;
  btfValueTypeId: number;
  vmlinuxValueTypeId: number;
  extra: bigint;
}

export interface NativeBatch {
  count: number;
  keys: Uint8Array;
  values: Uint8Array;
  next: Uint8Array | undefined;
}

export interface NativeMap {
  readonly name: string;
  setMaxEntries(maxEntries: number): void;
  setValueSize(valueSize: number): void;
  setAutocreate(autocreate: boolean): void;
  setInitialValue(value: Uint8Array): void;
  reuse(other: NativeMap): void;
  info(): NativeMapInfo;
  fdInfo(): string;
  lookup(key: Uint8Array): Uint8Array | undefined;
  update(key: Uint8Array, value: Uint8Array, flags?: number): void;
  delete(key: Uint8Array): boolean;
  take(key: Uint8Array): Uint8Array | undefined;
  nextKey(previous?: Uint8Array): Uint8Array | undefined;
  lookupBatch(count: number, token?: Uint8Array): NativeBatch;
  updateBatch(count: number, keys: Uint8Array, values: Uint8Array, flags?: number): number;
  deleteBatch(count: number, keys: Uint8Array): number;
  mmap(writable: boolean): NativeMapping;
  freeze(): void;
  pin(path: string): void;
  close(): void;
}

export interface NativeMapping {
  readonly byteLength: number;
  read<Target extends Uint8Array>(offset: number, target: Target): Target;
  write(offset: number, bytes: Uint8Array): void;
  zero(offset: number, length: number): void;
  load32(offset: number): number;
  store32(offset: number, value: number): void;
  exchange64(offset: number, before: bigint, after: bigint): boolean;
  close(): void;
}

export interface NativeProgramInfo {
  name: string;
  type: number;
  id: number;
  tag: string;
  translatedBytes: number;
  jitedBytes: number;
  verifiedInstructions: number;
  btfId: number;
  mapIds: number[];
}

export interface NativeRunOptions {
  data?: Uint8Array;
  context?: Uint8Array;
  repeat?: number;
  batchSize?: number;
  flags?: number;
}

export interface NativeRunResult {
  returnValue: number;
  durationNs: number;
  data: Uint8Array;
  context: Uint8Array;
}

export interface NativeProgram {
  readonly name: string;
  setAutoload(autoload: boolean): void;
  info(): NativeProgramInfo;
  run(options: NativeRunOptions): NativeRunResult;
  pin(path: string): void;
  close(): void;
}

export interface NativeLinkInfo {
  id: number;
  type: number;
  programId: number;
  ifindex: number;
}

export interface NativeLink {
  info(): NativeLinkInfo;
  update(program: NativeProgram): void;
  detach(): void;
  pin(path: string): void;
  close(): void;
}

export interface NativeObject {
  readonly maps: NativeMap[];
  readonly programs: NativeProgram[];
  load(): void;
  loadAsync(): Promise<void>;
  close(): void;
}

export interface NativeClosable {
  close(): void;
}

export interface NativeLock extends NativeClosable {
  isAt(path: string): boolean;
}

export interface NativePacketSocket extends NativeClosable {
  send(ifindex: number, frame: Uint8Array): void;
}

export interface NativeFrameListener extends NativeClosable {
  takeDropped(): number;
}

export interface NativeReferenced extends NativeClosable {
  setReferenced(referenced: boolean): void;
}

export interface NativeRingBuffer extends NativeReferenced {
  consume(): Uint8Array[];
}

export interface NativeNetlinkSocket extends NativeReferenced {
  send(datagram: Uint8Array): void;
  /** Leaves what comes in the socket for now. A paused socket does not keep the event loop alive. */
  setPaused(paused: boolean): void;
}

/**
 * @param datagrams what was received in one round: each from a multiple of 4 bytes on, as messages within one
 * @param more others may be waiting
 */
export type OnDatagrams = (error: Error | undefined, datagrams?: Uint8Array, more?: boolean) => void;

/** What ends a check, or one step of a dialogue. `kind` counts UNTIL in src/health/wire/job.ts. */
export interface NativeCheckRule {
  kind: number;
  head?: boolean;
  sequence?: Uint8Array;
}

export interface NativeCheckJob extends NativeCheckRule {
  /** IPPROTO_TCP, IPPROTO_UDP or IPPROTO_ICMP. */
  protocol: number;
  local: Uint8Array;
  rip: Uint8Array;
  vip?: Uint8Array;
  port: number;
  scope: number;
  send?: Uint8Array;
  limit: number;
  timeoutMs: number;
  holds: boolean;
  bytes: boolean;
}

export interface NativeCheckLoop extends NativeReferenced {
  define(job: NativeCheckJob): number;
  undefine(job: number): void;
  start(jobs: Uint32Array): void;
  proceed(flight: number, step: NativeCheckRule & { send?: Uint8Array }): boolean;
  end(flight: number): boolean;
  takePort(vip: Uint8Array, rip: Uint8Array, local: Uint8Array, protocol: number): number;
  releasePort(port: number): void;
  isForwarded(port: number): boolean;
  isAnswered(port: number): boolean;
  usage(): {
    inAir: number;
    waiting: number;
    portsFree: number;
    portsTaken: number;
    portsResting: number;
    entries: number;
  };
}

/** Arguments of `sweepFlows`. `timeouts4` and `timeouts6` are indexed by service number times 16 plus state, `dead` by destination number. */
export interface NativeSweepOptions {
  flows4: NativeMapping;
  flows6: NativeMapping;
  /** The entries that flows can have at present: the first so many. */
  flows4Entries: number;
  flows6Entries: number;
  loads: NativeMapping;
  /** The data path's time. */
  now: number;
  /** Timeouts in units of the data path's time; 0: never. */
  timeouts4: Uint32Array;
  timeouts6: Uint32Array;
  /**
   * Other timeouts of flows whose last packet was before `until`, by state. The first that fits is taken; a service's
   * come in the order of time.
   */
  past: { service: number; until: number; timeouts4: Uint32Array; timeouts6: Uint32Array }[];
  /** 1 for a removed destination. Its flows have no destination until their next packet. */
  dead: Uint8Array;
  /** 1 for a fallback that is not needed. Its templates are deleted; its flows stay. */
  spare: Uint8Array;
  /** 1 for a removed service. Its flows are deleted. */
  deadServices: Uint8Array;
  /** Services for which `occupied` is returned. `scheduler` is a value of enum scheduler. */
  rings: { service: number; scheduler: number; length: number; withPort: boolean }[];
  /** Services with persistence, and the bits of an address by which clients are distinguished. */
  masks: { service: number; group: number; mask: Uint8Array }[];
}

export interface NativeSweepResult {
  /** Flows by service number times 16 plus state. */
  states: Uint32Array;
  /** Flows by destination number times 3 plus class. */
  counts: Uint32Array;
  /** Numbers of buckets by how many of their entries are in use. */
  fill4: Uint32Array;
  fill6: Uint32Array;
  /** Flows that were deleted. */
  expired: number;
  /** Loads that differed from the flows counted, and were corrected. */
  corrected: number;
  /** For each of `rings`: by slot, whether a flow of it has an entry. */
  occupied: Uint8Array[];
}

/** A filter of flows. 0 and undefined mean all. */
export interface NativeFlowFilter {
  flows: NativeMapping;
  /** The entries that flows can have at present: the first so many. */
  flowsEntries: number;
  family: 4 | 6;
  services?: Uint8Array;
  destination?: number;
  /** A bit for each state. */
  states?: number;
  client?: Uint8Array;
  limit: number;
}

/** What another director knows of this one's flows. Calls with it must not overlap. */
export interface NativeKnownFlows {
  readonly opaque: unique symbol;
}

export interface NativeCollectOptions {
  known: NativeKnownFlows;
  flows: NativeMapping;
  family: 4 | 6;
  control: NativeMapping;
  /** Where the extents are in it. */
  offset: number;
  /** 1 for a service whose flows are told. */
  services: Uint8Array;
  /** By service number times 16 plus state: after how many units a flow's time is told again. */
  refresh: Uint32Array;
  now: number;
  from: number;
  limit: number;
  /** 1: every flow, whatever is known. */
  all: number;
}

/** A flow table, and what is counted of it. */
export interface NativeHandOverTable {
  flows: NativeMapping;
  family: 4 | 6;
  secret: BigUint64Array;
  control: NativeMapping;
  /** Where the extents are in it. */
  offset: number;
  loads: NativeMapping;
}

export interface NativeTakeOptions extends NativeHandOverTable {
  known: NativeKnownFlows;
  records: Uint8Array;
  /** By the sender's numbers, the own ones; 0: none. */
  services: Uint32Array;
  serviceGroups: Uint32Array;
  numbers: Uint32Array;
  groups: Uint32Array;
  now: number;
  /** How many may be added. */
  room: number;
  /** Of the sender's unit of time to the own one. */
  ratio: number;
}

export interface NativeTaken {
  added: number;
  changed: number;
  kept: number;
  unknown: number;
  noRoom: number;
  wrong: number;
  /** The indices of the entries that were added. */
  placed: Uint32Array;
}

export interface NativeAddon {
  setErrorFactory(factory: (details: NativeErrorDetails) => Error): void;
  BpfObject: new (bytes: Uint8Array, name: string) => NativeObject;
  BpfMap: {
    openPinned(path: string): NativeMap;
    openById(id: number): NativeMap;
    nextId(id: number): number | undefined;
  };
  BpfProgram: {
    openPinned(path: string): NativeProgram;
    openById(id: number): NativeProgram;
    nextId(id: number): number | undefined;
  };
  BpfLink: {
    attachXdp(program: NativeProgram, ifindex: number, flags: number): NativeLink;
    attachTcx(program: NativeProgram, ifindex: number, isEgress: boolean, isLast: boolean): NativeLink;
    attachCgroup(program: NativeProgram, path: string, type: number): NativeLink;
    openPinned(path: string): NativeLink;
    openById(id: number): NativeLink;
    nextId(id: number): number | undefined;
  };
  RingBuffer: new (map: NativeMap, onRecords: (records: Uint8Array[]) => void) => NativeRingBuffer;
  NetlinkSocket: new (protocol: number, groups: readonly number[], onDatagrams: OnDatagrams) => NativeNetlinkSocket;
  CheckLoop: new (
    options: { table?: NativeMapping; firstPort: number; ports: number; limit: number },
    onResults: (fields: Uint32Array, bytes: Uint8Array) => void,
  ) => NativeCheckLoop;
  FileLock: new (path: string, isFolder?: boolean) => NativeLock;
  PacketSocket: new () => NativePacketSocket;
  QuietPort: new (port: number) => NativeClosable;
  FrameListener: new (
    ifindex: number,
    filter: Uint8Array,
    onFrames: (error: Error | undefined, frames?: readonly Uint8Array[]) => void,
  ) => NativeFrameListener;
  xdpQuery(ifindex: number): { native: number; generic: number; offload: number };
  xdpDetach(ifindex: number, flags: number): void;
  tcxQuery(ifindex: number, isEgress: boolean): number[];
  /** The id of a filter's program; 0 for none. */
  tcQuery(ifindex: number, isEgress: boolean, priority: number, handle: number): number;
  tcAttach(
    program: NativeProgram,
    ifindex: number,
    isEgress: boolean,
    priority: number,
    handle: number,
    replaces: boolean,
  ): void;
  tcDetach(ifindex: number, isEgress: boolean, priority: number, handle: number): void;
  btfParse(bytes: Uint8Array): unknown[];
  btfById(id: number): unknown[];
  mountBpffs(path: string): void;
  sendDatagram(path: string, text: string): void;
  synchronizeRcu(): Promise<boolean>;
  possibleCpus(): number;
  bootTimeMs(): number;
  networkCookie(): bigint;
  ethtoolValue(name: string, command: number, value?: number, namespace?: string): number;
  pinnedKind(path: string): string;
  libbpfVersion(): string;
  sweepFlows(options: NativeSweepOptions): Promise<NativeSweepResult>;
  listFlows(options: NativeFlowFilter & { from: number }): Promise<{ entries: Uint8Array; next?: number }>;
  summarizeFlows(options: NativeFlowFilter): Promise<{
    topClients: { address: Uint8Array; flows: number }[];
    /** By state. */
    states: Uint32Array;
  }>;
  copyFlows(options: {
    from: NativeMapping;
    fromEntries: number;
    to: NativeMapping;
    toEntries: number;
    family: 4 | 6;
    secret: BigUint64Array;
  }): Promise<number>;
  /** Resolves to how many flows found no room, or were left because the extents changed meanwhile. */
  moveFlows(options: {
    flows: NativeMapping;
    family: 4 | 6;
    secret: BigUint64Array;
    control: NativeMapping;
    /** Where the extents are in it. */
    offset: number;
  }): Promise<number>;
  newKnownFlows(): NativeKnownFlows;
  collectFlows(options: NativeCollectOptions): Promise<{ records: Uint8Array; count: number; next?: number }>;
  takeFlows(options: NativeTakeOptions): Promise<NativeTaken>;
  /** Resolves to how many were freed. */
  withdrawFlows(options: NativeHandOverTable & { placed: Uint32Array }): Promise<number>;
}

/** The addon that scripts/build made for this platform and processor. */
export const addon = loadAddon(
  (path) => createRequire(import.meta.url)(path) as NativeAddon,
  `${process.platform}-${process.arch}`,
);
