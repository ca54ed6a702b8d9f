/** Mistakes and refusals in ipvsadm's words, with its exit statuses. Pure. */

import { BeelineError, isAddonUnusable } from '../model/index.js';

export const ExitStatus = {
  ok: 0,
  /** -L of a service that does not exist. */
  notListed: 1,
  usage: 2,
  /** No daemon is running. IPVS has no such status (docs/exit-status.md). */
  notRunning: 3,
  /** -1 to ipvsadm: an option that popt does not know, a change that was refused. */
  refused: 255,
} as const;

/** A command that failed. */
export class Failure extends Error {
  /** The text for standard error, without the last newline. */
  readonly text: string;
  readonly status: number;
  /** Whether ipvsadm exits at once, even with more lines of -R to run. */
  readonly ends: boolean;

  constructor(text: string, status: number, ends: boolean) {
    super(text);
    this.text = text;
    this.status = status;
    this.ends = ends;
  }
}

/** ipvsadm's fail(2, …). */
export function usage(text: string): Failure {
  return new Failure(text, ExitStatus.usage, true);
}

/** ipvsadm's tryhelp_exit. */
export function tryHelp(): Failure {
  return new Failure("Try `ipvsadm -h' or 'ipvsadm --help' for more information.", ExitStatus.refused, true);
}

/** A request that the kernel, or Beeline, does not support. */
export function refusal(text: string): Failure {
  return new Failure(text, ExitStatus.refused, false);
}

/** The text for a real server whose address is not that of a single host (EINVAL). */
export const NOT_UNICAST = 'Invalid operation.  Possibly wrong module version, address not unicast, ...';
/** The text for ENOENT from a command for a service. */
export const NO_SCHEDULER = 'Scheduler or persistence engine not found';

/** The object of a command: ipvsadm has different words for the same errno. */
export type About = 'service' | 'destination' | 'list';

/** Turns the daemon's error into ipvsadm's words, if it has any. */
export function failureOf(error: unknown, about: About): Failure {
  if (error instanceof Failure) {
    return error;
  }
  if (isAddonUnusable(error)) {
    // Only without a daemon are the pinned maps read, for which the addon is needed.
    return new Failure(error.message, ExitStatus.notRunning, true);
  }
  if (!(error instanceof BeelineError)) {
    throw error;
  }
  switch (error.code) {
    case 'SERVICE_EXISTS':
      return refusal('Service already exists');
    case 'SERVICE_UNKNOWN':
      return about === 'list'
        ? new Failure('No such service', ExitStatus.notListed, true)
        : refusal(about === 'service' ? 'No such service' : 'Service not defined');
    case 'DESTINATION_EXISTS':
      return refusal('Destination already exists');
    case 'DESTINATION_UNKNOWN':
      return refusal('No such destination');
    case 'OUT_OF_RANGE':
      return refusal('Numerical result out of range');
    case 'NOT_RUNNING':
      return new Failure(inFull(error), ExitStatus.notRunning, true);
    case 'CONTROL_DENIED':
      // ipvsadm's status if it is not allowed to open its socket.
      return new Failure(inFull(error), ExitStatus.usage, true);
    default:
      return refusal(inFull(error));
  }
}

function inFull({ message, hint }: BeelineError): string {
  return hint === undefined ? message : `${message}\n${hint}`;
}
