/** What keepalived's blocks ask for, before it becomes services: their words with keepalived's meaning. */

import type { Family, IpAddress, NetworkCheck, Scheduler, SlowCheck } from '../../model/index.js';
import type { Statement } from './text/tree.js';

/** Times in seconds. What is left out is that of the next block around, or keepalived's default. */
export interface Times {
  interval?: number;
  timeout?: number;
  retryDelay?: number;
  /** So many tries more after a failure. */
  retry?: number;
}

/** DR: direct routing, which alone Beeline has. */
export type Method = 'DR' | 'NAT' | 'TUN';

export interface CheckSpec {
  readonly statement: Statement;
  /** What it becomes, in words. */
  text: string;
  /** Another address than the real server's. */
  address?: IpAddress;
  port?: number;
  readonly times: Times;
  readonly defaults: { readonly retry: number; readonly retryDelay?: number };
  /** Its timeout is its own, or the interval of the virtual server: a program's is no time to connect. */
  readonly ownTimeout?: true;
  alpha?: boolean;
  /** Makes the check, without its place and times; undefined: it cannot be made, as was told. */
  build: (virtualHost: string | undefined) => NetworkCheck | SlowCheck | undefined;
}

export interface ServerSpec {
  readonly statement: Statement;
  readonly address: IpAddress;
  /** 0: none is given. */
  readonly port: number;
  readonly times: Times;
  readonly checks: CheckSpec[];
  method?: Method;
  weight?: number;
  upperThreshold?: number;
  lowerThreshold?: number;
  inhibit?: Statement | false;
  alpha?: boolean;
  virtualHost?: string;
}

/** Packets that a virtual server is for: those of an address and port, or those with a mark. */
export type Target =
  | { readonly statement: Statement; readonly address: IpAddress; readonly port: number }
  | { readonly statement: Statement; readonly mark: number; readonly family?: Family | undefined };

export interface VirtualSpec {
  readonly statement: Statement;
  readonly targets: readonly Target[];
  readonly times: Times;
  readonly servers: ServerSpec[];
  readonly flags: { readonly statement: Statement; readonly name: string }[];
  family?: Family;
  protocol?: 'tcp' | 'udp' | 'sctp';
  scheduler?: Scheduler;
  method?: Method;
  persistence?: number;
  granularity?: Statement;
  onePacket?: Statement;
  weight?: number;
  quorum?: number;
  hysteresis?: number;
  inhibit?: Statement;
  alpha?: boolean;
  virtualHost?: string;
  sorry?: { readonly statement: Statement; readonly address: IpAddress; readonly port: number };
}
