/** One command at a time changes the VIPs of this host: two would each write a record without what the other did. */

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

import { BeelineError } from '../../model/index.js';
import { FileLock, KernelError } from '../../native/index.js';

/** @param root in which /run is: empty but for tests @throws BeelineError `HOST_FAILED`, `HOST_UNWRITABLE` */
export function lockVips(root: string): Disposable {
  const path = `${root}/run/beeline/vip.lock`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return new FileLock(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (error instanceof KernelError && (code === 'EAGAIN' || code === 'EWOULDBLOCK')) {
      throw new BeelineError('HOST_FAILED', 'another "beeline vip" changes the VIPs of this host', {
        hint: 'Run it again when that has ended.',
        cause: error,
      });
    }
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
      const [why, hint] =
        code === 'EROFS'
          ? ['the file system is read-only', 'Nothing was changed: /run must be writable.']
          : ['only root may', 'Use sudo.'];
      throw new BeelineError('HOST_UNWRITABLE', `cannot write ${path}: ${why}`, { hint, cause: error });
    }
    throw error;
  }
}
