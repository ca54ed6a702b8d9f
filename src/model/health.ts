/** Health checks of a service's real servers: what is asked for. How they are run is the business of the health room. */

import type { IpAddress } from './address.js';
import { type Overrides, withDefaults } from './flow-settings.js';

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

/** Codes of HTTP statuses, both included. */
export interface StatusRange {
  readonly first: number;
  readonly last: number;
}

/** The connection comes about. */
export interface TcpCheck {
  readonly type: 'tcp';
}

/** A request whose answer has a status and, if asked for, a body. */
export interface HttpCheck {
  readonly type: 'http';
  /** Default: GET. */
  readonly method?: string | undefined;
  /** Default: "/". */
  readonly path?: string | undefined;
  /** The header Host. Default: the VIP, with the port if that is not 80. */
  readonly host?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Default: 200 to 399, as HAProxy's. */
  readonly status?: readonly StatusRange[] | undefined;
  /** A regular expression of RE2 that the body matches somewhere. */
  readonly body?: string | undefined;
}

export const DNS_RECORDS = ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'TXT'] as const;
export type DnsRecord = (typeof DNS_RECORDS)[number];

export const DNS_RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'] as const;
export type DnsRcode = (typeof DNS_RCODES)[number];

/** A question, by UDP or TCP as the service's packets go. */
export interface DnsCheck {
  readonly type: 'dns';
  /** The name that is asked for; "." is the root. */
  readonly name: string;
  /** Default: A, or AAAA if the VIP is IPv6. */
  readonly record?: DnsRecord | undefined;
  /** Default: NOERROR. */
  readonly rcode?: DnsRcode | undefined;
  /** An address or a name that must be among the answers. Default: NOERROR needs an answer, whatever it is. */
  readonly answer?: string | undefined;
}

/** A datagram. It fails if the port is unreachable; an answer is needed only if `reply` says which. */
export interface UdpCheck {
  readonly type: 'udp';
  /** Default: an empty datagram. */
  readonly send?: Uint8Array | undefined;
  readonly reply?: Uint8Array | undefined;
  /** The bits of `reply` that count. Default: all. */
  readonly mask?: Uint8Array | undefined;
}

export interface PingCheck {
  readonly type: 'ping';
}

/** A step of a dialogue: what is awaited, then what is said. */
export interface DialogueStep {
  /** A regular expression of RE2 that what came since the last step matches; bytes count as Latin-1. */
  readonly expect?: string | undefined;
  readonly send?: string | undefined;
}

/** A dialogue over TCP, line by line or in whatever form. */
export interface DialogueCheck {
  readonly type: 'dialogue';
  readonly steps: readonly DialogueStep[];
}

/** Checks that go over a network, to the VIP through the real server. */
export type NetworkCheck = TcpCheck | HttpCheck | DnsCheck | UdpCheck | PingCheck | DialogueCheck;

/** Where a check goes, and how often. What is left out is that of the service's health, or a default. */
export interface CheckSettings extends Overrides<CheckTiming> {
  /** `vip` (default): to the VIP, through the real server. `rip`: to the real server's own address. */
  readonly via?: 'vip' | 'rip' | undefined;
  /** Another address than the real server's, which stands for it: the check goes there. Only with `via: rip`. */
  readonly address?: IpAddress | undefined;
  /** Default: the service's port. */
  readonly port?: number | undefined;
}

/** Times are in seconds. */
export interface CheckTiming {
  /** From the begin of one run to the begin of the next. */
  readonly interval: number;
  /** Within this time a run passes, or fails. */
  readonly timeout: number;
  /** The interval while results speak against the state. */
  readonly fastInterval: number;
  readonly rise: number;
  readonly fall: number;
}

/** `fastInterval`'s default is the interval, if that is shorter. */
export const DEFAULT_CHECK_TIMING: CheckTiming = { interval: 2, timeout: 1, fastInterval: 1, rise: 2, fall: 3 };

/** The part of its interval by which each run is drawn earlier or later. */
export const CHECK_JITTER = 0.1;

export type Check = NetworkCheck & CheckSettings;

/** The health checks of a service's real servers, and what follows from them. */
export interface HealthPolicy extends WhenLost, Overrides<CheckTiming> {
  /** A real server is up if it passes all of them. */
  readonly checks: readonly Check[];
  /** Default: up. */
  readonly initially?: Initially | undefined;
  /** Default: remove. */
  readonly onFailure?: OnFailure | undefined;
  /** Default: one real server. */
  readonly quorum?: Quorum | undefined;
  /** For so many seconds after a real server came up, its weight grows to its own. Default: 0. */
  readonly slowStart?: number | undefined;
  readonly damping?: Damping | undefined;
}

/** Returns the times of a check: its own, its service's, or the defaults. */
export function timingOf(common: Overrides<CheckTiming>, own: Overrides<CheckTiming>): CheckTiming {
  const pick = ({ interval, timeout, fastInterval, rise, fall }: Overrides<CheckTiming>): Overrides<CheckTiming> => ({
    interval,
    timeout,
    fastInterval,
    rise,
    fall,
  });
  const merged = withDefaults(DEFAULT_CHECK_TIMING, pick(common), pick(own));
  return { ...merged, fastInterval: Math.min(merged.fastInterval, merged.interval) };
}
