/** The director's folder in the BPF file system: sets of maps, and the links that keep the program on interfaces. */

import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  statfsSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

import { KernelError, XdpLink } from '../libbpf/index.js';
import { BeelineError } from '../model/index.js';
import { mountBpffs } from '../native/index.js';
import { removeHostPrograms } from './host/programs.js';
import { MapSet } from './maps/map-set.js';

/** BPF_FS_MAGIC (linux/magic.h). */
export const BPF_FS_MAGIC = 0xcafe4a11;
/** The path at which distributions mount it. */
export const BPF_FS = '/sys/fs/bpf';

/** Makes the folder. Mounts the BPF file system first if it should be there and is not. */
export function ensurePinDirectory(directory: string): void {
  try {
    if (directory.startsWith(`${BPF_FS}/`) && statfsSync(BPF_FS).type !== BPF_FS_MAGIC) {
      mountBpffs(BPF_FS);
    }
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(directory, error);
  }
  if (statfsSync(directory).type !== BPF_FS_MAGIC) {
    throw new BeelineError('PINS_UNUSABLE', `${directory} is not in a BPF file system`, {
      hint: `Mount one: mount -t bpf bpffs ${BPF_FS}`,
    });
  }
}

/**
 * Returns the numbers of the pinned sets, ascending.
 *
 * @throws BeelineError `PINS_FOREIGN` if something else has the name of one
 */
export function listSets(directory: string): number[] {
  const numbers = list(directory, 'set-');
  const foreign = numbers.find((number) => !statSync(setPath(directory, number)).isDirectory());
  if (foreign !== undefined) {
    throw new BeelineError('PINS_FOREIGN', `${setPath(directory, foreign)} is not a folder that Beeline made`, {
      hint: 'Move it away, or choose another --instance.',
    });
  }
  return numbers;
}

/** Returns the interfaces that links are pinned for, by index. */
export function listLinks(directory: string): number[] {
  return list(directory, 'link-');
}

function list(directory: string, prefix: string): number[] {
  if (!existsSync(directory)) {
    return [];
  }
  return (
    readdirSync(directory)
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      // Files with other names are not Beeline's.
      .filter((rest) => /^\d+$/.test(rest))
      .map(Number)
      .sort((a, b) => a - b)
  );
}

export function setPath(directory: string, number: number): string {
  return join(directory, `set-${number}`);
}

export function linkPath(directory: string, ifindex: number): string {
  return join(directory, `link-${ifindex}`);
}

/** @throws BeelineError `PINS_FOREIGN` if something else is at the link's path */
export function openLink(directory: string, ifindex: number): XdpLink {
  const path = linkPath(directory, ifindex);
  try {
    return XdpLink.openPinned(path);
  } catch (error) {
    if (error instanceof KernelError && error.code === 'EINVAL') {
      throw new BeelineError('PINS_FOREIGN', `${path} is not a link that Beeline pinned`, {
        hint: `Move it away, or choose another --instance.`,
        cause: error,
      });
    }
    throw unusable(path, error);
  }
}

/** Returns the programs that pinned links keep on interfaces, by the interfaces' indices. Pins of others are passed over. */
export function pinnedPrograms(directory: string): ReadonlyMap<number, number> {
  const programs = new Map<number, number>();
  for (const ifindex of readable(directory) ? listLinks(directory) : []) {
    try {
      using link = openLink(directory, ifindex);
      const { ifindex: actual, programId } = link.info;
      if (actual === ifindex) {
        programs.set(ifindex, programId);
      }
    } catch (error) {
      if (!(error instanceof BeelineError)) {
        throw error;
      }
    }
  }
  return programs;
}

/** Whether this user may look into a folder that is there. */
function readable(directory: string): boolean {
  try {
    accessSync(directory, constants.R_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Detaches every program and removes every pin of a director. Returns whether there was one. */
export function removePins(directory: string): boolean {
  const sets = listSets(directory);
  const links = listLinks(directory);
  removeHostPrograms(directory, links);
  for (const ifindex of links) {
    using link = openLink(directory, ifindex);
    if (link.info.ifindex !== 0) {
      link.detach();
    }
    unlinkSync(linkPath(directory, ifindex));
  }
  for (const number of sets) {
    MapSet.unpin(setPath(directory, number));
  }
  if (existsSync(directory) && readdirSync(directory).length === 0) {
    rmdirSync(directory);
    removeIfEmpty(dirname(directory));
  }
  return sets.length > 0 || links.length > 0;
}

/** Removes the folder of all instances together with the last one. */
function removeIfEmpty(directory: string): void {
  if (directory !== BPF_FS && readdirSync(directory).length === 0) {
    rmdirSync(directory);
  }
}

function unusable(path: string, error: unknown): BeelineError {
  const reason = error instanceof Error ? error.message : String(error);
  return new BeelineError('PINS_UNUSABLE', `cannot use ${path} in the BPF file system: ${reason}`, {
    hint: `Run as root; check "mount -t bpf bpffs ${BPF_FS}".`,
    cause: error,
  });
}
