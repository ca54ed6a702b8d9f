/** One writer a director: the lock that a daemon holds for as long as it lives. */

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

import { BeelineError } from '../model/index.js';
import { KernelError } from '../native/error.js';
import { FileLock } from '../native/system.js';
import type { Instance } from './instance.js';

/** @throws BeelineError `ALREADY_RUNNING` */
export function lockInstance({ name, lockPath }: Instance): FileLock {
  mkdirSync(dirname(lockPath), { recursive: true, mode: 0o700 });
  try {
    return new FileLock(lockPath);
  } catch (error) {
    if (error instanceof KernelError && error.code === 'EAGAIN') {
      throw new BeelineError('ALREADY_RUNNING', `a daemon of the instance "${name}" is running already`, {
        hint: 'See "beeline status", or give this one another --instance.',
        cause: error,
      });
    }
    throw error;
  }
}
