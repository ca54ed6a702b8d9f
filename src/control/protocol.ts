/** What the daemon and its clients say to each other: the methods, their parameters and their results. */

import type {
  Difference,
  Edit,
  EditKey,
  ErrorCode,
  IpAddress,
  MacAddress,
  MarkKey,
  MarkRule,
  Model,
  Protocol,
  Scheduler,
  ServiceKey,
  ServicePolicy,
} from '../model/index.js';
import type { FrameSummary } from '../packet/index.js';

/** Raised with every change that older programs would misunderstand. */
export const PROTOCOL_VERSION = 1;

export interface Request {
  readonly version: number;
  readonly id: number;
  readonly method: string;
  readonly parameters: unknown;
}

export interface Reply {
  readonly version: number;
  /** The request's; 0 when it could not be read. */
  readonly id: number;
  readonly result?: unknown;
  readonly error?: ReplyError;
}

export interface ReplyError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
}

export interface Parameters {
  status: Record<string, never>;
  list: Record<string, never>;
  stats: Record<string, never>;
  /** `maxMoved`: refused where more of all slots would move, 0..1. */
  reload: { maxMoved?: number | undefined };
  /** What a configuration would change, by its text. */
  plan: { text: string; fileName: string };
  /** Goes over to a configuration, by its text: the daemon may not be able to read the file. */
  apply: { text: string; fileName: string; maxMoved?: number | undefined };
  model: Record<string, never>;
  /** What was running at a revision is now in the daemon's own file, whose content is `origin`. */
  saved: { revision: number; origin: FileOrigin };
  flows: FlowsQuery;
  flowSummary: FlowsQuery;
  drain: { service: string; address: IpAddress; deadlineMs?: number | undefined };
  drainState: { service: string; address: IpAddress };
  stop: { detach: boolean };
  edit: { edit: Edit };
  /** Whose counters to set to zero; default: all. */
  zero: { service?: EditKey | undefined };
  table: Record<string, never>;
  explain: ExplainQuery;
}

export type Method = keyof Parameters & keyof Results;

export interface Results {
  status: StatusReport;
  list: ServiceReport[];
  stats: StatsReport;
  reload: ReloadReport;
  plan: PlanReport;
  apply: ReloadReport;
  model: RunningModel;
  saved: Record<string, never>;
  flows: FlowsReport;
  flowSummary: FlowSummary;
  drain: DrainReport;
  drainState: DrainReport;
  stop: StopReport;
  edit: EditReport;
  zero: Record<string, never>;
  table: ServiceTable;
  explain: ExplainReport[];
}

/** How many frames are explained at once, and how long they may be: headers are all that is looked at. */
export const MAX_EXPLAINED_FRAMES = 64;
export const MAX_EXPLAINED_BYTES = 2048;

export interface ExplainQuery {
  /** By which the frames come; default: the director's first. */
  readonly interface?: string | undefined;
  readonly frames: readonly Uint8Array[];
}

/** What the director would do with one packet that comes at this moment, and how it comes to that. */
export interface ExplainReport {
  readonly packet: ExplainedPacket;
  /** Undefined: it is for none. */
  readonly service?: ExplainedService | undefined;
  readonly flow?: ExplainedFlow | undefined;
  /** Where the scheduler's table leads; undefined: it was not asked. */
  readonly slot?: ExplainedSlot | undefined;
  readonly persistence?: ExplainedPersistence | undefined;
  readonly destination?: ExplainedDestination | undefined;
  /** As it leaves; undefined: it goes up as it came, or is dropped. */
  readonly sent?: ExplainedFrame | undefined;
  /** What it would be counted as, with its destination. */
  readonly counted?: { readonly bytes: number; readonly opensFlow: boolean } | undefined;
  readonly verdict: string;
  /** The verdict in words. */
  readonly reason: string;
  readonly oracle: ExplainedOracle;
}

export interface ExplainedPacket extends FrameSummary {
  /** By which it comes. */
  readonly interface: string;
  /** It went the short way, for packets without tags, options, extension headers and so on. */
  readonly plain: boolean;
}

