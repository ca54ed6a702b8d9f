/** Files of this host, for importers that follow includes. */

import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';

import { BeelineError } from '../model/index.js';
import { readAtMost } from './bytes.js';
import type { Files } from './keepalived/index.js';

/** A file that is larger is not read at all. */
const MOST_BYTES = 64 << 20;

/** @param given files that the user named: they may be pipes; "-" is standard input */
export function diskFiles(given: readonly string[]): Files {
  return {
    list: (folder) => {
      try {
        return readdirSync(folder);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT' || code === 'ENOTDIR') {
          return undefined;
        }
        throw unreadable(folder, error);
      }
    },
    read: (path) => {
      try {
        return path === '-' || given.includes(path) ? readGiven(path) : readIncluded(path);
      } catch (error) {
        throw error instanceof BeelineError ? error : unreadable(path, error);
      }
    },
  };
}

function readGiven(path: string): Uint8Array {
  return readAtMost(path, MOST_BYTES) ?? tooLarge(path, `more than ${MOST_BYTES}`);
}

/** A FIFO or a device would have no end; keepalived passes them over, and executables (check_glob_file in lib/parser.c). */
function readIncluded(path: string): Uint8Array | undefined {
  const isFit = (stats: { isFile(): boolean; mode: number }): boolean => stats.isFile() && (stats.mode & 0o111) === 0;
  if (!isFit(statSync(path))) {
    return undefined;
  }
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (stats.size > MOST_BYTES) {
      tooLarge(path, String(stats.size));
    }
    return isFit(stats) ? readFileSync(file) : undefined;
  } finally {
    closeSync(file);
  }
}

/** @throws BeelineError `CONFIG_INVALID` */
function tooLarge(path: string, bytes: string): never {
  throw new BeelineError('CONFIG_INVALID', `${path} has ${bytes} bytes, too much for a configuration`);
}

function unreadable(path: string, error: unknown): BeelineError {
  return new BeelineError('CONFIG_UNREADABLE', `cannot read ${path}: ${(error as Error).message}`, { cause: error });
}

/** What keepalived takes conditions for, unless it is told otherwise: the first part of the host's name (keepalived.conf(5)). */
export function ownId(): string {
  return hostname().split('.', 1)[0]!;
}
