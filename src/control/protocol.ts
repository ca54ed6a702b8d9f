/** The protocol of the control socket: methods, their parameters and their results. */

import type {
  ConditionWord,
  Difference,
  Edit,
  AnyServiceKey,
  ErrorCode,
  Forwarded,
  IpAddress,
  MacAddress,
  MarkKey,
  MarkRule,
  Model,
  Protocol,
  Scheduler,
  ServiceKey,
  ServicePolicy,
  Warning,
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
  /** The id of the request; 0 if it could not be read. */
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
  /** The checks of all real servers that have some. */
  checks: Record<string, never>;
  /** Makes the checks of a real server now. No state changes by it. */
  checkServer: { service: string; realServer: IpAddress };
  stats: Record<string, never>;
  /** What packets follow, in a form that another director's can be compared with. */
  forwarded: Record<string, never>;
  /** Refused if a larger share of all slots than `maxMoved` would move, 0 to 1. */
  reload: { maxMoved?: number | undefined };
  /**
   * Reports what a configuration would change. `text` is its YAML. `keepHost`: what is this host's own stays as it is, see
   * `withHostOf`.
   */
  plan: { text: string; fileName: string; keepHost?: boolean | undefined };
  /** Switches to a configuration. `text` is its YAML: the daemon may not be able to read the file. */
  apply: { text: string; fileName: string; maxMoved?: number | undefined; keepHost?: boolean | undefined };
  model: Record<string, never>;
  /** The model of a revision was written to the daemon's own file, whose content is `origin`. */
  saved: { revision: number; origin: FileOrigin };
  flows: FlowsQuery;
  flowSummary: FlowsQuery;
  drain: { service: string; realServer: IpAddress; deadlineMs?: number | undefined };
  drainState: { service: string; realServer: IpAddress };
  /** Takes a real server out of a service, or of all of them. */
  disable: {
    /** Default: all services, also those to come. */
    service?: string | undefined;
    realServer: IpAddress;
    /** It ends by itself after so many milliseconds; default: never. */
    forMs?: number | undefined;
    reason?: string | undefined;
    /** Its flows go to others at once; otherwise it keeps them. */
    moves: boolean;
  };
  /** Ends that; for all services, that of single ones too. */
  enable: { service?: string | undefined; realServer: IpAddress };
  stop: {
    detach: boolean;
    /** Detach although no other director took the VIPs over; default: refuse it. */
    force?: boolean | undefined;
  };
  /** Gives mastership up, or takes it. */
  failover: {
    take: boolean;
    /** Give it up although nobody takes over; otherwise it is taken back. */
    force: boolean;
  };
  edit: { edit: Edit };
  /** Edits that are made in this order and published together. One that is refused does not keep the others from it. */
  edits: {
    edits: readonly Edit[];
    /** Packets see none of them before they see all. If there is no room for all, all are refused. */
    atomic: boolean;
    /** About how many the client has ready to send after these, so that tables become large enough at once; default: none. */
    following?: number | undefined;
  };
  /** The service whose statistics become zero; default: all services. */
  zero: { service?: AnyServiceKey | undefined };
  table: Record<string, never>;
  explain: ExplainQuery;
}

export type Method = keyof Parameters & keyof Results;

export interface Results {
  status: StatusReport;
  list: ServiceReport[];
  checks: ServiceChecks[];
  checkServer: CheckRunReport[];
  stats: StatsReport;
  forwarded: Forwarded;
  reload: ReloadReport;
  plan: PlanReport;
  apply: ReloadReport;
  model: RunningModel;
  saved: Record<string, never>;
  flows: FlowsReport;
  flowSummary: FlowSummary;
  drain: DrainStarted;
  drainState: DrainReport;
  disable: MaintenanceStarted;
  enable: { readonly warnings: readonly string[] };
  stop: StopReport;
  failover: FailoverReport;
  edit: EditReport;
  edits: EditsReport;
  zero: Record<string, never>;
  table: ServiceTable;
  explain: ExplainReport[];
}

/** How many frames a request may have, and how long each may be. Only headers are read. */
export const MAX_EXPLAINED_FRAMES = 64;
export const MAX_EXPLAINED_BYTES = 2048;

