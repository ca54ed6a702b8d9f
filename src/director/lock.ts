/** The locks that a daemon holds as long as it lives: a director has one writer. */

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

import { BeelineError, type Instance } from '../model/index.js';
import { FileLock, KernelError } from '../native/index.js';

/**
 * A lock on a file, and one on the folder of the pins. The file may be removed by whoever cleans up /run; the folder stays as
 * long as pins are in it.
 */
export class InstanceLock implements Disposable {
  readonly #instance: Instance;
  #file: FileLock;
  #folder: FileLock | undefined;

  /** @throws BeelineError `ALREADY_RUNNING`; `CAPABILITY_MISSING` if the user may not write the lock */
  constructor(instance: Instance) {
    this.#instance = instance;
    this.#file = lockFile(instance);
  }

  /** Locks the folder of the pins, which must be there. @throws BeelineError `ALREADY_RUNNING` */
  lockPins(): void {
    this.#folder?.close();
    this.#folder = lock(this.#instance, this.#instance.pinDirectory, 'folder');
  }

  /**
   * Locks anew what was removed and is there again. Returns what was done, as text; undefined: nothing had to be.
   *
   * @throws BeelineError `ALREADY_RUNNING` if another process was faster
   */
  mend(): string | undefined {
    const { lockPath, pinDirectory } = this.#instance;
    const done: string[] = [];
    if (this.#folder?.isAt(pinDirectory) === false) {
      this.lockPins();
      done.push(pinDirectory);
    }
    if (!this.#file.isAt(lockPath)) {
      this.#file.close();
      this.#file = lockFile(this.#instance);
      done.push(lockPath);
    }
    return done.length === 0 ? undefined : `${done.join(' and ')} had been removed: locked again`;
  }

  [Symbol.dispose](): void {
    this.#file.close();
    this.#folder?.close();
  }
}

function lockFile(instance: Instance): FileLock {
  const { lockPath } = instance;
  try {
    mkdirSync(dirname(lockPath), { recursive: true, mode: 0o700 });
    return lock(instance, lockPath, 'file');
  } catch (error) {
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

function lock({ name }: Instance, path: string, kind: 'file' | 'folder'): FileLock {
  try {
    return new FileLock(path, kind);
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
