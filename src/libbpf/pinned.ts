/** Tells what is pinned to a path of a BPF file system. */

import { addon } from '../native/index.js';

export type PinnedKind = 'map' | 'program' | 'link';

/**
 * Returns the kind of object that is pinned to a path; undefined for kinds that this version does not know.
 *
 * @throws KernelError `ENOENT` when the path does not exist, `EACCES` for other files, `EPERM` without permission to open it
 */
export function pinnedKind(path: string): PinnedKind | undefined {
  const kinds: Readonly<Record<string, PinnedKind>> = { 'bpf-map': 'map', 'bpf-prog': 'program', 'bpf-link': 'link' };
  return kinds[addon.pinnedKind(path)];
}