export interface ExplainQuery {
  /** Where the frames arrive; default: the first interface of the director. */
  readonly interface?: string | undefined;
  readonly frames: readonly Uint8Array[];
}

/** The path of one packet through the director, if it came at this moment. */
export interface ExplainReport {
  readonly packet: ExplainedPacket;
  /** Undefined: the packet is for no service. */
  readonly service?: ExplainedService | undefined;
  readonly flow?: ExplainedFlow | undefined;
  /** The slot of the scheduler's table; undefined: the table was not looked up. */
  readonly slot?: ExplainedSlot | undefined;
  readonly persistence?: ExplainedPersistence | undefined;
  readonly realServer?: ExplainedRealServer | undefined;
  /** The frame as it leaves; undefined: it is passed up as it came, or dropped. */
  readonly sent?: ExplainedFrame | undefined;
  /** The ICMP error with which the director answers it. */
  readonly answer?: ExplainedAnswer | undefined;
  /** How its real server's counters would grow. */
  readonly counted?: { readonly bytes: number; readonly opensFlow: boolean } | undefined;
  readonly verdict: string;
  /** The verdict in words. */
  readonly reason: string;
  readonly oracle: ExplainedOracle;
}

/** An ICMP error to the packet's client. */
export interface ExplainedAnswer {
  readonly from: IpAddress;
  readonly type: number;
  readonly code: number;
  /** The longest packet that could go on; undefined: the packet's length is not the reason. */
  readonly mtu?: number | undefined;
}

export interface ExplainedPacket extends FrameSummary {
  /** Where it arrives. */
  readonly interface: string;
  /** It is a plain packet: without tags, options, extension headers and so on. */
  readonly plain: boolean;
}

export interface ExplainedService {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly realServers: number;
  /** Its port is 0: it has every port that no other service of the VIP has. */
  readonly wildcard: boolean;
  /** Which flows it remembers: all, those that a change moved, or none. */
  readonly remembers: 'all' | 'moved' | 'none';
  /** The real servers of which health or maintenance make something else than the configuration, and why. */
  readonly conditions?: readonly { readonly realServer: IpAddress; readonly reason: string }[] | undefined;
}

/** An entry of a flow table. */
export interface ExplainedEntry {
  /** IPVS's name: SYN_RECV, ESTABLISHED, … */
  readonly state: string;
  readonly idleSeconds: number;
  /** Undefined: its real server is gone. */
  readonly realServer?: IpAddress | undefined;
}

/** The flow of a packet. For an ICMP error, the flow that the error is about. */
export interface ExplainedFlow {
  readonly protocol: Protocol;
  readonly client: IpAddress;
  readonly clientPort: number;
  readonly port: number;
  /** The event that the packet is for the flow's state: syn, fin, ack, rst, none, datagram, initial, passive; undefined: that did not matter. */
  readonly event?: string | undefined;
  /** Whether the flow table was looked up. */
  readonly sought: boolean;
  readonly known?: ExplainedEntry | undefined;
  /** The state that its entry would change to. */
  readonly next?: string | undefined;
  /**
   * Why the known real server does not get the SYN, which begins another flow: its weight is 0, or it is at its upper
   * threshold.
   */
  readonly turnedAwayBy?: 'weight' | 'threshold' | undefined;
  /** The state of the entry that would be stored. */
  readonly stored?: string | undefined;
  /** The entry that it would replace. */
  readonly displaces?: ExplainedEntry | undefined;
  /** It would be stored if the table had room. */
  readonly noRoom: boolean;
  /** No entry that it could have is free, so that its hash chooses its real server. */
  readonly crowded: boolean;
}

export interface ExplainedSlot {
  readonly index: number;
  readonly of: number;
  /** The real server that it leads to. */
  readonly realServer?: IpAddress | undefined;
  /** That real server is at its upper threshold, and new flows go to others. */
  readonly full: boolean;
  /** How many slots further a real server was found. */
  readonly lookedOn: number;
  /** A change moved it. `previous` is the real server before, while its flows may live. */
  readonly moved: boolean;
  readonly previous?: IpAddress | undefined;
}

/** The template that keeps a client at its real server. */
export interface ExplainedPersistence {
  readonly known?: ExplainedEntry | undefined;
  /** The template would be stored. */
  readonly stored: boolean;
}

