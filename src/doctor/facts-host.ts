/** What the doctor's checks look at on this host: its settings, its network cards and its firewall. Plain data. */

import type { Family } from '../model/index.js';

export interface HostFacts {
  /** The time of the look, in milliseconds of the wall clock. */
  readonly at: number;
  /** As "uname -r" prints it. */
  readonly kernel: string;
  /** "v22.11.0" */
  readonly node: string;
  /** By the key under /proc/sys, "net/ipv4/ip_forward"; a key that the kernel does not have is missing. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly memory?: { readonly availableBytes: number; readonly totalBytes: number } | undefined;
  /** The kernel's tables of neighbours; a network namespace does not see them. */
  readonly neighbourTables: readonly NeighbourTable[];
  /** The interfaces that default routes lead to. */
  readonly defaultRoutes: Readonly<Record<Family, readonly string[]>>;
  readonly stateDisk?: StateDisk | undefined;
  /** Undefined: no daemon, or it may not be looked at. */
  readonly daemonFiles?: { readonly open: number; readonly most: number } | undefined;
  /** Undefined: nothing here tells. */
  readonly isClockSynchronised?: boolean | undefined;
  /** How each group of CPUs chooses its frequency. */
  readonly frequencies: readonly { readonly driver: string; readonly governor: string }[];
}

export interface NeighbourTable {
  readonly family: Family;
  readonly entries: number;
  /** How often an entry found no room since the machine started. */
  readonly refused: number;
}

/** The file system of what must survive a boot. */
export interface StateDisk {
  readonly path: string;
  readonly freeBytes: number;
  readonly hasFreeFiles: boolean;
  readonly isReadOnly: boolean;
}

/** An interface of the director, or one of those under it, where frames come in. */
export interface CardFacts {
  readonly name: string;
  /** The driver's kind of device: "veth"; empty for hardware. */
  readonly kind: string;
  readonly driver: string;
  /** How many CPUs this host has in use. */
  readonly cpus: number;
  /** The XDP programs on it, whosoever they are. */
  readonly programs: readonly { readonly id: number; readonly name: string; readonly mode: string }[];
  /** Queues that receive. */
  readonly queues?: Extent | undefined;
  /** Places of each queue for frames that were not read yet. */
  readonly ring?: Extent | undefined;
  /** For each entry of its table the queue that flows of that hash come to. Empty: the card has no such table. */
  readonly spread: readonly number[];
  readonly interrupts: readonly CardInterrupt[];
  /** Received since it was made, lost because nobody took them, and the driver's own counters of XDP. */
  readonly received: number;
  readonly missed: number;
  readonly xdp: Readonly<Record<string, number>>;
}

export interface Extent {
  readonly now: number;
  readonly most: number;
}

export interface CardInterrupt {
  readonly number: number;
  readonly name: string;
  /** How often it came. */
  readonly count: number;
  /** The CPUs that take it. */
  readonly cpus: readonly number[];
}

export interface FirewallFacts {
  readonly chains: readonly FirewallChain[];
  /** Tables of the kernel's older firewall, which nft does not list: their rules are not among these. */
  readonly olderTables?: readonly string[] | undefined;
  readonly conntrack?: { readonly count: number; readonly most: number } | undefined;
}

/** A chain of nftables, those of iptables and arptables included. */
export interface FirewallChain {
  /** "ip", "ip6", "inet", "arp". */
  readonly family: string;
  readonly table: string;
  readonly name: string;
  /** Undefined: only other chains lead here. */
  readonly hook?: string | undefined;
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
  readonly rules: readonly FirewallRule[];
}

export interface FirewallRule {
  readonly handle: number;
  /** As "nft -j" prints them. */
  readonly expressions: readonly Readonly<Record<string, unknown>>[];
}
