/** What the doctor finds: one mistake, its evidence, and what mends it. */

import { shellWord } from '../model/index.js';

export type Severity = 'error' | 'warning' | 'note';

/** Where a command is to be run. */
export type Place = 'director' | 'real server' | 'router' | 'client' | 'configuration';

export interface Mend {
  readonly on: Place;
  /** Which one, if there are several. */
  readonly host?: string;
  /** A command, or what to do in a few words. */
  readonly command: string;
  /**
   * The words of the command, if the doctor may run it on this director: with --fix it does, after it asked. Only what can be
   * undone and harms no traffic.
   */
  readonly fix?: readonly string[];
}

export interface Finding {
  /** The name of the check, and of its page in docs/doctor/. */
  readonly check: string;
  readonly severity: Severity;
  /** A VIP, a real server, an interface, a service, a setting. */
  readonly subject: string;
  /** Says what is wrong, in a sentence without a full stop. */
  readonly text: string;
  /** What was seen: frames, files, counters; a line each. */
  readonly evidence: readonly string[];
  /** What it does to traffic. */
  readonly why: string;
  readonly mend: readonly Mend[];
}

/** A command that the doctor may run on this director, as a mend. */
export function fixBy(...words: readonly string[]): Mend {
  return { on: 'director', command: words.map(shellWord).join(' '), fix: words };
}

const ORDER: readonly Severity[] = ['error', 'warning', 'note'];

/** Errors first, then warnings, then notes; of each, in the order of the checks. */
export function bySeverity(findings: readonly Finding[]): Finding[] {
  return ORDER.flatMap((severity) => findings.filter((each) => each.severity === severity));
}

/** The exit status: 0 clean, 1 warnings, 2 errors. */
export function statusOf(findings: readonly Finding[]): 0 | 1 | 2 {
  const has = (severity: Severity): boolean => findings.some((each) => each.severity === severity);
  return has('error') ? 2 : has('warning') ? 1 : 0;
}
