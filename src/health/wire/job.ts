/** What a check is to the addon's loop: where it goes, what it says, and what ends it. */

import { familyOf, type IpAddress, ipBytes } from '../../model/index.js';
import type { NativeCheckJob, NativeCheckRule } from '../../native/index.js';

/** The bytes of an answer that are read at most, unless a job says otherwise. At most 1 MiB can be said. */
export const DEFAULT_LIMIT = 65_536;

/** What ends a check, or one step of a dialogue. Of UDP it is `data`, and ping needs none. */
export type Until =
  /** The connection is there, and all bytes are sent. */
  | { readonly on: 'connected' }
  /** The first bytes of an answer, or the first datagram. */
  | { readonly on: 'data' }
  /** A whole HTTP/1 response. `head`: the request is HEAD, whose response has no body. */
  | { readonly on: 'http'; readonly head?: boolean }
  /** The headers of an HTTP/1 response. */
  | { readonly on: 'http-headers' }
  /** The answer contains these bytes. In a dialogue, what follows them belongs to the next step. */
  | { readonly on: 'bytes'; readonly bytes: Uint8Array }
  /** The server closes the connection. */
  | { readonly on: 'close' };

/** The kinds in the order of `Rule::Kind` (native/src/checks.h). */
const KINDS = ['connected', 'data', 'http', 'http-headers', 'bytes', 'close'] as const satisfies Until['on'][];

/** A check, as it is made again and again. */
export interface CheckJob {
  readonly protocol: 'tcp' | 'udp' | 'ping';
  /** The source address, of the family of `rip`. The kernel's choice may be a VIP, which the real server takes for its own. */
  readonly local: IpAddress;
  /** The address that the kernel's route, neighbour and MAC are for. */
  readonly rip: IpAddress;
  /** The destination on the wire. Without it the check goes to `rip`. */
  readonly vip?: IpAddress | undefined;
  /** Not for ping. */
  readonly port?: number;
  /** The interface of a link-local address. */
  readonly scope?: number;
  /** What is sent first; of ping the payload. At most 64 KiB. */
  readonly send?: Uint8Array;
  /** Default: `data`, which is all that UDP and ping have. */
  readonly until?: Until;
  /** The bytes of each answer that are read at most; with HTTP, headers included. Default: DEFAULT_LIMIT. */
  readonly limit?: number;
  /** From the opening of the socket to the end of the check, dialogues included. */
  readonly timeoutMs: number;
  /**
   * The check is a dialogue: when `until` is met, its result has a `flight`, and the connection stays open for `proceed` or `end`.
   * Not for ping.
   */
  readonly holds?: boolean;
  /** The result has the bytes of the answer. Those of dialogues always have. */
  readonly bytes?: boolean;
}

/** The next step of a dialogue. */
export interface Step {
  readonly send?: Uint8Array;
  readonly until: Until;
}

const PROTOCOLS = { tcp: 6, udp: 17, ping: 1 } as const;

/** @throws RangeError for addresses of two families */
export function nativeJob(job: CheckJob): NativeCheckJob {
  const { local, rip, vip } = job;
  if ([local, vip ?? rip].some((address) => familyOf(address) !== familyOf(rip))) {
    throw new RangeError(`the addresses of a check are of one family: ${[local, rip, vip].join(' ')}`);
  }
  return {
    ...nativeRule(job.until ?? { on: 'data' }),
    protocol: PROTOCOLS[job.protocol],
    local: ipBytes(local),
    rip: ipBytes(rip),
    ...(vip !== undefined && { vip: ipBytes(vip) }),
    port: job.port ?? 0,
    scope: job.scope ?? 0,
    ...(job.send && { send: job.send }),
    limit: job.limit ?? DEFAULT_LIMIT,
    timeoutMs: job.timeoutMs,
    holds: job.holds ?? false,
    bytes: job.bytes ?? false,
  };
}

export function nativeRule(until: Until): NativeCheckRule {
  return {
    kind: KINDS.indexOf(until.on),
    ...(until.on === 'http' && { head: until.head ?? false }),
    ...(until.on === 'bytes' && { sequence: until.bytes }),
  };
}
