/** What outlives the daemon: the states of checks, as plain data. */

import type { IpAddress } from '../../model/index.js';
import type { Advice } from '../advice.js';
import type { CheckState } from '../judge.js';

/** Of one check of a real server. */
export interface KeptCheck {
  /** What the check is, without its times (`keyOf`): a text that is compared and not read. */
  readonly check: string;
  /** Its times are milliseconds since the machine started. */
  readonly state: CheckState;
  readonly advice?: Advice | undefined;
}

export interface KeptServer {
  /** serviceName() */
  readonly service: string;
  readonly address: IpAddress;
  readonly isUp: boolean;
  /** Milliseconds since the machine started. */
  readonly since: number;
  readonly checks: readonly KeptCheck[];
}

export interface KeptHealth {
  /** Names the time that the times count in: `bootName`. */
  readonly boot: string;
  readonly servers: readonly KeptServer[];
}

/** Returns what is known, by service and address, with times of this start: what was before it counts as its begin. */
export function recall({ boot, servers }: KeptHealth, currentBoot: string): Map<string, KeptServer> {
  const isOld = boot !== currentBoot;
  return new Map(
    servers.map((server) => [
      `${server.service} ${server.address}`,
      isOld
        ? { ...server, since: 0, checks: server.checks.map((each) => ({ ...each, state: restarted(each.state) })) }
        : server,
    ]),
  );
}

/** The machine was off for a time that nobody knows: neither a row of results nor damping goes on. */
function restarted({ isUp, last }: CheckState): CheckState {
  return { isUp, since: 0, last, against: 0, downs: [] };
}