export interface ExplainedRealServer {
  readonly address: IpAddress;
  /** Its number in the data path's tables. */
  readonly number: number;
  readonly weight: number;
  readonly local: boolean;
  readonly mac?: MacAddress | undefined;
  /** Why nothing can be sent to it now. */
  readonly waits?: string | undefined;
  /** The rule that chose it. */
  readonly by: 'slot' | 'scheduler' | 'flow' | 'persistence' | 'previous' | 'fragment';
}

export interface ExplainedFrame {
  readonly interface: string;
  readonly sourceMac: MacAddress;
  readonly destinationMac: MacAddress;
  readonly vlans: readonly number[];
}

/** The verdict of the oracle on the same packet. */
export interface ExplainedOracle {
  readonly agrees: boolean;
  readonly verdict: string;
  readonly realServer?: IpAddress | undefined;
  /** How the program and the oracle differ. */
  readonly differences: readonly { readonly what: string; readonly program: string; readonly oracle: string }[];
}

/** Which flows to return. A field that is undefined matches every flow. */
export interface FlowsQuery {
  /** "tcp 192.168.1.100:80" */
  readonly service?: string | undefined;
  /** A real server's address. */
  readonly realServer?: IpAddress | undefined;
  readonly client?: IpAddress | undefined;
  readonly state?: string | undefined;
  /** Where the page begins: `next` of the page before. */
  readonly from?: string | undefined;
  /** The most flows to return. */
  readonly limit: number;
}

export interface FlowReport {
  /** Undefined, as `vip` and `port` are, for a template of a mark: it keeps the client for all VIPs of the mark. */
  readonly protocol?: Protocol | undefined;
  readonly client: IpAddress;
  /** 0: a template, which keeps a client at its real server, not a flow. */
  readonly clientPort: number;
  readonly service: string;
  readonly vip?: IpAddress | undefined;
  readonly port?: number | undefined;
  readonly realServer: IpAddress;
  /** The mark of its service. */
  readonly mark?: number | undefined;
  /** IPVS's name: SYN_RECV, ESTABLISHED, … */
  readonly state: string;
  /** Since the last packet. */
  readonly idleSeconds: number;
  /** Until it is forgotten if no packet comes. */
  readonly expiresSeconds: number;
}

export interface FlowsReport {
  readonly flows: readonly FlowReport[];
  /** Where the next page begins; undefined: this is the last one. */
  readonly next?: string | undefined;
}

export interface FlowSummary {
  /** How many flows are in each state. */
  readonly states: Readonly<Record<string, number>>;
  readonly topClients: readonly { readonly client: IpAddress; readonly flows: number }[];
  readonly tables: readonly FlowTableReport[];
  /** These three count since the tables were made. */
  readonly stored: number;
  readonly evicted: number;
  readonly refused: number;
}

export interface FlowTableReport {
  readonly family: 'IPv4' | 'IPv6';
  /** The entries that flows can have at present; twice as many when more than half are in use. */
  readonly entries: number;
  /** The most entries that they can have: `flows` in the configuration, rounded up to a power of two. */
  readonly most: number;
  readonly used: number;
  /** New flows displace others, and flows that sent little end sooner, until it is emptier again. */
  readonly full: boolean;
  /** Buckets without a free entry: flows that belong there go to their second bucket. */
  readonly fullBuckets: number;
  /** The memory of the largest table. */
  readonly bytes: number;
}

/** The real server that is drained. */
export interface DrainKey {
  readonly service: string;
  readonly realServer: IpAddress;
}

/** The progress of a drain. */
export interface DrainReport extends DrainKey {
  readonly flows: number;
  /** There may be more flows, which were silent since the drain began ("track: moved"). */
  readonly uncertain: boolean;
  readonly removed: boolean;
  /** In milliseconds of the wall clock. */
  readonly deadline?: number | undefined;
}

export interface DrainStarted extends DrainReport {
  /** What every change warns of at this moment, as text. */
  readonly warnings: readonly string[];
}

