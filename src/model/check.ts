/** Checks of a real server: what each kind asks for. How they are run is the business of the health room. */

import type { IpAddress } from './address.js';
import { type Overrides, withDefaults } from './flow-settings.js';

/** Codes of HTTP statuses, both included. */
export interface StatusRange {
  readonly first: number;
  readonly last: number;
}

/** The connection comes about. */
export interface TcpCheck {
  readonly type: 'tcp';
}

/** A request, and what its response must have. */
export interface HttpRequest {
  /** Default: GET. */
  readonly method?: string | undefined;
  /** Default: "/". */
  readonly path?: string | undefined;
  /** The header Host. Default: the VIP, with the port if that is not the scheme's own. */
  readonly host?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Default: 200 to 399, as HAProxy's. */
  readonly status?: readonly StatusRange[] | undefined;
  /** A regular expression of RE2 that the body matches somewhere. */
  readonly body?: string | undefined;
}

/** One request; or several, one after another, all of which must pass. What is said beside `requests` holds for each. */
export interface HttpCheck extends HttpRequest {
  readonly type: 'http';
  readonly requests?: readonly HttpRequest[] | undefined;
}

/** How a check speaks TLS. */
export interface TlsSettings {
  /** The server name that is asked for, and that the certificate must be for. Default: none, and the VIP. */
  readonly sni?: string | undefined;
  /** The protocols that are offered, the best first; the server must choose one. Default: none is offered. */
  readonly alpn?: readonly string[] | undefined;
  /** Whether the certificate must be valid. Default: true. */
  readonly verify?: boolean | undefined;
  /** A file with the certificates that are trusted, in PEM. Default: those of Node.js. */
  readonly ca?: string | undefined;
  /** So many days before the certificate expires, a warning begins. Default: DEFAULT_EXPIRY_DAYS; 0: none. */
  readonly expiryDays?: number | undefined;
}

export const DEFAULT_EXPIRY_DAYS = 14;

/** The same as `http`, over TLS. */
export interface HttpsCheck extends HttpRequest, TlsSettings {
  readonly type: 'https';
  readonly requests?: readonly HttpRequest[] | undefined;
}