export interface ExplainedService {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly servers: number;
  /** It takes the ports that no other service has. */
  readonly wildcard: boolean;
  /** Which flows: all, those that a change moved, or none. */
  readonly remembers: 'all' | 'moved' | 'none';
}

/** An entry in the tables of flows. */
export interface ExplainedEntry {
  /** As IPVS has it: SYN_RECV, ESTABLISHED, … */
  readonly state: string;
  readonly idleSeconds: number;
  /** Undefined: who it led to is gone. */
  readonly server?: IpAddress | undefined;
}

/** The flow that a packet is of: of an ICMP error, that which the error is about. */
export interface ExplainedFlow {
  readonly protocol: Protocol;
  readonly client: IpAddress;
  readonly clientPort: number;
  readonly port: number;
  /** What the packet says of it: syn, fin, ack, rst, none, datagram, initial, passive; undefined: that was not asked. */
  readonly event?: string | undefined;
  /** Whether it was looked for among those that are remembered. */
  readonly sought: boolean;
  readonly known?: ExplainedEntry | undefined;
  /** The state it would change to. */
  readonly next?: string | undefined;
  /** The state that it would be remembered in from now on. */
  readonly stored?: string | undefined;
  /** Another flow that would be forgotten for it. */
  readonly displaces?: ExplainedEntry | undefined;
  /** It would be remembered if there were room. */
  readonly noRoom: boolean;
}

export interface ExplainedSlot {
  readonly index: number;
  readonly of: number;
  /** Whom it leads to. */
  readonly server?: IpAddress | undefined;
  /** That one has as many flows as it may have, and new ones go to others. */
  readonly full: boolean;
  /** How many slots further somebody was found. */
  readonly lookedOn: number;
  /** A change moved it: from whom, while that matters. */
  readonly moved: boolean;
  readonly previous?: IpAddress | undefined;
}

/** What keeps a client at its real server. */
export interface ExplainedPersistence {
  readonly known?: ExplainedEntry | undefined;
  /** The client would be kept there from now on. */
  readonly stored: boolean;
}

export interface ExplainedDestination {
  readonly address: IpAddress;
  /** Under which the data path knows it. */
  readonly number: number;
  readonly weight: number;
  readonly local: boolean;
  readonly mac?: MacAddress | undefined;
  /** What chose it. */
  readonly by: 'slot' | 'scheduler' | 'flow' | 'persistence' | 'previous';
}

export interface ExplainedFrame {
  readonly interface: string;
  readonly sourceMac: MacAddress;
  readonly destinationMac: MacAddress;
  readonly vlans: readonly number[];
}

/** What the same rules, written a second time, make of the packet. */
export interface ExplainedOracle {
  readonly agrees: boolean;
  readonly verdict: string;
  readonly server?: IpAddress | undefined;
  /** In what the two differ. */
  readonly differences: readonly { readonly what: string; readonly program: string; readonly oracle: string }[];
}

/** Which flows are asked for; what is undefined does not matter. */
export interface FlowsQuery {
  /** "tcp 192.168.1.100:80" */
  readonly service?: string | undefined;
  /** A real server's address. */
  readonly server?: IpAddress | undefined;
  readonly client?: IpAddress | undefined;
  readonly state?: string | undefined;
  /** Where to go on: `next` of the page before. */
  readonly from?: string | undefined;
  /** How many at most. */
  readonly limit: number;
}

export interface FlowReport {
  readonly protocol: Protocol;
  readonly client: IpAddress;
  /** 0: what keeps a client at its real server (persistence), not a flow. */
  readonly clientPort: number;
  readonly service: string;
  readonly vip: IpAddress;
  readonly port: number;
  readonly server: IpAddress;
  /** Of the mark service that it belongs to. Where `clientPort` is 0 too, `protocol`, `vip` and `port` say nothing. */
  readonly mark?: number | undefined;
  /** As IPVS has it: SYN_RECV, ESTABLISHED, … */
  readonly state: string;
  /** Since the last packet. */
  readonly idleSeconds: number;
  /** Until it is forgotten, if no packet comes. */
  readonly expiresSeconds: number;
}