/** A real server that an operator took out. */
export interface MaintenanceReport {
  /** Undefined: all services. */
  readonly service?: string | undefined;
  readonly realServer: IpAddress;
  /** ISO 8601. */
  readonly since: string;
  /** When it ends by itself, ISO 8601. */
  readonly until?: string | undefined;
  readonly reason?: string | undefined;
  /** Its flows went to others. */
  readonly moves: boolean;
}

export interface MaintenanceStarted extends MaintenanceReport {
  /** What every change warns of at this moment, as text. */
  readonly warnings: readonly string[];
}

/** How the checked real servers are, each counted once for each of its services. */
export interface HealthSummary {
  readonly checked: number;
  readonly down: number;
  /** Those of which a check cannot be made: what it is for is not known. */
  readonly unknown: number;
  /** The services whose quorum is lost, by name. */
  readonly quorumLost: readonly string[];
}

/** The result of one check. */
export interface CheckResultReport {
  readonly passed: boolean;
  /** How far it got: L3, L4, L6 or L7. */
  readonly layer: string;
  /** Completes the layer: "refused", "status 503". */
  readonly words: string;
  readonly ms: number;
}

/** What an agent or a file says of a real server; what is left out stays as it is configured. */
export interface AdviceReport {
  readonly state?: string | undefined;
  readonly weight?: number | undefined;
  /** Of the configured weight. */
  readonly percent?: number | undefined;
  /** Of a real server: the types of the checks that said it. */
  readonly source?: 'agent' | 'file' | 'both' | undefined;
}

export interface CheckStateReport {
  /** "http", "tcp 8080", "https #2" */
  readonly check: string;
  /** `unknown`: its first run has not ended. `held`: it is down, and stays so until it is steady (damping). */
  readonly state: 'up' | 'down' | 'held' | 'unknown';
  /** ISO 8601. */
  readonly since: string;
  readonly last?: CheckResultReport | undefined;
  /** How many of the last results in a row speak against the state. */
  readonly against: number;
  /** Why it cannot be made: nothing is known of the real server. */
  readonly trouble?: string | undefined;
  /** What is to be said although it passes. */
  readonly warning?: string | undefined;
}

export interface ServerChecks {
  readonly address: IpAddress;
  readonly state: 'up' | 'down';
  /** ISO 8601. */
  readonly since: string;
  readonly advice?: AdviceReport | undefined;
  /** Why it takes nothing, whatever its checks say: "is disabled: new disks". */
  readonly disabled?: string | undefined;
  readonly checks: readonly CheckStateReport[];
}

export interface ServiceChecks {
  /** "tcp 192.168.1.100:80" */
  readonly service: string;
  readonly quorum: 'met' | 'lost';
  /** Those that are checked. */
  readonly realServers: readonly ServerChecks[];
}

/** One turn of a check: a connection or datagram, or a step of a dialogue. */
export interface CheckStepReport {
  /** Of several requests: which. */
  readonly request?: string | undefined;
  readonly outcome: string;
  /** Bytes. */
  readonly sent: number;
  readonly received: number;
  readonly connectMs?: number | undefined;
  readonly totalMs: number;
  readonly httpStatus?: number | undefined;
}

/** One check, made now. */
export interface CheckRunReport {
  readonly check: string;
  readonly result?: CheckResultReport | undefined;
  readonly advice?: AdviceReport | undefined;
  readonly trouble?: string | undefined;
  readonly warning?: string | undefined;
  readonly steps: readonly CheckStepReport[];
}

export interface InterfaceReport {
  readonly name: string;
  /** `missing`: there is no such interface now. */
  readonly state: 'attached' | 'missing' | 'failed';
  readonly mode?: 'native' | 'generic' | undefined;
  readonly ifindex?: number | undefined;
  readonly mac?: MacAddress | undefined;
  /** Why the driver refused native mode. */
  readonly reason?: string | undefined;
}

/** The host's own connections to its VIPs (`hostClients`). */
export interface HostClientsReport {
  /** The interface by which they come to the director, and the MAC that their frames are for. */
  readonly interface: string;
  readonly mac: MacAddress;
  /** The addresses of the host that real servers see, one of each family. */
  readonly addresses: readonly IpAddress[];
  /** The bridges whose containers are clients too (`clientBridges`); undefined: none. */
  readonly bridges?: readonly string[] | undefined;
}

