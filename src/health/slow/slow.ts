/** What a check that Node.js makes is given, and what it returns. */

import type { IpAddress } from '../../model/index.js';
import type { Advice } from '../advice.js';
import type { Judgement, Target } from '../kinds/kind.js';
import type { Outcome } from '../outcome.js';
import type { CheckLoop } from '../wire/check-loop.js';
import type { Places } from './places.js';

export interface SlowContext {
  /** Whom the check talks to, as the real server sees it: names and certificates are those of its address. */
  readonly target: Target;
  /** Where a socket connects to. */
  readonly rip: IpAddress;
  /** The interface of a link-local address. */
  readonly scope?: number | undefined;
  /** The source address. The kernel's choice may be a VIP. */
  readonly local?: IpAddress | undefined;
  /** With `local`: connections go to the VIP, from ports of the loop's table. */
  readonly wire?: Pick<CheckLoop, 'takePort' | 'releasePort' | 'isForwarded' | 'isAnswered'> | undefined;
  readonly timeoutMs: number;
  /** Ends the check early. What it returns then has no meaning but `trouble`. */
  readonly signal: AbortSignal;
  /** Handshakes of TLS that begin at once. */
  readonly handshakes?: Places | undefined;
  /** What programs are told beside PATH: checkEnvironment(). */
  readonly environment: Readonly<Record<string, string>>;
}

export interface SlowResult {
  /** Missing: the check could not be made, and nothing is known of the real server. `trouble` says why. */
  readonly outcome?: Outcome | undefined;
  /** Of agents and files. Without `trouble`, undefined means that there is none any more. */
  readonly advice?: Advice | undefined;
  /** What is to be said although the check passes. */
  readonly warning?: string | undefined;
  /** Why the check could not be made. The state and the last advice stay. */
  readonly trouble?: string | undefined;
}

/** A result before its time is taken. */
export interface Finding extends Omit<SlowResult, 'outcome'> {
  readonly judgement?: Judgement | undefined;
}

/** Ends a check whose failure says nothing about the real server. */
export class Trouble extends Error {}

/** Errors of the system in people's words; others by their code. */
const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EISDIR: 'is a directory',
  ENOTDIR: 'no such file',
  ENOEXEC: 'is no program',
  ENXIO: 'is no regular file',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files',
  EAGAIN: 'too many processes',
  ENOMEM: 'no memory',
  E2BIG: 'too many arguments',
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name of the host cannot be resolved',
  EADDRNOTAVAIL: 'no such address on this host',
};

export function systemWords(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === undefined ? message : (WORDS[code] ?? code);
}
