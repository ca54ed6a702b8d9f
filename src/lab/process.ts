/** Processes by number and birth: a number alone may by now be somebody else's. */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot (field 22 of /proc/PID/stat, proc(5)). */
  readonly startedAt: string;
}

const TERM_TIMEOUT_MS = 3_000;
const POLL_MS = 10;

/** The identity of a process that is running now. */
export function processOf(pid: number): ProcessIdentity {
  return { pid, startedAt: startOf(pid) ?? '' };
}

export function isAlive({ pid, startedAt }: ProcessIdentity): boolean {
  return startedAt !== '' && startOf(pid) === startedAt;
}

/** Undefined when there is none, or only its remains, which wait to be reaped. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Ends a process, gently first, and waits until it is gone. */
export async function terminate(identity: ProcessIdentity): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!isAlive(identity)) {
      return;
    }
    process.kill(identity.pid, signal);
    const deadline = performance.now() + TERM_TIMEOUT_MS;
    while (isAlive(identity) && performance.now() < deadline) {
      await sleep(POLL_MS);
    }
  }
}
