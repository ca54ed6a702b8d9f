/** `beeline map set`: writes a value, or a part of it. */

import { readFileSync } from 'node:fs';

import type { Command } from 'commander';

import { withExamples } from '../../../usage/index.js';
import { printEdited, warnOfBypass } from './edited.js';
import {
  type EditFlags,
  KEY_HELP,
  MAP_HELP,
  PATH_HELP,
  readOptions,
  subcommand,
  VALUE_HELP,
  withAction,
  withBytes,
} from './options.js';
import { requireNoMore, selectMap, takeWord } from './select.js';

export function setCommand(): Command {
  const command = withBytes(subcommand('set', '[options] [MAP] KEY [PATH] VALUE'))
    .summary('write a value, or a part of it')
    .description(
      'Write the value of a key, or the part of the value that a path names. Members that the value does not name keep ' +
        'their content. "-" reads the value from standard input. Queues and stacks have no keys: the value is added. ' +
        "A director's own maps need --force: the daemon is their only writer, its next publication overwrites the change, " +
        'and packets may see half of it.',
    )
    .argument('[map]', MAP_HELP)
    .argument('[key]', KEY_HELP)
    .argument('[path]', PATH_HELP)
    .argument('[value]', VALUE_HELP)
    .option('--force', "also write a director's own maps")
    .option('--per-cpu', 'take the value as a list with one value for each CPU; by default all CPUs get the same');
  withExamples(
    command,
    ["beeline map set --id 12 5 '{ x: 1, y: 2 }'", 'write two members of a value'],
    ['beeline map set --pinned /sys/fs/bpf/limits 10.0.0.1 rate 1000', 'write one member'],
    ["beeline map set loads 0 'entry[3].upper' 500 --force", "write into one of the director's maps"],
  );
  return withAction(command, async (words, flags: EditFlags) => {
    const { maps, found } = await selectMap(command, flags, words);
    const { setValue } = await import('../../../inspect/index.js');
    using map = maps.open(found, readOptions(flags));
    const key = map.kind.keys === 'none' ? undefined : takeWord(words, 'KEY');
    const path = words.length > 1 ? words.shift() : undefined;
    const text = takeWord(words, 'VALUE');
    requireNoMore(words);
    const value = text === '-' ? readFileSync(0, 'utf8').trim() : text;
    const edited = setValue(map, { key, path, value, force: flags.force ?? false, perCpu: flags.perCpu ?? false });
    await printEdited(map, edited, path, flags);
    await warnOfBypass(found);
  });
}
