/** What the director's surroundings look like: its interfaces, and where its real servers are. */

import type { IpAddress, MacAddress } from './address.js';
import type { Vlan } from './service.js';

/** A network interface of this host. */
export interface Interface {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: MacAddress;
  readonly up: boolean;
  /** The longest IP packet that may leave by it, in bytes. */
  readonly mtu: number;
  /** The index of the bond that it is a member of, or its own: packets go out by any of a group. */
  readonly group: number;
}

/** Where packets for a real server go. */
export type Resolution =
  /** A neighbour on a directly attached network, through an interface of the director's. */
  | { readonly state: 'resolved'; readonly mac: MacAddress; readonly ifindex: number; readonly vlan?: Vlan }
  /** An address of this host. */
  | { readonly state: 'local' }
  /** Nowhere for now; `reason` says why, for people. */
  | { readonly state: 'unresolved'; readonly reason: string };

export interface World {
  /** The interfaces that the director works on and that exist. */
  readonly interfaces: readonly Interface[];
  readonly resolutions: ReadonlyMap<IpAddress, Resolution>;
}
