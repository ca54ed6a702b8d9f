/** Virtual services and their destinations: the types that everything else speaks. */

import { isDeepStrictEqual } from 'node:util';

import { type Family, familyOf, type IpAddress, type MacAddress, parseIp } from './address.js';

export type Protocol = 'tcp' | 'udp';

/** How flows find their destination: Beeline's ring, then IPVS's schedulers under IPVS's names. */
export type Scheduler = (typeof SCHEDULERS)[number];

export const PROTOCOLS = ['tcp', 'udp'] as const satisfies readonly Protocol[];
export const SCHEDULERS = [
  'maglev',
  'rr',
  'wrr',
  'lc',
  'wlc',
  'sed',
  'nq',
  'sh',
  'mh',
  'dh',
  'fo',
  'ovf',
  'lblc',
  'lblcr',
  'twos',
] as const;

/** The schedulers that find a flow's slot anew from each of its packets: they need not remember it. */
export const HASHING_SCHEDULERS = ['maglev', 'sh', 'mh'] as const satisfies readonly Scheduler[];

export function isHashing(scheduler: Scheduler): boolean {
  return (HASHING_SCHEDULERS as readonly Scheduler[]).includes(scheduler);
}

/** Whether a scheduler that hashes takes the client's port too, for being asked to. */
export function hashesPort({
  scheduler,
  flags = [],
}: {
  scheduler: Scheduler;
  flags?: readonly SchedulerFlag[] | undefined;
}): boolean {
  return flags.some((flag) => flag === `${scheduler}-port`);
}

/** What sh and mh can be asked for, as ipvsadm's -b names it: hash the client's port too; look on past who takes none. */
export const SCHEDULER_FLAGS = ['sh-port', 'sh-fallback', 'mh-port', 'mh-fallback'] as const;
export type SchedulerFlag = (typeof SCHEDULER_FLAGS)[number];

/** Which flows are remembered: all, or those alone that a change of the real servers touched. */
export const TRACKING = ['all', 'moved'] as const;
export type Tracking = (typeof TRACKING)[number];

/** A client's flows stay at one real server for as long as one of them lives, and `timeout` seconds longer. */
export interface Persistence {
  /** Seconds, 1 to MAX_TIMEOUT. */
  readonly timeout: number;
  /** Which clients count as one: an IPv4 netmask, or the length of an IPv6 prefix. Default: each address for itself. */
  readonly mask?: IpAddress | number | undefined;
}

/** After how many seconds without a packet a flow is forgotten, by its state. */
export interface Timeouts {
  readonly synReceived: number;
  readonly established: number;
  readonly finWait: number;
  readonly timeWait: number;
  readonly close: number;
  readonly udp: number;
}

/** Some of an object's values, the others being as they are elsewhere. */
export type Overrides<Values> = { readonly [Key in keyof Values]?: Values[Key] | undefined };

/** Values of their own where there are some, defaults where not. */
export function withDefaults<Values extends object>(
  defaults: Values,
  ...overrides: (Overrides<Values> | undefined)[]
): Values {
  const given = overrides.flatMap((each) => Object.entries(each ?? {}).filter(([, value]) => value !== undefined));
  return { ...defaults, ...(Object.fromEntries(given) as Partial<Values>) };
}

/** IPVS's (tcp_timeouts and udp_timeouts in net/netfilter/ipvs). */
export const DEFAULT_TIMEOUTS: Timeouts = {
  synReceived: 60,
  established: 900,
  finWait: 120,
  timeWait: 120,
  close: 10,
  udp: 300,
};

/** 31 days, ipvsadm's longest (MAX_TIMEOUT). */
export const MAX_TIMEOUT = 31 * 86_400;

/** How many flows are remembered at most. */
export interface FlowTableSizes {
  readonly ipv4: number;
  readonly ipv6: number;
}

/** 16 MB and 8 MB. */
export const DEFAULT_FLOWS: FlowTableSizes = { ipv4: 1 << 20, ipv6: 1 << 18 };

/** As many as a table can have: 256 MB and 512 MB. */
export const MAX_FLOWS: FlowTableSizes = { ipv4: 1 << 24, ipv6: 1 << 24 };

