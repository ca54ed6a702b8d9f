/** Virtual services and their destinations. */

import type { Family, IpAddress, MacAddress } from './address.js';
import type { Overrides, Timeouts } from './flow-settings.js';
import type { HealthPolicy, RealServerHealth } from './health.js';
import type { Scheduler, SchedulerFlag, Tracking } from './scheduler.js';

export const PROTOCOLS = ['tcp', 'udp'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** IPPROTO_TCP and IPPROTO_UDP. */
export const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17 };

/** A ring's smallest and largest size. 2^20 slots are 4 MB, more than a processor's second-level cache. */
export const MIN_SLOTS = 2;
export const MAX_SLOTS = 1 << 20;

/** IPVS's largest weight (ipvsadm on Debian). */
export const MAX_WEIGHT = 2 ** 31 - 1;

/** The largest threshold: a destination has no more flows than the tables together (MAX_FLOWS). */
export const MAX_THRESHOLD = 2 ** 31 - 1;

/** Identifies a virtual service. */
export interface ServiceKey {
  /** The VIP. */
  readonly address: IpAddress;
  /** 0: every port that no other service of this address and protocol has. */
  readonly port: number;
  readonly protocol: Protocol;
}

/** The fate of a service's packets if no destination takes them. `reject`: the host answers. */
export const NO_DESTINATION = ['reject', 'drop'] as const;
export type NoDestination = (typeof NO_DESTINATION)[number];

/**
 * The fate of a real server's flows while its MAC address is not known. `hold`: they wait for it, and their packets are
 * dropped meanwhile. `move`: they go to others at once.
 */
export const UNRESOLVED = ['hold', 'move'] as const;
export type Unresolved = (typeof UNRESOLVED)[number];

/** The fate of TTL or hop limit: `decrement` as in a router, `keep` as in a switch. */
export const TTL_POLICIES = ['keep', 'decrement'] as const;
export type TtlPolicy = (typeof TTL_POLICIES)[number];

/** A client's flows stay at one real server as long as one of them lives, and `timeout` seconds longer. */
export interface Persistence {
  /** Seconds, 1 to MAX_TIMEOUT. */
  readonly timeout: number;
  /** Which addresses count as one client: an IPv4 netmask, or an IPv6 prefix length. Default: each is a client. */
  readonly mask?: IpAddress | number | undefined;
}

/** A VLAN by the ids of its tags, 1..4094. */
export interface Vlan {
  /** The id of the customer tag (802.1Q); 0: there is only a service tag. */
  readonly id: number;
  /** The id of the service tag (802.1ad) around it. */
  readonly outer?: number | undefined;
}

/** One real server within one service. */
export interface Destination {
  /** The real server's own address, of the VIP's family. One that means the host itself is the director: see `isSelf`. */
  readonly address: IpAddress;
  /** Of a mark's service alone: the port that ipvsadm was given and lists. Packets keep theirs. Default: 0. */
  readonly port?: number | undefined;
  /** Its MAC, if ARP or neighbour discovery cannot find it. */
  readonly mac?: MacAddress | undefined;
  /** With `mac`: the interface that leads to it, if the director has several; default: the first. */
  readonly interface?: string | undefined;
  /** Its VLAN, if its address is not reached through a VLAN device. */
  readonly vlan?: Vlan | undefined;
  /** Its share relative to the others'; 0 takes no new flows. */
  readonly weight: number;
  /** Once it has so many flows, it takes no new ones until it has less than `lowerThreshold`; default: no limit. */
  readonly upperThreshold?: number | undefined;
  /** Default: three quarters of `upperThreshold`. */
  readonly lowerThreshold?: number | undefined;
  /** What its health checks have of their own. */
  readonly health?: RealServerHealth | undefined;
  /** In an effective model alone: what its health makes of it at this moment. Files and commands never ask for it. */
  readonly condition?: Condition | undefined;
}

