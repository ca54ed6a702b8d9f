/** `beeline map dump`: the entries of a map, page by page. */

import type { Command } from 'commander';

import type { FoundMap, Maps } from '../../../inspect/index.js';
import { withExamples } from '../../../usage/index.js';
import { printPieces } from '../../terminal/print.js';
import { printNotes } from './notes.js';
import { MAP_HELP, readOptions, subcommand, type ViewFlags, viewOptions, withAction, withView } from './options.js';
import { requireNoMore, selectMap } from './select.js';
import { Budget } from './view.js';

export function dumpCommand(): Command {
  const command = withView(subcommand('dump', '[options] [MAP]'))
    .summary('show the entries of a map')
    .description(
      'Show the entries of a map, page by page. Array elements that are zero are left out. Programs may write meanwhile, ' +
        'so the entries shown may never have existed at the same moment.',
    )
    .argument('[map]', MAP_HELP)
    .option('--from <key>', 'begin at this key');
  withExamples(
    command,
    ['beeline map dump services4', 'show the table of IPv4 services'],
    ["beeline map dump flows4 --from 0 --at 'entry[4096]' --limit 20", 'show twenty flow entries from the 4096th on'],
    ['beeline map dump --id 12 --per-cpu --json', "show each CPU's values as JSON"],
  );
  return withAction(command, async (words, flags: ViewFlags) => {
    const { maps, found } = await selectMap(command, flags, words);
    requireNoMore(words);
    using map = maps.open(found, readOptions(flags));
    if (flags.at !== undefined && flags.hex !== true) {
      map.placeOf(flags.at);
    }
    const budget = new Budget(flags.limit);
    const from = flags.from === undefined ? undefined : map.parseKey(flags.from);
    if (flags.json === true) {
      const { dumpJson } = await import('./json.js');
      await printPieces(dumpJson(map, budget, viewOptions(flags), from));
    } else {
      const { dumpText } = await import('./text.js');
      await printPieces(dumpText(map, budget, viewOptions(flags), from, copyNotes(maps, found)));
    }
    printNotes(map, budget, flags);
  });
}

/** Returns a function that says which of a table's two copies a key stands for. */
function copyNotes(maps: Maps, found: FoundMap): (key: Uint8Array) => string {
  const active = maps.activeCopy(found);
  return (key) => (active === undefined ? '' : key[0] === active ? ', the copy that packets read' : ', the spare copy');
}
