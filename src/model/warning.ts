/** Warnings: what forwards packets wrongly, or may. They refuse nothing. */

import type { IpAddress } from './address.js';

/** All codes. docs/errors.md says what each means. They never change. */
export const WARNING_CODES = [
  'AGENT_PORT_MISSING',
  'CHECKSUMS_UNFINISHED',
  'CHECK_FILE_MISSING',
  'CHECK_PROVES_LITTLE',
  'CHECK_TARGET_UNKNOWN',
  'DIRECTOR_AS_REAL_SERVER',
  'FLOWS_LOST_AT_FAILOVER',
  'FROM_DIRECTOR',
  'FROM_REAL_SERVER',
  'HAND_OVER_PLAIN',
  'KEEPALIVED_OBJECTS',
  'PINS_PRIVATE',
  'QUORUM_UNREACHABLE',
  'SEGMENTS_MERGED',
  'SLOW_START_UNUSED',
  'VIP_ELSEWHERE',
  'VIP_MISSING',
  'VIP_UNROUTED',
  'VIP_WITHOUT_ROUTER',
  'VLAN_TAGS_HIDDEN',
  'VRRP_TAKEOVER_SLOW',
  'VRRP_TWO_MASTERS',
  'VRRP_UNMAINTAINED',
] as const;

export type WarningCode = (typeof WARNING_CODES)[number];

export interface Warning {
  readonly code: WarningCode;
  /** Says what happens, for people. */
  readonly message: string;
  /** Says what mends it: a command, or a setting. */
  readonly remedy: string;
  /** One of the director's interfaces. */
  readonly interface?: string | undefined;
  /** The interface at the other end of its cable, where the reason is. */
  readonly peer?: string | undefined;
  /** The name of a service. */
  readonly service?: string | undefined;
  readonly realServer?: IpAddress | undefined;
  /** A VIP; of many with the same warning, the first. */
  readonly vip?: IpAddress | undefined;
}

/** Returns a warning as one line. */
export function warningText({ message, remedy }: Warning): string {
  return `${message}: ${remedy}`;
}

/** Whether something goes wrong now that this host or its real servers can mend; the others may be as they should be. */
export function isProblem({ code, peer }: Warning): boolean {
  switch (code) {
    case 'FROM_REAL_SERVER':
    case 'VIP_MISSING':
    case 'VRRP_TWO_MASTERS':
    case 'VRRP_UNMAINTAINED':
      return true;
    case 'SEGMENTS_MERGED':
    case 'VLAN_TAGS_HIDDEN':
      return peer === undefined;
    case 'AGENT_PORT_MISSING':
    case 'CHECKSUMS_UNFINISHED':
    case 'CHECK_FILE_MISSING':
    case 'CHECK_PROVES_LITTLE':
    case 'CHECK_TARGET_UNKNOWN':
    case 'DIRECTOR_AS_REAL_SERVER':
    case 'FLOWS_LOST_AT_FAILOVER':
    case 'FROM_DIRECTOR':
    case 'HAND_OVER_PLAIN':
    case 'KEEPALIVED_OBJECTS':
    case 'PINS_PRIVATE':
    case 'QUORUM_UNREACHABLE':
    case 'SLOW_START_UNUSED':
    case 'VIP_ELSEWHERE':
    case 'VIP_UNROUTED':
    case 'VIP_WITHOUT_ROUTER':
    case 'VRRP_TAKEOVER_SLOW':
      return false;
  }
}