export interface FlowsReport {
  readonly flows: readonly FlowReport[];
  /** Where the next page begins; undefined: there is none. */
  readonly next?: string | undefined;
}

export interface FlowSummary {
  /** By state, of those that were asked for. */
  readonly states: Readonly<Record<string, number>>;
  readonly topClients: readonly { readonly client: IpAddress; readonly flows: number }[];
  readonly tables: readonly FlowTableReport[];
  /** Since the tables were made. */
  readonly stored: number;
  readonly evicted: number;
  readonly refused: number;
}

export interface FlowTableReport {
  readonly family: 'IPv4' | 'IPv6';
  readonly entries: number;
  readonly used: number;
  /** Groups of entries without a free one: flows that belong there go to their second group. */
  readonly fullBuckets: number;
  readonly bytes: number;
}

/** How a real server on its way out stands. */
export interface DrainReport {
  readonly service: string;
  readonly address: IpAddress;
  readonly flows: number;
  /** There may be flows that were not heard of for a while ("track: moved"). */
  readonly uncertain: boolean;
  readonly removed: boolean;
  /** In milliseconds of the wall clock. */
  readonly deadline?: number | undefined;
}

export interface InterfaceReport {
  readonly name: string;
  /** `missing`: there is no such interface at the moment. */
  readonly state: 'attached' | 'missing' | 'failed';
  readonly mode?: 'native' | 'generic' | undefined;
  readonly ifindex?: number | undefined;
  readonly mac?: MacAddress | undefined;
  /** Why the driver refused native mode, or why attaching failed. */
  readonly reason?: string | undefined;
}

export interface StatusReport {
  readonly version: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly configPath: string;
  readonly interfaces: readonly InterfaceReport[];
  readonly programId?: number | undefined;
  /** How often a configuration was published since the maps were made. */
  readonly generation: number;
  readonly services: number;
  readonly destinations: number;
  /** Destinations that take no packets although their weight is above zero. */
  readonly unresolved: number;
  /** Packets for services: sent or delivered. */
  readonly packets: number;
  readonly bytes: number;
  /** VIPs' packets that were not sent, by the reason why, over all services. */
  readonly verdicts: Readonly<Record<string, number>>;
  /** Changes that commands made and the configuration file does not have, and when the first of them was made. */
  readonly changes?: number | undefined;
  /** ISO 8601. */
  readonly changedSince?: string | undefined;
  /** What went wrong since and is not mended, in words. */
  readonly problems: readonly string[];
}

/** `up`: takes packets. `drained`: weight 0. `unresolved`: where it is, is not known. */
export type DestinationState = 'up' | 'local' | 'drained' | 'unresolved';

export interface DestinationReport {
  readonly address: IpAddress;
  readonly weight: number;
  readonly state: DestinationState;
  /** Why it is unresolved. */
  readonly reason?: string | undefined;
  readonly mac?: MacAddress | undefined;
  /** Of the ring, 0..1. */
  readonly share: number;
  readonly packets: number;
  readonly bytes: number;
  readonly flows: number;
  /** Flows that are remembered at this moment: open ones, and the others, UDP among them. */
  readonly active: number;
  readonly inactive: number;
  /** Clients that persistence keeps here. */
  readonly persistent: number;
}

export interface ServiceReport {
  readonly protocol: Protocol;
  readonly address: IpAddress;
  readonly port: number;
  /** Of marked packets: `address` tells the family alone, `protocol` and `port` nothing. */
  readonly mark?: number | undefined;
  readonly scheduler: Scheduler;
  readonly slots: number;
  readonly destinations: readonly DestinationReport[];
  /** This service's packets that were not sent, by the reason why. */
  readonly verdicts: Readonly<Record<string, number>>;
}

/** What one service's packets came to. */
export interface ServiceStats {
  readonly protocol: Protocol;
  readonly address: IpAddress;
  readonly port: number;
  /** As in ServiceReport. */
  readonly mark?: number | undefined;
  /** Sent or delivered. */
  readonly packets: number;
  readonly bytes: number;
  readonly flows: number;
  /** Packets that were not sent, by the reason why. */
  readonly verdicts: Readonly<Record<string, number>>;
}

