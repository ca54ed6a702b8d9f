/** Health checks of a service's real servers: what is asked for. How they are run is the business of the health room. */

import type { IpAddress } from './address.js';

/**
 * What happens to the flows of a real server that failed. `remove`: no packet goes there any more, and its flows go to
 * others. `quiesce`: its flows stay, and new ones go to others (keepalived's inhibit_on_failure, ldirectord's quiescent).
 */
export const ON_FAILURE = ['remove', 'quiesce'] as const;
export type OnFailure = (typeof ON_FAILURE)[number];

/** What a real server is taken for until its first check has ended. */
export const INITIALLY = ['up', 'down'] as const;
export type Initially = (typeof INITIALLY)[number];

/** How the results of one check become a state. */
export interface Judging {
  /** So many passed checks in a row bring a real server up; at least 1. */
  readonly rise: number;
  /** So many failed checks in a row bring it down; at least 1. */
  readonly fall: number;
  readonly initially: Initially;
}

/** Keeps a real server that comes and goes out of service until it is steady. */
export interface Damping {
  /** So many times down… */
  readonly changes: number;
  /** … within so many seconds… */
  readonly within: number;
  /** … and the real server stays down until it has passed every check for so many seconds. */
  readonly hold: number;
}

/** How many real servers a service needs, as keepalived's quorum and hysteresis: sums of the weights of those that are up. */
export interface Quorum {
  readonly weight: number;
  /** Lost below `weight - hysteresis`, met again from `weight + hysteresis` on; less than `weight`. Default: 0. */
  readonly hysteresis?: number | undefined;
}

/** What a service does while its quorum is lost, beyond going on with those that are up. */
export interface WhenLost {
  /** Take new flows while the quorum is lost (sorry servers); one that means the host itself is the director. */
  readonly fallback?: readonly IpAddress[] | undefined;
  /** Use all real servers, whatever their checks say: better an answer from one that fails checks than none. */
  readonly panic?: boolean | undefined;
}