/** One direction of the flow hand-over, since the daemon started or its settings changed. */
export interface HandOverDirection {
  /** Since when the other director is connected, ISO 8601; undefined: it is not. */
  readonly since?: string | undefined;
  /** Flows that were told, new ones and changes. */
  readonly flows: number;
  /** Those that were not taken: the receiver has no such service or real server, or no room. Of `sending`: on this connection. */
  readonly skipped: number;
  /** When all flows had been told, ISO 8601. */
  readonly lastFullPass?: string | undefined;
}

/** Flows that two directors tell each other of (`flowHandOver`). */
export interface HandOverReport {
  readonly peer: IpAddress;
  readonly port: number;
  readonly protection: 'tls' | 'none';
  readonly sending: HandOverDirection;
  readonly receiving: HandOverDirection;
}

export interface StatusReport {
  readonly version: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly startedAt: string;
  /** How long the daemon has run, whatever was done to the wall clock. */
  readonly uptimeMs?: number | undefined;
  readonly configPath: string;
  readonly interfaces: readonly InterfaceReport[];
  /** Undefined: the host's connections to its VIPs stay on the host. */
  readonly hostClients?: HostClientsReport | undefined;
  readonly programId?: number | undefined;
  /** The number of the last publication, counted since the maps were made. */
  readonly generation: number;
  readonly services: number;
  readonly realServers: number;
  /** Real servers that get no packets although their weight is above zero. */
  readonly unresolved: number;
  /** Packets for services that were sent to real servers, or passed up to a local one. */
  readonly packets: number;
  readonly bytes: number;
  /** The packets for VIPs that were not sent, by verdict, over all services. */
  readonly verdicts: Readonly<Record<string, number>>;
  /** Services that were removed, and how many flows of each are kept until they end or the service is back. */
  readonly removed?: readonly { readonly service: string; readonly flows: number }[] | undefined;
  /** How many changes by commands the configuration file does not have. `changedSince` is when the first was made. */
  readonly changes?: number | undefined;
  /** ISO 8601. */
  readonly changedSince?: string | undefined;
  /** The drains that run; undefined: none. */
  readonly drains?: readonly DrainReport[] | undefined;
  /** What operators took out; undefined: nothing. */
  readonly disabled?: readonly MaintenanceReport[] | undefined;
  /** Undefined: no real server is checked. */
  readonly health?: HealthSummary | undefined;
  /** Undefined: the configuration has no "vrrp". */
  readonly vrrp?: VrrpReport | undefined;
  /** Undefined: the configuration has no "flowHandOver". */
  readonly flowHandOver?: HandOverReport | undefined;
  /** The problems at this moment, as text. */
  readonly problems: readonly string[];
  /** What forwards packets wrongly, or may, by code. Those that are problems are among these too. */
  readonly warnings?: readonly Warning[] | undefined;
}

/** Which of several directors has the VIPs, as far as this one knows. */
export interface VrrpReport {
  /** What keepalived was told. */
  readonly mayBeMaster: boolean;
  /** Why not, or why soon not. */
  readonly reasons: readonly string[];
  /** When "beeline failover" gave it up, ISO 8601. */
  readonly givenUpSince?: string | undefined;
  readonly keepalived: 'running' | 'gone';
  readonly instances: readonly VrrpInstanceReport[];
}

export interface VrrpInstanceReport {
  /** keepalived's name of it. */
  readonly name: string;
  readonly interface: string;
  /** The VRID. */
  readonly id: number;
  /** MASTER, BACKUP, FAULT, STOP (keepalived ended) or UNKNOWN (it is gone without a word, or said nothing yet). */
  readonly state: string;
  /** ISO 8601. */
  readonly since?: string | undefined;
  readonly priority?: number | undefined;
  /** `here`: on an interface of this host. */
  readonly addresses: readonly { readonly address: IpAddress; readonly here: boolean }[];
}

