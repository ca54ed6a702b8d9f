/** What is known of the health of each real server: the report that everybody reads. */

import type { Check, IpAddress } from '../model/index.js';
import type { Advice } from './advice.js';
import type { CheckState } from './judge.js';

/** One check of one real server in one service. */
export interface CheckReport {
  readonly check: Check;
  /** For people, the same within a service for no two checks: "http", "tcp 8080", "https #2". */
  readonly label: string;
  readonly state: CheckState;
  /** Why the check cannot be made, as text: no port is free, no neighbour. Says nothing about the real server. */
  readonly trouble?: string | undefined;
  /** What is to be said although the check passes: a certificate that expires soon. */
  readonly warning?: string | undefined;
}

export interface ServerHealth {
  /** serviceName() */
  readonly service: string;
  readonly address: IpAddress;
  /** Those of agents and files included, whose state is always up. */
  readonly checks: readonly CheckReport[];
  /** Passes all of its checks. */
  readonly isUp: boolean;
  /** When `isUp` last changed, in milliseconds since the machine started. */
  readonly since: number;
  /** Of its agents and files together. */
  readonly advice?: Advice | undefined;
}

/** The health of the real servers that are checked; undefined: it is not checked. The same object while nothing changed that packets depend on. */
export type HealthOf = (service: string, address: IpAddress) => ServerHealth | undefined;