export interface StatsReport {
  readonly services: readonly ServiceStats[];
  /** VIPs' packets that are for no service, by the reason why they were passed up. */
  readonly noService: Readonly<Record<string, number>>;
}

export interface ReloadReport {
  readonly services: number;
  readonly destinations: number;
  /** Services that came, went, or are not as they were. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  /** What else changed, in words: "mode native -> generic". Daemons before this one do not say. */
  readonly settings?: readonly string[];
  /** How many changes that commands had made were replaced. */
  readonly dropped?: number;
}

/** What tells one content of a file from another: SHA-256 of its bytes, and of what they say. */
export interface FileOrigin {
  readonly text: string;
  readonly meaning: string;
}

/** What is running, whoever asked for it. */
export interface RunningModel {
  readonly model: Model;
  /** The daemon's own file. */
  readonly configPath: string;
  /** What that file was when it was read. */
  readonly origin: FileOrigin;
  /** How many changes commands made since, and when the first of them. */
  readonly changes: number;
  readonly since?: string | undefined;
  /** Where the last changes are kept, as a configuration, that a file replaced since the daemon runs. */
  readonly dropped?: string | undefined;
  readonly revision: number;
}

/** What going over to another configuration would do. */
export interface PlanReport {
  readonly differences: readonly Difference[];
  /** Which part of all slots would lead to another real server, 0..1. */
  readonly moved: number;
  /** Those that have slots that move, or flows at risk. */
  readonly services: readonly ServicePlan[];
  /** Flows that are remembered now, of real servers that would be gone. */
  readonly flowsAtRisk: number;
}

export interface ServicePlan {
  readonly service: string;
  /** 0: its scheduler does not go by the client's hash. */
  readonly slots: number;
  /** Which part of them moves, 0..1. */
  readonly moved: number;
  readonly atRisk: readonly FlowsAtRisk[];
  /** Flows that are remembered and stay where they are. */
  readonly kept: number;
}

export interface FlowsAtRisk {
  /** The real server that would be gone. */
  readonly address: IpAddress;
  readonly flows: number;
  /** There are others, which are not remembered ("track: moved"). */
  readonly uncertain: boolean;
}

export interface StopReport {
  readonly pid: number;
  /** The program was taken off its interfaces and everything pinned was removed. */
  readonly detached: boolean;
}

export interface EditReport {
  /** What the change leads into that IPVS says nothing of, in words. */
  readonly warnings: readonly string[];
}

/** What `ipvsadm --stats` shows, or the same per second. */
export interface Statistics {
  readonly connections: number;
  readonly packets: number;
  /** The lengths of IP packets, without the frame around them. */
  readonly bytes: number;
}

export interface TableDestination {
  readonly address: IpAddress;
  readonly weight: number;
  readonly upperThreshold?: number | undefined;
  readonly lowerThreshold?: number | undefined;
  /** It is the director itself. */
  readonly local: boolean;
  /** Flows that are remembered now: SYN_RECV and ESTABLISHED, then all others but persistence's. */
  readonly active: number;
  readonly inactive: number;
  /** Clients, or their networks, that persistence keeps here. */
  readonly persistent: number;
  /** Since it was added, or since `zero`. */
  readonly counters: Statistics;
  /** A second, as IPVS estimates it. */
  readonly rates: Statistics;
}

/** A service as ipvsadm sees it. */
export interface TableEntry extends Pick<ServicePolicy, 'scheduler' | 'flags' | 'persistence' | 'onePacket'> {
  readonly counters: Statistics;
  readonly rates: Statistics;
  /** In the order in which they were added. */
  readonly destinations: readonly TableDestination[];
}

export interface TableService extends ServiceKey, TableEntry {}

export interface TableMarkService extends MarkKey, TableEntry {}

/** Everything that ipvsadm lists, but for the flows. Services in the order in which they were added. */
export interface ServiceTable {
  readonly services: readonly TableService[];
  readonly markServices: readonly TableMarkService[];
  readonly markRules: readonly MarkRule[];
  /** Seconds, as `ipvsadm --set` sets them. */
  readonly timeouts: { readonly tcp: number; readonly tcpfin: number; readonly udp: number };
}
