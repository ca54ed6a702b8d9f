/** Finds the maps that a command line of `beeline map` names, and takes its other words. */

import type { Command } from 'commander';

import type { FoundMap, Maps } from '../../../inspect/index.js';
import { BeelineError } from '../../../model/index.js';
import { instanceFor } from '../../instance.js';
import type { Options } from './options.js';

/** @throws BeelineError `USAGE`, `MAP_UNKNOWN`, `CAPABILITY_MISSING` */
export async function findMaps(command: Command, { pinned, id }: Options, all?: true): Promise<Maps> {
  if ([pinned, id, all].filter((each) => each !== undefined).length > 1) {
    throw new BeelineError('USAGE', 'use only one of --pinned, --id and --all');
  }
  const { Maps: Finder } = await import('../../../inspect/index.js');
  return Finder.find({ pinDirectory: instanceFor(command).pinDirectory, pinned, id, all });
}

/** Finds one map. The first word is its name, unless --pinned or --id names a single map. */
export async function selectMap(
  command: Command,
  options: Options,
  words: string[],
): Promise<{ maps: Maps; found: FoundMap }> {
  const maps = await findMaps(command, options);
  return { maps, found: maps.single ? maps.list[0]! : maps.named(takeWord(words, 'MAP')) };
}

/** @param what the word's name in the usage @throws BeelineError `USAGE` if no word is left */
export function takeWord(words: string[], what: string): string {
  const word = words.shift();
  if (word === undefined) {
    throw new BeelineError('USAGE', `${what} is missing`, { hint: 'See "beeline map --help".' });
  }
  return word;
}

/** @throws BeelineError `USAGE` if a word is left */
export function requireNoMore(words: readonly string[]): void {
  if (words.length > 0) {
    throw new BeelineError('USAGE', `too many arguments: ${words.join(' ')}`, {
      hint: "Quote keys and values that have spaces. Omit the map's name if --pinned or --id names a single map.",
    });
  }
}
