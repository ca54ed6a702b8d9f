/** Finds who has the VIPs by right: VRRP, as Beeline's configuration says, and the keepalived that runs here. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { resolve } from 'node:path';

import { BeelineError, type Model } from '../model/index.js';
import type { Owners } from '../setup/index.js';

export interface Ownership {
  readonly owners: Owners;
  /** What could not be found out. */
  readonly notes: readonly string[];
}

/** @param file that the model is from */
export async function vipOwners(model: Model | undefined, file: string): Promise<Ownership> {
  const { ownersBy } = await import('../setup/index.js');
  const own = model === undefined ? [] : [...ownersBy(model, file, false)];
  const notes: string[] = [];
  const running = [];
  for (const path of keepalivedFiles()) {
    try {
      running.push(...ownersBy(await importVrrp(path), path, true));
    } catch (error) {
      if (!(error instanceof BeelineError)) {
        throw error;
      }
      notes.push(`keepalived runs, and which VIPs it has is not known: ${error.message}`);
    }
  }
  // What runs says more.
  return { owners: new Map([...own, ...running]), notes };
}

async function importVrrp(path: string): Promise<Model> {
  const [{ diskFiles, importKeepalived, ownId }, { systemNames }] = await Promise.all([
    import('../import/index.js'),
    import('../ipvsadm/index.js'),
  ]);
  const { model } = importKeepalived({ paths: [path], files: diskFiles([]), names: systemNames(), id: ownId() });
  return model;
}

const DEFAULT_FILE = '/etc/keepalived/keepalived.conf';

/** Returns the configurations of the keepalived processes in this network namespace. */
function keepalivedFiles(): Set<string> {
  const here = readlinkSync('/proc/self/ns/net');
  const files = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const isHere =
          readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'keepalived' &&
          readlinkSync(`/proc/${pid}/ns/net`) === here;
        return isHere
          ? [resolve(readlinkSync(`/proc/${pid}/cwd`), fileIn(readFileSync(`/proc/${pid}/cmdline`, 'utf8')))]
          : [];
      } catch {
        // It ended meanwhile, or another user may not look.
        return [];
      }
    });
  return new Set(files);
}

/** @param line the words of a command line, each with a NUL after it */
function fileIn(line: string): string {
  const words = line.split('\0');
  const i = words.findIndex((word) => word === '-f' || word === '--use-file');
  const joined = words.find((word) => word.startsWith('--use-file='));
  return joined?.slice('--use-file='.length) ?? (i < 0 ? DEFAULT_FILE : (words[i + 1] ?? DEFAULT_FILE));
}
