/** `beeline map`: shows and writes BPF maps by their BTF, the director's and any others. */

import { Command } from 'commander';

import { deleteCommand } from './delete.js';
import { dumpCommand } from './dump.js';
import { getCommand } from './get.js';
import { listCommand } from './list.js';
import { setCommand } from './set.js';
import { showCommand } from './show.js';

export function mapCommand(): Command {
  const map = new Command('map')
    .summary("show and write the director's BPF maps, or any others")
    .description(
      'Show and write BPF maps by their type information (BTF). By default the maps are those of this director, with or ' +
        'without its daemon; --pinned and --id name others. Needs root.',
    )
    .enablePositionalOptions();
  for (const command of [listCommand(), showCommand(), dumpCommand(), getCommand(), setCommand(), deleteCommand()]) {
    map.addCommand(command);
  }
  return map;
}