/** What came of giving mastership up, or of taking it. */
export interface FailoverReport {
  readonly mayBeMaster: boolean;
  /** Why not. */
  readonly reasons: readonly string[];
  /** ISO 8601. */
  readonly givenUpSince?: string | undefined;
  /** Where the VIPs are now; `owner`: the MAC that answers for it. Empty after `take`. */
  readonly vips: readonly {
    readonly address: IpAddress;
    /** keepalived's name of its virtual router. */
    readonly router: string;
    readonly here: boolean;
    readonly owner?: MacAddress | undefined;
  }[];
  /** Nobody took over, so mastership was taken back. */
  readonly takenBack?: boolean | undefined;
}

/** The status without a daemon, from the pinned maps. No method's result: nobody answers. */
export interface UnattendedReport extends Pick<
  StatusReport,
  | 'configPath'
  | 'interfaces'
  | 'programId'
  | 'generation'
  | 'services'
  | 'realServers'
  | 'unresolved'
  | 'packets'
  | 'bytes'
  | 'verdicts'
  | 'problems'
> {
  /** Whether the program is on an interface. */
  readonly forwarding: boolean;
  /** When a daemon was last there, ISO 8601. */
  readonly unattendedSince: string;
}

/**
 * `up`: gets packets. `local`: is the director itself. `drained`: weight 0. `unresolved`: its MAC is not known. The others are
 * what health and maintenance make of it (ConditionWord of the model).
 */
export type RealServerState = 'up' | 'local' | 'drained' | 'unresolved' | Exclude<ConditionWord, 'advised'>;

export interface RealServerReport {
  readonly address: IpAddress;
  readonly weight: number;
  readonly state: RealServerState;
  /** Why it takes no flows, or not its share. */
  readonly reason?: string | undefined;
  readonly mac?: MacAddress | undefined;
  /** Its part of the ring's slots, 0 to 1. */
  readonly share: number;
  readonly packets: number;
  readonly bytes: number;
  readonly flows: number;
  /** Flows that are remembered now: open ones, and all others, UDP included. */
  readonly active: number;
  readonly inactive: number;
  /** Clients that persistence keeps at this real server. */
  readonly persistent: number;
}

export type ServiceReport = AnyServiceKey & ServiceDetails;

interface ServiceDetails {
  readonly scheduler: Scheduler;
  readonly slots: number;
  readonly realServers: readonly RealServerReport[];
  /** The service's packets that were not sent, by verdict. */
  readonly verdicts: Readonly<Record<string, number>>;
}

/** The sums of one service's counters. */
export type ServiceStats = AnyServiceKey & ServiceTotals;

interface ServiceTotals {
  /** Sent to real servers, or passed up to a local one. */
  readonly packets: number;
  readonly bytes: number;
  readonly flows: number;
  /** Packets that were not sent, by verdict. */
  readonly verdicts: Readonly<Record<string, number>>;
}

export interface StatsReport {
  readonly services: readonly ServiceStats[];
  /** Packets for VIPs that are for no service, by the verdict with which they were passed up. */
  readonly noService: Readonly<Record<string, number>>;
  /** Why no packets come: the warnings about VIPs. */
  readonly warnings?: readonly Warning[] | undefined;
}

export interface ReloadReport {
  readonly services: number;
  readonly realServers: number;
  /** The services that were added, removed or changed. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  /** Other changes, as text: "mode native -> generic". Undefined: an older daemon. */
  readonly settings?: readonly string[];
  /** All changes, one by one, as a plan of the same configuration has them. Undefined: an older daemon. */
  readonly differences?: readonly Difference[];
  /** How many changes by commands were replaced. */
  readonly dropped?: number;
  /** The real servers whose drains it ended. Undefined: an older daemon. */
  readonly endedDrains?: readonly DrainKey[];
}

/** Identifies the content of a file: SHA-256 of its bytes, and of the model in it. */
export interface FileOrigin {
  readonly text: string;
  readonly meaning: string;
}

/** The running model, from the file and from commands. */
export interface RunningModel {
  readonly model: Model;
  /** The drains that run, whose real servers have weight 0 in the model. Undefined: an older daemon. */
  readonly drains?: readonly DrainReport[] | undefined;
  /** The daemon's own file. */
  readonly configPath: string;
  /** The content of that file when it was read. */
  readonly origin: FileOrigin;
  /** How many changes commands made since. `since` is when the first was made. */
  readonly changes: number;
  readonly since?: string | undefined;
  /** The configuration with the changes that a file replaced last, since the daemon started. */
  readonly dropped?: string | undefined;
  readonly revision: number;
}

