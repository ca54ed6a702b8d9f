/** Tells where figures come from, so that others can measure them again: command, commit, processor, its settings. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { shellWord } from '../../model/index.js';

/** What a page says about its figures, in words. */
export type Origin = Readonly<Record<'command' | 'commit' | 'processor' | 'governor' | 'mitigations', string>>;

const CPU = '/sys/devices/system/cpu';

/** @param words the command line, without the program's name */
export function originOf(words: readonly string[]): Origin {
  return {
    command: ['beeline', ...words.map(shellWord)].join(' '),
    commit: commit(fileURLToPath(new URL('../../../../', import.meta.url))),
    processor: processorIn(readOr('/proc/cpuinfo') ?? ''),
    governor: readOr(`${CPU}/cpu0/cpufreq/scaling_governor`) ?? 'the kernel shows none (as in most virtual machines)',
    mitigations: mitigations(),
  };
}

/** Names the processor exactly: virtual machines give many of them the same name. */
export function processorIn(cpuinfo: string): string {
  const field = (name: string): string | undefined => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(cpuinfo)?.[1]?.trim();
  const exactly = [
    ['family', 'cpu family'],
    ['model', 'model'],
    ['stepping', 'stepping'],
    ['microcode', 'microcode'],
    ['part', 'CPU part'],
    ['cache', 'cache size'],
  ].flatMap(([word, name]) => (field(name!) === undefined ? [] : [`${word!} ${field(name!)!}`]));
  return `${field('model name') ?? field('CPU implementer') ?? 'unknown'} (${exactly.join(', ')})`;
}

/** Returns the commit of a checkout, with whether it was changed; for a package, that it has none. */
function commit(folder: string): string {
  try {
    const git = (...words: string[]): string =>
      execFileSync('git', ['-C', folder, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain') === '' ? '' : ', with changes'}`;
  } catch {
    return 'not a checkout';
  }
}

function mitigations(): string {
  const folder = `${CPU}/vulnerabilities`;
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch {
    return 'the kernel shows none';
  }
  const states = names.map((name) => [name, readOr(join(folder, name)) ?? 'unknown'] as const);
  const told = states.filter(([, state]) => state !== 'Not affected').map(([name, state]) => `${name}: ${state}`);
  return told.length === 0 ? 'not affected by any known vulnerability' : told.join('. ');
}

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
