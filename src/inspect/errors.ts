/** What the kernel refuses, told as what a user can do about it. */

import { KernelError, ValueError } from '../libbpf/index.js';
import { BeelineError, type ErrorCode } from '../model/index.js';

/** Runs something that asks the kernel; `what` is the object it asks about. @throws BeelineError */
export function asking<Result>(what: string, ask: () => Result): Result {
  try {
    return ask();
  } catch (error) {
    throw explain(what, error);
  }
}

function explain(what: string, error: unknown): unknown {
  const code = error instanceof KernelError ? error.code : (error as NodeJS.ErrnoException).code;
  switch (error instanceof Error && code) {
    case 'EPERM':
    case 'EACCES':
      return new BeelineError('CAPABILITY_MISSING', `no permission for ${what}`, {
        hint: 'Run as root (sudo), or with CAP_SYS_ADMIN.',
        cause: error,
      });
    case 'E2BIG':
      return new BeelineError('MAP_FULL', `${what} is full`, { cause: error });
    case 'ENOTSUPP':
    case 'EOPNOTSUPP':
      return new BeelineError('MAP_UNSUPPORTED', `the kernel does not offer this for ${what}`, { cause: error });
    case 'ENOENT':
      // Callers know what that means.
      return error;
    default:
      return error instanceof KernelError
        ? new BeelineError('MAP_REFUSED', `the kernel refused this for ${what}: ${error.message}`, { cause: error })
        : error;
  }
}

/** Runs something that decodes or encodes; a value that does not fit gets a code. @throws BeelineError */
export function fitting<Result>(code: ErrorCode, hint: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    if (error instanceof ValueError) {
      throw new BeelineError(code, error.message, { hint, cause: error });
    }
    throw error;
  }
}

/** The few of some names that somebody may have meant: told in a hint. */
export function nearest(wanted: string, names: readonly string[]): string[] {
  const close = names
    .map((name) => ({ name, distance: distance(wanted, name) }))
    .filter(({ name, distance: far }) => far <= Math.max(2, wanted.length / 3) || name.includes(wanted))
    .sort((a, b) => a.distance - b.distance);
  return close.slice(0, 3).map(({ name }) => name);
}

/** How many letters are to be changed, added or left out (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
