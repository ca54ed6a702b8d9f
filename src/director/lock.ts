/** The lock that a daemon holds as long as it lives: a director has one writer. */

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

import { BeelineError, type Instance } from '../model/index.js';
import { FileLock, KernelError } from '../native/index.js';

/** @throws BeelineError `ALREADY_RUNNING`; `CAPABILITY_MISSING` if the user may not write the lock */
export function lockInstance({ name, lockPath }: Instance): FileLock {
  try {
    mkdirSync(dirname(lockPath), { recursive: true, mode: 0o700 });
    return new FileLock(lockPath);
  } catch (error) {
    if (error instanceof KernelError && error.code === 'EAGAIN') {
      throw new BeelineError('ALREADY_RUNNING', `a daemon of the instance "${name}" is running already`, {
        hint: 'See "beeline status", or give this one another --instance.',
        cause: error,
      });
    }
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
      throw new BeelineError('CAPABILITY_MISSING', `cannot write ${lockPath} (${code})`, {
        hint: 'Run as root (sudo). A user with the capabilities alone may not use the folder of the lock and the socket.',
        cause: error,
      });
    }
    throw error;
  }
}