/** IPPROTO_TCP and IPPROTO_UDP. */
export const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17 };

/** A ring's smallest and largest size. 2^20 slots are 4 MB, more than a processor's second-level cache. */
export const MIN_SLOTS = 2;
export const MAX_SLOTS = 1 << 20;

/** IPVS's largest weight (ipvsadm on Debian). */
export const MAX_WEIGHT = 2 ** 31 - 1;

/** The largest threshold: a destination has no more flows than the tables together (MAX_FLOWS). */
export const MAX_THRESHOLD = 2 ** 31 - 1;

/** As many interfaces, and other directors, as the data path has room for (bpf/layout.h; a test compares them). */
export const MAX_INTERFACES = 64;
export const MAX_DIRECTORS = 6;

/** What tells one virtual service from another. */
export interface ServiceKey {
  /** The VIP. */
  readonly address: IpAddress;
  /** 0: every port that no other service of this address and protocol has. */
  readonly port: number;
  readonly protocol: Protocol;
}

/** What service packets do while there is nobody to send them to: `reject` leaves the answer to the host. */
export type NoDestination = 'reject' | 'drop';

export const NO_DESTINATION = ['reject', 'drop'] as const satisfies readonly NoDestination[];

/** What happens to TTL or hop limit: `decrement` as a router does, `keep` as a switch does. */
export type TtlPolicy = 'keep' | 'decrement';

export const TTL_POLICIES = ['keep', 'decrement'] as const satisfies readonly TtlPolicy[];

/** A VLAN by its tags' ids, 1..4094. */
export interface Vlan {
  /** Of the customer tag (802.1Q); 0: there is only a service tag. */
  readonly id: number;
  /** Of the service tag (802.1ad) around it. */
  readonly outer?: number | undefined;
}

/** One real server within one service. */
export interface Destination {
  /** The real server's own address, of the VIP's family. */
  readonly address: IpAddress;
  /** Its MAC, when it is not to be found by ARP or neighbour discovery. */
  readonly mac?: MacAddress | undefined;
  /** The interface that leads to it, where a `mac` is given and the director has several; default: the first. */
  readonly interface?: string | undefined;
  /** The VLAN that it is on, when that is not told by the VLAN device that its address is reached through. */
  readonly vlan?: Vlan | undefined;
  /** Its share relative to the others'; 0 takes no new flows. */
  readonly weight: number;
  /** It takes no new flows once it has so many, until it has less than `lowerThreshold`; default: no limit. */
  readonly upperThreshold?: number | undefined;
  /** Default: three quarters of `upperThreshold`. */
  readonly lowerThreshold?: number | undefined;
}

/** What a virtual service does with the packets that are for it. */
export interface ServicePolicy {
  readonly scheduler: Scheduler;
  readonly flags?: readonly SchedulerFlag[] | undefined;
  /** Default: all. `moved` goes with a hashing scheduler. */
  readonly track?: Tracking | undefined;
  readonly persistence?: Persistence | undefined;
  /** UDP: each packet is scheduled for itself, and no flow is remembered. */
  readonly onePacket?: boolean | undefined;
  /** Where they differ from the model's. */
  readonly timeouts?: Overrides<Timeouts> | undefined;
  /** Size of the ring, a power of two; undefined: by the number of destinations. */
  readonly slots?: number | undefined;
  /** Default: keep. */
  readonly ttl?: TtlPolicy | undefined;
  /** Default: reject. */
  readonly noDestination?: NoDestination | undefined;
  /** In the order in which they were added: IPVS's schedulers look at the last one first. */
  readonly destinations: readonly Destination[];
}

/** A virtual service. Treated as immutable: a change is a new object, so what did not change can be told by identity. */
export interface Service extends ServiceKey, ServicePolicy {
  /** Inside the data path: a mark service. Its address is then nobody's and tells the family. */
  readonly mark?: number | undefined;
}

/** What tells one service of marked packets from another. IPVS calls the mark fwmark. */
export interface MarkKey {
  /** 1..2^32-1 */
  readonly mark: number;
  readonly family: Family;
}

