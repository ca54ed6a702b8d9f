/** `beeline map delete`: removes an entry. */

import type { Command } from 'commander';

import { withExamples } from '../../../usage/index.js';
import { print, printJson } from '../../terminal/print.js';
import { jsonable, warnOfBypass } from './edited.js';
import { type EditFlags, KEY_HELP, MAP_HELP, readOptions, subcommand, withAction, withBytes } from './options.js';
import { requireNoMore, selectMap, takeWord } from './select.js';

export function deleteCommand(): Command {
  const command = withBytes(subcommand('delete', '[options] [MAP] KEY'))
    .summary('remove an entry')
    .description(
      'Remove an entry. Queues and stacks have no keys: the next element is removed and printed. ' +
        "A director's own maps need --force.",
    )
    .argument('[map]', MAP_HELP)
    .argument('[key]', KEY_HELP)
    .option('--force', "also change a director's own maps");
  withExamples(
    command,
    ['beeline map delete --id 12 5', 'remove the entry with the key 5'],
    ['beeline map delete devices 3 --force', "remove an entry of one of the director's maps"],
  );
  return withAction(command, async (words, flags: EditFlags) => {
    const { maps, found } = await selectMap(command, flags, words);
    const { deleteEntry, formatValue } = await import('../../../inspect/index.js');
    using map = maps.open(found, readOptions(flags));
    const text = map.kind.keys === 'none' ? undefined : takeWord(words, 'KEY');
    requireNoMore(words);
    const { key, value } = deleteEntry(map, text, flags.force);
    if (flags.json === true) {
      printJson({ map: map.name, key: jsonable(map.decodeKey(key)), value: jsonable(value) });
    } else {
      print(value === undefined ? `deleted ${map.name}[${map.formatKey(key)}]\n` : `${formatValue(value)}\n`);
    }
    await warnOfBypass(found);
  });
}
