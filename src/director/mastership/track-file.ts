/**
 * The file by which keepalived learns whether this director may be master: its configuration has it as "track_file", with
 * "weight 0 reverse". "1": it may. Anything else, an empty file or none is a fault.
 *
 * keepalived watches the folder by inotify and reads the file when somebody has closed or renamed it. It is renamed, since a
 * keepalived that starts must never find an empty one.
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** What the file says; undefined: there is none. */
export function readMayBeMaster(path: string): boolean | undefined {
  try {
    return readFileSync(path, 'latin1').trim() === '1';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

/** Tells keepalived. It is in memory (/run), so nothing is synchronised. @throws Error the file system's */
export function writeMayBeMaster(path: string, may: boolean): void {
  const next = `${path}.new`;
  writeFileSync(next, may ? '1\n' : '0\n', { mode: 0o644 });
  renameSync(next, path);
}
