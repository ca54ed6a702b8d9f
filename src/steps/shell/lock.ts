/** One command at a time changes this host: two would each write a record without what the other did. No addon is needed. */

import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { BeelineError } from '../../model/index.js';

/** How often a lock that a process left behind is taken away, should others be at it too. */
const TRIES = 5;

/**
 * Locks by a file that names this process. What a process that ended left there does not count. Commands of all kinds share
 * the lock: VIPs of a director and of a real server may stand in the same files.
 *
 * @param root in which /run is: empty but for tests
 * @throws BeelineError `HOST_FAILED` if another process has the lock, `HOST_UNWRITABLE`
 */
export function lockHost(root: string): Disposable {
  const path = `${root}/run/beeline/host.lock`;
  const own = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(own, `${process.pid} ${startOf(process.pid)!}\n`);
    for (let tries = 0; !take(own, path); tries += 1) {
      refuseHeld(path, tries);
      clearLeft(path);
    }
  } catch (error) {
    throw error instanceof BeelineError ? error : unwritable(path, error as NodeJS.ErrnoException);
  } finally {
    rmSync(own, { force: true });
  }
  return {
    [Symbol.dispose]: () => {
      rmSync(path, { force: true });
    },
  };
}

function unwritable(path: string, cause: NodeJS.ErrnoException): BeelineError {
  const isDenied = cause.code === 'EACCES' || cause.code === 'EPERM';
  return new BeelineError('HOST_UNWRITABLE', `cannot write ${path}: ${isDenied ? 'only root may' : cause.message}`, {
    hint: isDenied ? 'Use sudo.' : 'Nothing was changed: /run must be writable.',
    cause,
  });
}

/** Whether the lock is this process's now: a link is made whole, or not at all. */
function take(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      return false;
    }
    throw error;
  }
}

/** @throws BeelineError `HOST_FAILED` if the process that took the lock runs */
function refuseHeld(path: string, tries: number): void {
  const holder = holderOf(path);
  const runs = isRunning(holder);
  if (runs || tries >= TRIES) {
    const who = runs ? `process ${holder![0]!}` : 'another process';
    throw new BeelineError('HOST_FAILED', `${who} changes this host at the moment; nothing was changed`, {
      hint: 'Run it again when that has ended.',
    });
  }
}

/** Moves what a process left, and looks at it again: another one may have cleared it meanwhile, and taken the lock. */
function clearLeft(path: string): void {
  const left = `${path}.${process.pid}.left`;
  try {
    renameSync(path, left);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return;
    }
    throw error;
  }
  if (isRunning(holderOf(left))) {
    take(left, path);
  }
  rmSync(left, { force: true });
}

function isRunning(holder: readonly string[] | undefined): boolean {
  return holder?.[1] !== undefined && startOf(Number(holder[0])) === holder[1];
}

function holderOf(path: string): string[] | undefined {
  try {
    return readFileSync(path, 'utf8').trim().split(' ');
  } catch {
    return undefined;
  }
}

/**
 * When a process began, in the kernel's ticks (proc(5), field 22): its number alone may be another's by now. One that ended and
 * that its parent has not waited for has no time.
 */
function startOf(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return ['Z', 'X'].includes(fields[0]!) ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
