/** Files that survive a crash or a loss of power at any moment: written aside, synchronised, renamed. */

import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Where the spare of a file is: the one before the last. */
export function spareOf(path: string): string {
  return `${path}.previous`;
}

/** Where a file is kept that cannot be used. */
export function damagedOf(path: string): string {
  return `${path}.damaged`;
}

/** Writes a file of mode 0600; resolves when its content is on the disk. Its name may not be: see `replaceFile`. */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/**
 * Replaces a file as a whole; a reader finds the old one or the new one. Calls for one path must not overlap.
 *
 * @param keepsSpare whether the file that is replaced becomes the spare; it must be whole
 */
export async function replaceFile(path: string, content: Uint8Array, keepsSpare: boolean): Promise<void> {
  const next = `${path}.new`;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await writeDurably(next, content);
    if (keepsSpare) {
      // A link, because between two renames there would be no file at the path.
      const spare = `${spareOf(path)}.new`;
      await rm(spare, { force: true });
      await link(path, spare).then(() => rename(spare, spareOf(path)), ignoreMissing);
    }
    await rename(next, path);
  } catch (error) {
    // On a full disk the part that was written takes room. If removing it fails too, the next attempt truncates it.
    await rm(next, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Removes a file and its spare. The spare goes first: it must never be the only one. */
export async function removeFile(path: string): Promise<void> {
  await rm(spareOf(path), { force: true });
  await rm(path, { force: true });
  await syncDirectory(dirname(path)).catch(ignoreMissing);
}

/** Makes renames and removals in a directory survive a loss of power. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
    throw error;
  }
}
