/** Turns errors of the kernel and of values into BeelineErrors that say what to do. */

import { KernelError, ValueError } from '../libbpf/index.js';
import { BeelineError, type ErrorCode } from '../model/index.js';

/** Calls the kernel. @param what the object of the call, for messages @throws BeelineError */
export function askKernel<Result>(what: string, ask: () => Result): Result {
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
      // The callers know what is missing.
      return error;
    default:
      return error instanceof KernelError
        ? new BeelineError('MAP_REFUSED', `the kernel refused this for ${what}: ${error.message}`, { cause: error })
        : error;
  }
}

/** Encodes or decodes values. @throws BeelineError with this code and hint for a value that does not fit its type */
export function withErrorCode<Result>(code: ErrorCode, hint: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    if (error instanceof ValueError) {
      throw new BeelineError(code, error.message, { hint, cause: error });
    }
    throw error;
  }
}