/** The effects of a switch to another configuration. */
export interface PlanReport {
  readonly differences: readonly Difference[];
  /** The real servers whose drains would end. Undefined: an older daemon. */
  readonly endedDrains?: readonly DrainKey[];
  /** Which part of all slots would lead to another real server, 0 to 1. */
  readonly moved: number;
  /** The services with slots that move or flows at risk. */
  readonly services: readonly ServicePlan[];
  /** Flows that are remembered now, to real servers that would be gone. */
  readonly flowsAtRisk: number;
}

export interface ServicePlan {
  readonly service: string;
  /** 0: its scheduler does not hash. */
  readonly slots: number;
  /** Which part of them would move, 0 to 1. */
  readonly moved: number;
  /**
   * Flows without an entry ("track: moved") would lose their real servers: another scheduler, or another hash, does not know
   * where their slots led.
   */
  readonly breaksUnremembered: boolean;
  readonly atRisk: readonly FlowsAtRisk[];
  /** Flows that are remembered and keep their real server. */
  readonly kept: number;
}

export interface FlowsAtRisk {
  /** The real server that would be gone. */
  readonly realServer: IpAddress;
  readonly flows: number;
  /** There may be others, which are not remembered ("track: moved"). */
  readonly uncertain: boolean;
}

export interface StopReport {
  readonly pid: number;
  /** The program was detached from its interfaces, and all pins were removed. */
  readonly detached: boolean;
  /** Forwarding ends with the daemon's mount namespace, which has the BPF file system with the pins; undefined: it goes on. */
  readonly endsWithNamespace?: true | undefined;
}

export interface EditReport {
  /** Consequences that IPVS does not warn of, as text. */
  readonly warnings: readonly string[];
}

export interface EditsReport extends EditReport {
  /** The edits that were refused, in their order. */
  readonly refused: readonly RefusedEdit[];
}

export interface RefusedEdit {
  /** Its place in the request. */
  readonly index: number;
  readonly error: ReplyError;
}

/** The figures of `ipvsadm --stats`, or the same per second. */
export interface Statistics {
  readonly connections: number;
  readonly packets: number;
  /** The lengths of IP packets, without the frame around them. */
  readonly bytes: number;
}

export interface TableDestination {
  readonly address: IpAddress;
  /** Of a mark's service: the port that it was given; undefined: 0. */
  readonly port?: number | undefined;
  readonly weight: number;
  /** The weight of the configuration, if health or maintenance make another of it; "ipvsadm -S" writes it. */
  readonly asked?: number | undefined;
  /** It is a fallback, which is no real server of the service. */
  readonly spare?: true | undefined;
  readonly upperThreshold?: number | undefined;
  readonly lowerThreshold?: number | undefined;
  /** The real server is the director itself. */
  readonly local: boolean;
  /** Flows that are remembered now: in SYN_RECV and ESTABLISHED, and in all other states. Templates do not count. */
  readonly active: number;
  readonly inactive: number;
  /** Clients, or their networks, that persistence keeps at this real server. */
  readonly persistent: number;
  /** Since the real server was added or set to zero. */
  readonly counters: Statistics;
  /** Per second, as IPVS estimates it. */
  readonly rates: Statistics;
}

/** A service as ipvsadm shows it. */
export interface TableEntry extends Pick<ServicePolicy, 'scheduler' | 'flags' | 'persistence' | 'onePacket'> {
  readonly counters: Statistics;
  readonly rates: Statistics;
  /** In the order in which they were added. */
  readonly destinations: readonly TableDestination[];
}

export interface TableService extends ServiceKey, TableEntry {}

export interface TableMarkService extends MarkKey, TableEntry {}

/** Everything that ipvsadm lists except flows. Services in the order in which they were added. */
export interface ServiceTable {
  readonly services: readonly TableService[];
  readonly markServices: readonly TableMarkService[];
  readonly markRules: readonly MarkRule[];
  /** Seconds, as `ipvsadm --set` sets them. */
  readonly timeouts: { readonly tcp: number; readonly tcpfin: number; readonly udp: number };
}
