/** The form of histories: a service's real servers over time. */

import type { IpAddress, Scheduler, SchedulerFlag } from '../model/index.js';

/** A service's real servers at one time, and everything else that its slots follow from. */
export interface Epoch {
  /** The time from which it holds, in milliseconds since the machine started. */
  readonly at: number;
  readonly scheduler: Scheduler;
  /** The service's port if the ring depends on it (mh); otherwise 0. */
  readonly port: number;
  readonly flags: readonly SchedulerFlag[];
  /** The size that was asked for the ring. */
  readonly slots: number;
  /** Whether every flow was remembered. */
  readonly tracks: boolean;
  /** Flows from before it may be remembered under any slot, so a slot is looked up until no flow is found under it. */
  readonly marks: boolean;
  /** The real servers that packets could be sent to, in the ring's order, and their weights. */
  readonly members: readonly (readonly [address: IpAddress, weight: number])[];
  /** Real servers that packets could not be sent to, and whose flows waited for them; undefined: none. */
  readonly held?: readonly IpAddress[] | undefined;
  /** Real servers that were removed, or do not resolve under `unresolved: move`: their flows go to others at once. */
  readonly gone: readonly IpAddress[];
}

/** The epochs of a service that still matter, the oldest first; never empty. */
export type History = readonly Epoch[];

/** For how long after a change a flow without an entry may have begun before it, in milliseconds. */
export interface Windows {
  /** If all flows are remembered: the time that a handshake takes under maglev, which stores no SYN; otherwise 0. */
  readonly handshake: number;
  /** If they are not: the time that a flow may be silent. */
  readonly silence: number;
}
