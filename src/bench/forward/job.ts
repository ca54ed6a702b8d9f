/** What passes between `beeline bench forward` and the process that measures. */

import type { ErrorCode, IpAddress, MacAddress } from '../../model/index.js';
import type { DirectorName } from './contenders.js';
import type { Hotspot } from './profile.js';

/** What to measure. */
export interface Job {
  readonly directors: readonly DirectorName[];
  readonly flows: number;
  readonly rounds: number;
  /** Of one measurement. */
  readonly durationMs: number;
  /** The one that everything runs on. */
  readonly cpu: number;
  /** For files that may be left there. */
  readonly directory: string;
  /** A director that is not the lab's, and the interface towards it; `directors` is then empty. */
  readonly external?: External | undefined;
}

export interface External {
  readonly device: string;
  readonly mac: MacAddress;
  readonly vip: IpAddress;
}

/** One director. Rates are of packets that arrived. */
export interface ForwardRow {
  readonly director: DirectorName | 'external';
  /** Million packets a second; median over the rounds, as `min` and `max` are of it. */
  readonly mpps: number;
  readonly min: number;
  readonly max: number;
  /** Rate in relation to the bare MAC rewrite right before and after; median, lowest, highest. */
  readonly ratioToMacRewrite: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
  /** Nanoseconds a packet beyond what client, cable and counting cost. */
  readonly ownNs: number;
  /** Share of the core that was not others', in percent: their time is not counted. IPVS in a process: beside the client. */
  readonly cpuPercent: number;
  /** Packets sent that did not arrive, in percent. */
  readonly lostPercent: number;
  /** Packets that each real server got. */
  readonly realServers: readonly number[];
  readonly disturbed: number;
  /** Where the time went, where it was looked at: native Beeline and the limit, on machines that have perf. */
  readonly hotspots?: readonly Hotspot[] | undefined;
}

export type Message =
  | { readonly type: 'progress'; readonly done: number; readonly total: number }
  | {
      readonly type: 'rows';
      readonly rows: readonly ForwardRow[];
      readonly versions: Readonly<Record<string, string>>;
      /** What the reader should know. */
      readonly notes: readonly string[];
    }
  | { readonly type: 'error'; readonly code: ErrorCode; readonly message: string; readonly hint?: string | undefined };
