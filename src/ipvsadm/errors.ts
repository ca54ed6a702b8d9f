/** What ipvsadm says of mistakes and refusals, in IPVS's words and with its exit statuses. Pure. */

import { BeelineError } from '../model/index.js';

export const ExitStatus = {
  ok: 0,
  /** -L of what does not exist. */
  notListed: 1,
  usage: 2,
  /** No daemon: Beeline's own (docs/exit-status.md). */
  notRunning: 3,
  /** -1 to ipvsadm: an option that popt does not know, a change that was refused. */
  refused: 255,
} as const;

/** A command that comes to nothing. */
export class Failure extends Error {
  /** As it goes to standard error, without the last line's end. */
  readonly text: string;
  readonly status: number;
  /** ipvsadm exits at once: nothing more of what -R reads is done. */
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

/** What the kernel, or Beeline, does not do. */
export function refusal(text: string): Failure {
  return new Failure(text, ExitStatus.refused, false);
}

/** What the kernel says of an address of a real server that is no single host's (EINVAL). */
export const NOT_UNICAST = 'Invalid operation.  Possibly wrong module version, address not unicast, ...';
/** ENOENT for a service's command. */
export const NO_SCHEDULER = 'Scheduler or persistence engine not found';

/** Which of IPVS's words fit: the same errno says different things of different commands. */
export type About = 'service' | 'destination' | 'list';

/** What the daemon answered, in ipvsadm's words where it has some. */
export function failureOf(error: unknown, about: About): Failure {
  if (error instanceof Failure) {
    return error;
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
      // As ipvsadm ends that may not open its socket.
      return new Failure(inFull(error), ExitStatus.usage, true);
    default:
      return refusal(inFull(error));
  }
}

function inFull({ message, hint }: BeelineError): string {
  return hint === undefined ? message : `${message}\n${hint}`;
}
