/** Replaces a file as a whole, or not at all. */

import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { BeelineError } from '../model/index.js';

/** The most links that Linux follows (path_resolution(7)). */
const MAX_LINKS = 40;

/** Returns the file that a symbolic link leads to, also if it does not exist yet: the link stays. @throws BeelineError `USAGE` */
export function targetOf(file: string): string {
  let path = resolve(file);
  for (let links = 0; links < MAX_LINKS; links += 1) {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined || found.isFile()) {
      return found === undefined ? path : realpathSync(path);
    }
    if (!found.isSymbolicLink()) {
      throw new BeelineError('USAGE', `${path} is not a regular file`, { hint: 'Name another file.' });
    }
    path = resolve(realpathSync(dirname(path)), readlinkSync(path));
  }
  throw new BeelineError('USAGE', `${file} is a link that leads nowhere`, { hint: 'Name another file.' });
}

/**
 * Replaces a file atomically and keeps its mode and owner.
 *
 * @param before what it has; undefined: it may have anything
 * @throws BeelineError `CONFIG_CHANGED`, `CONFIG_UNWRITABLE`
 */
export async function replaceFile(path: string, text: string, before: string | undefined): Promise<void> {
  const { writeDurably } = await import('../store/index.js');
  const next = join(dirname(path), `.beeline-${randomUUID()}`);
  try {
    await writeDurably(next, text);
    if (existsSync(path)) {
      const { mode, uid, gid } = statSync(path);
      chownSync(next, uid, gid);
      chmodSync(next, mode & 0o7777);
    } else {
      chmodSync(next, 0o644);
    }
    if (before !== undefined && readFileSync(path, 'utf8') !== before) {
      throw new BeelineError('CONFIG_CHANGED', `${path} changed meanwhile: nothing was written`);
    }
    renameSync(next, path);
  } catch (error) {
    rmSync(next, { force: true });
    throw isSystemError(error) ? unwritable(path, error) : error;
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

/** What to do about an error of the system, by its code. */
const REMEDIES: Readonly<Partial<Record<string, string>>> = {
  ENOSPC: 'The disk is full: make room, or name another file. The file is as it was.',
  EDQUOT: 'The quota is used up: make room, or name another file. The file is as it was.',
  EROFS: 'The file system is read-only: name another file, for example one in /tmp.',
  ENOENT: 'Its folder does not exist: make it, or name another file.',
  EACCES: 'Use sudo, or name another file.',
  EPERM: 'Use sudo, or name another file.',
};

function unwritable(path: string, error: NodeJS.ErrnoException): BeelineError {
  // Without the call, which names a file that nobody knows.
  const reason = error.message.replace(/^[A-Z0-9]+: |, \w+(?: '.*)?$/gs, '');
  return new BeelineError('CONFIG_UNWRITABLE', `cannot write ${path}: ${reason}`, {
    hint: REMEDIES[error.code ?? ''] ?? 'The file is as it was. Name another file.',
    cause: error,
  });
}
