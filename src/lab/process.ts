/** Identifies processes by number and start time, since numbers are reused. */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot (field 22 of /proc/PID/stat, proc(5)). */
  readonly startedAt: string;
}

const TERM_TIMEOUT_MS = 3_000;
const POLL_MS = 10;

/** Returns the identity of a running process. */
export function processOf(pid: number): ProcessIdentity {
  return { pid, startedAt: startOf(pid) ?? '' };
}

export function isAlive({ pid, startedAt }: ProcessIdentity): boolean {
  return startedAt !== '' && startOf(pid) === startedAt;
}

/** Returns a process's start time; undefined if it does not exist or is a zombie. */
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

/** Ends a process, by SIGTERM and then SIGKILL, and waits until it is gone. */
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
