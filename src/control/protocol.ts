/** What the daemon and its clients say to each other: the methods, their parameters and their results. */

import type { ErrorCode, IpAddress, MacAddress, Protocol, Scheduler } from '../model/index.js';

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
  reload: Record<string, never>;
  stop: { detach: boolean };
}

export type Method = keyof Parameters & keyof Results;

export interface Results {
  status: StatusReport;
  list: ServiceReport[];
  stats: StatsReport;
  reload: ReloadReport;
  stop: StopReport;
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
}

export interface ServiceReport {
  readonly protocol: Protocol;
  readonly address: IpAddress;
  readonly port: number;
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
}

export interface StopReport {
  readonly pid: number;
  /** The program was taken off its interfaces and everything pinned was removed. */
  readonly detached: boolean;
}
