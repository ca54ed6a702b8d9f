/** `beeline map show`: the properties of one map. */

import type { Command } from 'commander';

import { BeelineError } from '../../../model/index.js';
import { withExamples } from '../../../usage/index.js';
import { print, printJson } from '../../terminal/print.js';
import { MAP_HELP, type Options, subcommand, withAction } from './options.js';
import { findMaps, requireNoMore, takeWord } from './select.js';

export function showCommand(): Command {
  const command = subcommand('show', '[options] [MAP]')
    .summary('show the type, size and layout of a map')
    .description('Show the type, sizes, flags, memory and pin of a map, and the types of its keys and values as C.')
    .argument('[map]', MAP_HELP);
  withExamples(
    command,
    ['beeline map show services4', "show one of the director's maps"],
    ['beeline map show --pinned /sys/fs/bpf/xdp/counters', 'show a pinned map'],
  );
  return withAction(command, async (words, options: Options) => {
    const { describe, showText } = await import('./describe.js');
    const maps = await findMaps(command, options);
    const found = maps.single && words.length === 0 ? maps.list[0]! : maps.named(takeWord(words, 'MAP'));
    requireNoMore(words);
    const described = describe(maps, found);
    if (described === undefined) {
      throw new BeelineError('MAP_UNKNOWN', `the map "${found.name}" no longer exists`);
    }
    if (options.json === true) {
      printJson(described);
    } else {
      print(showText(described));
    }
  });
}
