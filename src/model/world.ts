/** The world around the director: its interfaces, and where its real servers are. */

import type { Family, IpAddress, MacAddress } from './address.js';
import type { Vlan } from './service.js';

/** A VLAN tag of 802.1Q, or of 802.1ad: a service tag. */
export interface VlanTag {
  readonly id: number;
  readonly service: boolean;
}

/** A device of this host above an interface: a macvlan or VLAN device on it, the bond or bridge that it is a member of. */
export interface DeviceAbove {
  readonly name: string;
  readonly mac: MacAddress;
  readonly addresses: readonly IpAddress[];
  /** The tags of the frames that a VLAN device takes, the outermost first. */
  readonly vlan?: readonly VlanTag[];
  /** A virtual router's (keepalived's `use_vmac`): this host is its master while it has addresses, else a standby. */
  readonly router?: true;
}

/** A network interface of this host. */
export interface Interface {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: MacAddress;
  readonly up: boolean;
  /** The longest IP packet that may leave by it, in bytes. */
  readonly mtu: number;
  /** The index of its bond, or its own if it has none: packets leave by any interface of a group. */
  readonly group: number;
  /** The addresses of this host from which to answer what comes by this interface, the best first. VIPs may be among them. */
  readonly addresses?: readonly IpAddress[];
  /**
   * The devices above it that are up, and have addresses, or are VLAN devices or virtual routers'. Those with a VIP make their
   * MAC the director's.
   */
  readonly above?: readonly DeviceAbove[];
  /** This host's own packets come by it, and no others (ADR 35). */
  readonly fromHost?: true;
}

/** The ends of the veth by which this host's own packets come to the director (ADR 35): the kernel's, and the director's. */
export const HOST_LINKS = { outer: 'beeline-host', inner: 'beeline-vips' } as const;

/** The limits of this host's ICMP errors, by the kernel's settings (Documentation/networking/ip-sysctl.rst). */
export interface IcmpLimits {
  /** Milliseconds between errors to one client, by family: `icmp_ratelimit`; 0: no limit. */
  readonly intervalMs: Readonly<Record<Family, number>>;
  /** Bits of the types that are limited, below 32, by family: `icmp_ratemask`. */
  readonly limitedTypes: Readonly<Record<Family, number>>;
  /** Errors to all clients: `icmp_msgs_per_sec` and `icmp_msgs_burst`. */
  readonly perSecond: number;
  readonly burst: number;
}

/** How packets reach a real server. */
export type Resolution =
  /** It is a neighbour on a directly attached network, reached through one of the director's interfaces. */
  | { readonly state: 'resolved'; readonly mac: MacAddress; readonly ifindex: number; readonly vlan?: Vlan }
  /** The address is one of this host's. */
  | { readonly state: 'local' }
  /** Its MAC is not known; `reason` says why, for people. */
  | { readonly state: 'unresolved'; readonly reason: string };

export interface World {
  /** The interfaces that the director works on and that exist. */
  readonly interfaces: readonly Interface[];
  readonly resolutions: ReadonlyMap<IpAddress, Resolution>;
  /** The same object promises the same interfaces and resolutions, so that nobody compares thousands. Undefined: unknown. */
  readonly state?: object | undefined;
  /** The limits of the director's ICMP errors. Undefined: none. */
  readonly icmpLimits?: IcmpLimits;
  /** This host's addresses, those of its networks' broadcasts included: no packet from the network has them as its source. */
  readonly own?: readonly IpAddress[];
}