/**
 * A virtual service of all packets that have a mark, whatever their addresses, protocols and ports: to persistence and
 * scheduler they are one. Marks are given by rules, since XDP comes before netfilter could give any.
 */
export interface MarkService extends MarkKey, ServicePolicy {}

/** Packets that get a mark: by protocol, virtual address or network, and ports. */
export interface MarkMatch {
  readonly protocol: Protocol;
  /** The first of the network; without bits beyond `prefixLength`. */
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

/** All that an operator asks for. */
export interface Model {
  readonly interfaces: readonly string[];
  /** `auto`: native, and generic where the driver refuses. */
  readonly mode: 'native' | 'generic' | 'auto';
  /** Whether later fragments follow the first; default: yes. */
  readonly fragments?: boolean | undefined;
  /** Whether tagged frames are looked into; default: when a real server is on a VLAN. */
  readonly vlans?: boolean | undefined;
  /** Other directors, by address or MAC: their frames are never scheduled a second time. */
  readonly directors?: readonly string[] | undefined;
  /** Where they differ from DEFAULT_TIMEOUTS. */
  readonly timeouts?: Overrides<Timeouts> | undefined;
  /** Where they differ from DEFAULT_FLOWS. */
  readonly flows?: Overrides<FlowTableSizes> | undefined;
  readonly services: readonly Service[];
  readonly markServices?: readonly MarkService[] | undefined;
  /** No two of them match the same packet. */
  readonly markRules?: readonly MarkRule[] | undefined;
}

/** How people write a service, and what identifies it in maps and messages: "tcp 192.168.1.100:80". */
export function serviceName({
  address,
  port,
  protocol,
  mark,
}: ServiceKey & { readonly mark?: number | undefined }): string {
  if (mark !== undefined) {
    return markServiceName({ mark, family: familyOf(address) });
  }
  const host = familyOf(address) === 6 ? `[${address}]` : address;
  return `${protocol} ${host}:${port}`;
}

/** The same for a service of marked packets: "fwm 1", "fwm 1 ipv6", as IPVS's listings have it. */
export function markServiceName({ mark, family }: MarkKey): string {
  return family === 6 ? `fwm ${mark} ipv6` : `fwm ${mark}`;
}

/**
 * Reads what people write for a service: "tcp 192.168.1.100:80", "192.168.1.100:80", "udp [fd00::1]:53", "fwm 1",
 * "fwm 1 ipv6"; a slash will do for the space, and without a protocol it is TCP. Undefined when it is none.
 */
export function parseServiceName(text: string): (ServiceKey & Pick<Service, 'mark'>) | undefined {
  const marked = /^fwm[ /](\d{1,10})([ /]ipv6)?$/i.exec(text.trim());
  if (marked !== null) {
    const mark = Number(marked[1]);
    return { protocol: 'tcp', address: marked[2] === undefined ? '0.0.0.0' : '::', port: 0, mark };
  }
  const parts = /^(?:(tcp|udp)[ /])?(?:\[([^\]]+)\]|([^[\]:]+)):(\d{1,5})$/i.exec(text.trim());
  const address = parseIp(parts?.[2] ?? parts?.[3] ?? '');
  const port = Number(parts?.[4]);
  if (address === undefined || !(port <= 0xffff)) {
    return undefined;
  }
  return { protocol: (parts?.[1]?.toLowerCase() ?? 'tcp') as Protocol, address, port };
}

/**
 * The next model, with every service that did not change taken from the previous one: the same object, so that whoever
 * compiles or compares it sees at once that there is nothing to do.
 */
export function keepUnchanged(previous: Model, next: Model): Model {
  const keep = <Each extends object>(
    before: readonly Each[] = [],
    after: readonly Each[],
    nameOf: (each: Each) => string,
  ): Each[] => {
    const known = new Map(before.map((each) => [nameOf(each), each]));
    return after.map((each) => {
      const same = known.get(nameOf(each));
      return same !== undefined && isDeepStrictEqual(same, each) ? same : each;
    });
  };
  return {
    ...next,
    services: keep(previous.services, next.services, serviceName),
    ...(next.markServices === undefined
      ? {}
      : { markServices: keep(previous.markServices, next.markServices, markServiceName) }),
  };
}
