/** `beeline map get`: the value of one key, or a part of it. */

import type { Command } from 'commander';

import { withExamples } from '../../../usage/index.js';
import { print, printPieces } from '../../terminal/print.js';
import { printNotes } from './notes.js';
import {
  KEY_HELP,
  MAP_HELP,
  PATH_HELP,
  readOptions,
  subcommand,
  type ViewFlags,
  viewOptions,
  withAction,
  withView,
} from './options.js';
import { requireNoMore, selectMap, takeWord } from './select.js';
import { Budget } from './view.js';

export function getCommand(): Command {
  const command = withView(subcommand('get', '[options] [MAP] KEY [PATH]'))
    .summary('show the value of a key, or a part of it')
    .description(
      'Show the value of a key, or the part of the value that a path names. Queues and stacks have no keys: the next ' +
        'element is shown and stays.',
    )
    .argument('[map]', MAP_HELP)
    .argument('[key]', KEY_HELP)
    .argument('[path]', PATH_HELP);
  withExamples(
    command,
    ['beeline map get services4 0', 'show the first copy of the table of IPv4 services'],
    ["beeline map get destinations 0 'entry[1].mac'", 'show one member of one element'],
    ['beeline map get --pinned /sys/fs/bpf/routes 10.0.0.0/8', 'show the value of a prefix'],
    ["beeline map get --id map:12 '{ address: 10.0.0.1, port: 80 }' --json", 'show the value of a key with members'],
  );
  return withAction(command, async (words, flags: ViewFlags) => {
    const { maps, found } = await selectMap(command, flags, words);
    using map = maps.open(found, readOptions(flags));
    const key = map.kind.keys === 'none' ? new Uint8Array() : map.parseKey(takeWord(words, 'KEY'));
    const path = words.shift();
    requireNoMore(words);
    const place = path === undefined ? undefined : map.placeOf(path);
    const region = map.read(key);
    if (region === undefined) {
      throw map.noEntry(key);
    }
    const budget = new Budget(flags.limit);
    if (flags.json === true) {
      const { valueJson } = await import('./json.js');
      await printPieces(valueJson(map, map.formatKey(key), region, place, budget, viewOptions(flags)));
      print('\n');
    } else {
      const { valueText } = await import('./text.js');
      await printPieces(valueText(map, key, region, place, budget, viewOptions(flags)));
    }
    printNotes(map, budget, flags, true);
  });
}
