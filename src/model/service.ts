/** Virtual services and their destinations: the types that everything else speaks. */

import { isDeepStrictEqual } from 'node:util';

import { familyOf, type IpAddress, type MacAddress } from './address.js';

export type Protocol = 'tcp' | 'udp';

/** How flows find their destination. More of IPVS's schedulers will stand here. */
export type Scheduler = 'maglev';

export const PROTOCOLS = ['tcp', 'udp'] as const satisfies readonly Protocol[];
export const SCHEDULERS = ['maglev'] as const satisfies readonly Scheduler[];

/** IPPROTO_TCP and IPPROTO_UDP. */
export const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17 };

/** IPVS's largest weight (ipvsadm on Debian). */
export const MAX_WEIGHT = 2 ** 31 - 1;

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
}

/** A virtual service. Treated as immutable: a change is a new object, so what did not change can be told by identity. */
export interface Service extends ServiceKey {
  readonly scheduler: Scheduler;
  /** Size of the ring, a power of two; undefined: by the number of destinations. */
  readonly slots?: number | undefined;
  /** Default: keep. */
  readonly ttl?: TtlPolicy | undefined;
  /** Default: reject. */
  readonly noDestination?: NoDestination | undefined;
  readonly destinations: readonly Destination[];
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
  readonly services: readonly Service[];
}

/** How people write a service, and what identifies it in maps and messages: "tcp 192.168.1.100:80". */
export function serviceName({ address, port, protocol }: ServiceKey): string {
  const host = familyOf(address) === 6 ? `[${address}]` : address;
  return `${protocol} ${host}:${port}`;
}

/**
 * The next model, with every service that did not change taken from the previous one: the same object, so that whoever
 * compiles or compares it sees at once that there is nothing to do.
 */
export function keepUnchanged(previous: Model, next: Model): Model {
  const known = new Map(previous.services.map((service) => [serviceName(service), service]));
  return {
    ...next,
    services: next.services.map((service) => {
      const before = known.get(serviceName(service));
      return before !== undefined && isDeepStrictEqual(before, service) ? before : service;
    }),
  };
}
