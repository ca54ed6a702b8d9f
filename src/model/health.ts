/** Health of a service's real servers: which checks are made, and what follows from their results. */

import type { IpAddress } from './address.js';
import type { Check, CheckTiming } from './check.js';
import type { Overrides } from './flow-settings.js';

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
  /** One of its checks went down so many times… */
  readonly changes: number;
  /** … within so many seconds… */
  readonly within: number;
  /** … and the real server stays down until that check has passed for so many seconds. */
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

/** What one real server may have of its own. What is left out is that of its service. */
export interface RealServerHealth extends Overrides<CheckTiming> {
  /** Replace those of the service; an empty list: it is not checked, and always up. */
  readonly checks?: readonly Check[] | undefined;
  /** Default: up. */
  readonly initially?: Initially | undefined;
  /** For so many seconds after a real server came up, its weight grows to its own. Default: 0. */
  readonly slowStart?: number | undefined;
}

/** The health checks of a service's real servers, and what follows from them. */
export interface HealthPolicy extends RealServerHealth, WhenLost {
  /** A real server is up if it passes all of them. */
  readonly checks: readonly Check[];
  /** Default: remove. */
  readonly onFailure?: OnFailure | undefined;
  /** Default: one real server. */
  readonly quorum?: Quorum | undefined;
  readonly damping?: Damping | undefined;
}

/** What is told of changes of state, and to whom. */
export interface Hook {
  /** A program of this host with its arguments, which reads the event as JSON. Either this or `url`. */
  readonly command?: readonly string[] | undefined;
  /** Where the event is posted as JSON. */
  readonly url?: string | undefined;
  /** With `url`: a file whose content signs the body, by HMAC-SHA256 in the header X-Beeline-Signature. */
  readonly secretFile?: string | undefined;
  /** Seconds within which it must be done. Default: 10. */
  readonly timeout?: number | undefined;
}

/** What holds for the checks of all services. */
export interface HealthSettings {
  /** The local ports that checks use, both included. Default: 61000 to 65095. */
  readonly ports?: { readonly first: number; readonly last: number } | undefined;
  readonly hooks?: readonly Hook[] | undefined;
}
