/** What a result of the wire means: the end of a talk, its next turn, a failure of the network, or nothing at all. Pure. */

import { failed, type HttpHead, type Judgement, type Talk, type Turn } from '../kinds/kind.js';
import type { CheckResult } from '../wire/result.js';

/** The check was not made, for a reason of this host. */
export interface NotMade {
  readonly trouble: string;
}

/** The packets may have left by an interface without the programs. */
export const NOT_VIP = 'answers from its own address, not from the VIP';

/** The real server does not have the VIP, and sends what is for it to a director, or elsewhere. */
export const FORWARDS = 'has no VIP: it forwards what is for it';

/** What ICMP errors and missing routes say. */
export const UNREACHABLE: Readonly<Record<string, string>> = {
  ENETUNREACH: 'no route',
  EHOSTUNREACH: 'host unreachable',
  EHOSTDOWN: 'host down',
  ENOPROTOOPT: 'protocol unreachable',
  EACCES: 'prohibited by a router or by itself',
  EPERM: 'prohibited by a router or by itself',
};

export function judgeResult(talk: Talk, result: CheckResult): Turn | Judgement | NotMade {
  const { outcome, error } = result;
  switch (outcome) {
    case 'ok':
      return talk.next(result.bytes, 'complete', headOf(result));
    case 'timeout':
      return talk.transport === 'tcp' && result.connectMicros === undefined
        ? failed('L4', 'timeout')
        : talk.next(result.bytes, outcome, headOf(result));
    case 'closed':
    case 'too-long':
    case 'malformed':
      return talk.next(result.bytes, outcome, headOf(result));
    case 'refused':
    case 'reset':
      return failed('L4', outcome);
    case 'unreachable':
      return failed('L3', UNREACHABLE[error ?? ''] ?? `unreachable${error === undefined ? '' : `, ${error}`}`);
    case 'forwarded':
      return failed('L3', FORWARDS);
    case 'not-vip':
      return failed(talk.transport === 'icmp' ? 'L3' : 'L4', NOT_VIP);
    case 'no-port':
      return { trouble: 'no local port is free' };
    case 'too-many':
      return { trouble: 'too many checks are in the air' };
    case 'error':
      return { trouble: `this host cannot make the check: ${error ?? 'for no reason that is known'}` };
  }
}

function headOf({ http }: CheckResult): HttpHead | undefined {
  return http;
}
