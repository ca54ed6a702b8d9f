/** How a check ended, read from what the addon reports. */

import { getSystemErrorName } from 'node:util';

/** How a check ended, in the order of `Outcome` (native/src/checks.h). */
export const OUTCOMES = [
  'ok',
  /** A reset, or an ICMP error about the port, answered the first packet. */
  'refused',
  /** The connection was reset after it was made. */
  'reset',
  'timeout',
  /** An ICMP error, or no route or neighbour: `error` says which. */
  'unreachable',
  /** The real server forwards what is for the VIP: it does not have it. */
  'forwarded',
  /** The answer did not come from the VIP: the packets went to the RIP, or the server answers from there. */
  'not-vip',
  /** The server closed the connection before the answer was complete. */
  'closed',
  /** The answer is longer than the job's limit. */
  'too-long',
  /** The answer is not HTTP. */
  'malformed',
  /** Not made: no local port is free. Says nothing about the real server. */
  'no-port',
  /** Not made: as many checks as the limit allows are in the air. Says nothing about the real server. */
  'too-many',
  /** For a reason of this host, which `error` names. Says nothing about the real server. */
  'error',
] as const;

export type Outcome = (typeof OUTCOMES)[number];

export interface CheckResult {
  /** The number that `define` returned. */
  readonly job: number;
  readonly outcome: Outcome;
  /** errno's name, `ECONNREFUSED`, where a system call or an ICMP error told the outcome. */
  readonly error?: string;
  /** From the opening of the socket until the TCP connection was there; absent if there was none. */
  readonly connectMicros?: number;
  /** From the opening of the socket to the end; 0 if the check was not made. */
  readonly totalMicros: number;
  /** With a job that wants `bytes`: what came, also of an answer that failed. Of a dialogue what came in this step. */
  readonly bytes: Uint8Array;
  /** The status of an HTTP response, and where in `bytes` its body begins. */
  readonly http?: { readonly status: number; readonly bodyOffset: number };
  /** Of a dialogue whose step succeeded: for `proceed` or `end`, which must follow. */
  readonly flight?: number;
}

/** The 32-bit words of a result, in the order of `CheckLoop::Result` (native/src/checks.h). */
const FIELDS = 10;
const NONE = 0xffff_ffff;

export function readResults(fields: Uint32Array, bytes: Uint8Array): CheckResult[] {
  return Array.from({ length: fields.length / FIELDS }, (_, i) => {
    const [job, outcome, error, connectMicros, totalMicros, flight, offset, length, status, bodyOffset] =
      fields.subarray(i * FIELDS, (i + 1) * FIELDS) as unknown as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
    return {
      job,
      outcome: OUTCOMES[outcome]!,
      totalMicros,
      bytes: bytes.subarray(offset, offset + length),
      ...(error !== 0 && { error: getSystemErrorName(-error) }),
      ...(connectMicros !== NONE && { connectMicros }),
      ...(status !== 0 && { http: { status, bodyOffset } }),
      ...(flight !== NONE && { flight }),
    };
  });
}