/** The handshake comes about. */
export interface TlsCheck extends TlsSettings {
  readonly type: 'tls';
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

/**
 * A datagram. It fails if the port is unreachable; an answer is needed only if `reply` says which. In its texts, and in all
 * others that go over the wire, a character is a byte: U+0000 to U+00FF.
 */
export interface UdpCheck {
  readonly type: 'udp';
  /** Default: an empty datagram. */
  readonly send?: string | undefined;
  /** What the answer begins with. */
  readonly reply?: string | undefined;
  /** The bits of `reply` that count. Default: all. */
  readonly mask?: string | undefined;
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

/** A dialogue over TCP, or over TLS, line by line or in whatever form. */
export interface DialogueCheck extends TlsSettings {
  readonly type: 'send-expect';
  readonly steps: readonly DialogueStep[];
  /** Default: false. The other settings of TLS need it. */
  readonly tls?: boolean | undefined;
}

/** The protocols that have a dialogue ready-made. */
export const READY_DIALOGUES = ['smtp', 'imap', 'pop3', 'ftp', 'ssh', 'redis', 'memcached', 'mysql'] as const;
export type ReadyDialogue = (typeof READY_DIALOGUES)[number];

export interface ReadyDialogueCheck extends TlsSettings {
  readonly type: ReadyDialogue;
  readonly tls?: boolean | undefined;
}

/**
 * A program of the director's host, without a shell: status 0 passes, any other fails. Its environment says what is
 * checked, in keepalived's and ldirectord's words. Where the packets go is its own business.
 */
export interface ExecCheck {
  readonly type: 'exec';
  /** The program's path, and its arguments. */
  readonly command: readonly string[];
}

/** How an agent is asked: by a connection, a request, or a program whose output, or status if that is empty, is the answer. */
export const AGENT_WAYS = ['tcp', 'http', 'exec'] as const;
export type AgentWay = (typeof AGENT_WAYS)[number];

/**
 * Asks a program that knows what the real server can bear. Its answer has words of HAProxy's agent: "up", "down", "drain",
 * "maint", "ready", "75%" of the weight, or "weight 20". No answer changes nothing, and it never overrules a failed check.
 */
export interface AgentCheck {
  readonly type: 'agent';
  /** Default: tcp. */
  readonly by?: AgentWay | undefined;
  /** Of http. Default: "/". */
  readonly path?: string | undefined;
  /** Of tcp: what is said first. Default: nothing. */
  readonly send?: string | undefined;
  /** Of exec. */
  readonly command?: readonly string[] | undefined;
}

/** A file of the director's host with a weight, or words as of an agent. One that is missing changes nothing. */
export interface FileCheck {
  readonly type: 'file';
  readonly path: string;
}

/** Checks that go over a network without TLS: the addon makes them. */
export type NetworkCheck = TcpCheck | HttpCheck | DnsCheck | UdpCheck | PingCheck | DialogueCheck | ReadyDialogueCheck;

/** Checks that Node.js makes, one by one. */
export type SlowCheck = HttpsCheck | TlsCheck | ExecCheck | AgentCheck | FileCheck | DialogueCheck | ReadyDialogueCheck;

/** Where a check goes, and how often. What is left out is that of the service's health, or a default. */
export interface CheckSettings extends Overrides<CheckTiming> {
  /** `vip` (default): to the VIP, through the real server. `rip`: to the real server's own address. */
  readonly via?: 'vip' | 'rip' | undefined;
  /** Another address than the real server's, which stands for it: the check goes there. Only with `via: rip`. */
  readonly address?: IpAddress | undefined;
  /** Default: the service's port. */
  readonly port?: number | undefined;
  /** The interval is so many times that of the service's health: a cheap check often, a full one seldom. Default: 1. */
  readonly every?: number | undefined;
}

/** Times are in seconds. */
export interface CheckTiming {
  /** From the begin of one run to the begin of the next. */
  readonly interval: number;
  /** Within this time a run passes, or fails. */
  readonly timeout: number;
  /** The interval while results speak against the state. */
  readonly fastInterval: number;
  /** The part of its interval, 0 to 0.5, by which each run is drawn earlier or later, so that many checks do not march in step. */
  readonly jitter: number;
  readonly rise: number;
  readonly fall: number;
}

/** `fastInterval`'s default is the interval, if that is shorter. */
export const DEFAULT_CHECK_TIMING: CheckTiming = {
  interval: 2,
  timeout: 1,
  fastInterval: 1,
  jitter: 0.1,
  rise: 2,
  fall: 3,
};

/** TLS costs about two milliseconds a check, and a program more: they have a longer interval and more time by default. */
export const SLOW_CHECK_TIMING: CheckTiming = { ...DEFAULT_CHECK_TIMING, interval: 5, timeout: 3 };

export type Check = (NetworkCheck | SlowCheck) & CheckSettings;
export type CheckType = Check['type'];

/** Whether Node.js makes a check. */
export function isSlowCheck(check: NetworkCheck | SlowCheck): check is SlowCheck {
  switch (check.type) {
    case 'https':
    case 'tls':
    case 'exec':
    case 'agent':
    case 'file':
      return true;
    default:
      return 'tls' in check && check.tls === true;
  }
}

/**
 * Returns the times of a check: its own, those of its real server, of its service, or the defaults.
 *
 * @param common the more general first
 */
export function timingOf(check: Check, ...common: readonly (Overrides<CheckTiming> | undefined)[]): CheckTiming {
  const pick = (all: Overrides<CheckTiming>): Overrides<CheckTiming> => {
    const { interval, timeout, fastInterval, jitter, rise, fall } = all;
    return { interval, timeout, fastInterval, jitter, rise, fall };
  };
  const defaults = isSlowCheck(check) ? SLOW_CHECK_TIMING : DEFAULT_CHECK_TIMING;
  const merged = withDefaults(defaults, ...common.map((each) => pick(each ?? {})), pick(check));
  const interval = merged.interval * (check.every ?? 1);
  return { ...merged, interval, fastInterval: Math.min(merged.fastInterval, interval) };
}