/**
 * What health and maintenance make of a destination for a time.
 *
 * `down`: it fails its checks, or its agent says so. `disabled`: an operator took it out. `advised`: its agent says something else than the
 * configuration. `ramping`: it came back, and its weight grows. `fallback`: it takes new flows, because the quorum is lost.
 * `replaced`: it keeps its flows while the fallback takes new ones. `standby`: it is a fallback that is not needed now.
 * `panic`: it is used although it fails its checks, because the quorum is lost.
 */
export const CONDITIONS = [
  'down',
  'disabled',
  'advised',
  'ramping',
  'fallback',
  'replaced',
  'standby',
  'panic',
] as const;
export type ConditionWord = (typeof CONDITIONS)[number];

export interface Condition {
  /** Undefined: nothing, but another one of its service ramps, and all weights are in smaller units. */
  readonly word?: ConditionWord | undefined;
  /** In words, for people. It changes with the state alone: a check's last result is no part of it. */
  readonly reason?: string | undefined;
  /** The weight that the configuration or its agent asks for. `weight` is what schedulers see. */
  readonly asked: number;
  /** The weight of the configuration, which `ipvsadm -S` writes. */
  readonly configured: number;
  /** Nothing goes there: its flows go to others. `weight` is 0. */
  readonly takesNothing?: true | undefined;
  /** It is a fallback, and no real server of the service. */
  readonly spare?: true | undefined;
}

/** Whether a destination is a fallback that takes no new flows: its clients leave it with their next connection. */
export function isUnneededFallback({ weight, condition }: Pick<Destination, 'weight' | 'condition'>): boolean {
  return weight === 0 && condition?.spare === true;
}

/** Returns the weight that people know: without what health makes of it. */
export function askedWeight({ weight, condition }: Pick<Destination, 'weight' | 'condition'>): number {
  return condition?.asked ?? weight;
}

/** The behaviour of a virtual service. */
export interface ServicePolicy {
  readonly scheduler: Scheduler;
  readonly flags?: readonly SchedulerFlag[] | undefined;
  /** Default: all. `moved` needs a hashing scheduler. */
  readonly track?: Tracking | undefined;
  readonly persistence?: Persistence | undefined;
  /** UDP: each packet is scheduled by itself, and no flow is remembered. */
  readonly onePacket?: boolean | undefined;
  /** Replace the model's timeouts. */
  readonly timeouts?: Overrides<Timeouts> | undefined;
  /** The size of the ring, a power of two; undefined: by the number of destinations. */
  readonly slots?: number | undefined;
  /** Default: keep. */
  readonly ttl?: TtlPolicy | undefined;
  /** Default: reject. */
  readonly noDestination?: NoDestination | undefined;
  /** Default: hold. */
  readonly unresolved?: Unresolved | undefined;
  /** Default: real servers are not checked. */
  readonly health?: HealthPolicy | undefined;
  /** Whether this director may be master only while a real server of the service is up. Default: no. */
  readonly essential?: boolean | undefined;
  /** In the order in which they were added: IPVS's schedulers look at the last one first. */
  readonly destinations: readonly Destination[];
}

/** A virtual service. Immutable: a change makes a new object, so that equal objects mean no change. */
export interface Service extends ServiceKey, ServicePolicy {}

/** Identifies a service of marked packets. IPVS calls the mark fwmark. */
export interface MarkKey {
  /** 1..2^32-1 */
  readonly mark: number;
  readonly family: Family;
}

/**
 * A virtual service of all packets that have a mark. Whatever their addresses, protocols and ports, they are one service
 * to persistence and scheduler. Rules give the marks, since XDP runs before netfilter could.
 */
export interface MarkService extends MarkKey, ServicePolicy {}

/** Selects the packets that get a mark: by protocol, virtual address or network, and ports. */
export interface MarkMatch {
  readonly protocol: Protocol;
  /** The first address of the network: the bits after `prefixLength` are 0. */
  readonly address: IpAddress;
  /** 32 or 128: one address. */
  readonly prefixLength: number;
  /** Both included; 0 and 65535: every port. */
  readonly firstPort: number;
  readonly lastPort: number;
}

export interface MarkRule {
  readonly mark: number;
  readonly match: MarkMatch;
}
