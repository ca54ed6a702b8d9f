/** What is pinned in a BPF file system, before it is opened. */

import { addon } from '../native/index.js';

export type PinnedKind = 'map' | 'program' | 'link';

/**
 * What a path is the pin of; undefined for kinds that this version does not know.
 *
 * @throws KernelError `ENOENT` when there is nothing, `EACCES` for other files, `EPERM` without the right to open it
 */
export function pinnedKind(path: string): PinnedKind | undefined {
  const kinds: Readonly<Record<string, PinnedKind>> = { 'bpf-map': 'map', 'bpf-prog': 'program', 'bpf-link': 'link' };
  return kinds[addon.pinnedKind(path)];
}
