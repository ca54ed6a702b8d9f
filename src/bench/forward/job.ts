/** Messages between `beeline bench forward` and the process that measures. */

import type { ErrorCode, IpAddress, MacAddress } from '../../model/index.js';
import type { DirectorName } from './contenders.js';
import type { Hotspot } from './profile.js';

/** The measurement to make. */
export interface Job {
  readonly directors: readonly DirectorName[];
  readonly flows: number;
  readonly rounds: number;
  /** The duration of one measurement. */
  readonly durationMs: number;
  /** The CPU that everything runs on. */
  readonly cpu: number;
  /** A directory for files, which the command removes. */
  readonly directory: string;
  /** A director outside the namespace. `directors` is then empty. */
  readonly external?: External | undefined;
}

/** A director and the interface that leads to it. */
export interface External {
  readonly device: string;
  readonly mac: MacAddress;
  readonly vip: IpAddress;
}

/** Figures of one director. Rates count packets that arrived. */
export interface ForwardRow {
  readonly director: DirectorName | 'external';
  /** Million packets a second: median, and below lowest and highest, over the rounds. */
  readonly mpps: number;
  readonly min: number;
  readonly max: number;
  /** Rate as a share of the bare MAC rewrite's right before and after: median, lowest, highest. */
  readonly ratioToMacRewrite: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
  /**
   * Nanoseconds a packet more than the bare MAC rewrite right before and after: median, lowest, highest. Unlike the share,
   * they do not hide what the harness costs.
   */
  readonly aboveMacRewriteNs: number;
  readonly aboveMin: number;
  readonly aboveMax: number;
  /** Nanoseconds a packet without client, cable and counting. */
  readonly ownNs: number;
  /**
   * Percent of the CPU that other programs did not take, whose time is not counted. For a director in a process: its percent
   * of the CPU that it shares with the client.
   */
  readonly cpuPercent: number;
  /** Packets sent that did not arrive, in percent. */
  readonly lostPercent: number;
  /** Packets that each real server received. */
  readonly realServers: readonly number[];
  /** Measurements that other load on the machine disturbed; they were repeated. */
  readonly disturbed: number;
  /** Functions that took the time: for native Beeline and the limit, on machines that have perf. */
  readonly hotspots?: readonly Hotspot[] | undefined;
}

/** A message of the measuring process. */
export type Message =
  | { readonly type: 'progress'; readonly done: number; readonly total: number }
  | {
      readonly type: 'rows';
      readonly rows: readonly ForwardRow[];
      readonly versions: Readonly<Record<string, string>>;
      /** Remarks for the reader. */
      readonly notes: readonly string[];
    }
  | { readonly type: 'error'; readonly code: ErrorCode; readonly message: string; readonly hint?: string | undefined };
