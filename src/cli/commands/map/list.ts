/** `beeline map list`: the maps, a line each. */

import type { Command } from 'commander';

import { withExamples } from '../../../usage/index.js';
import { print, printJson } from '../../terminal/print.js';
import { type Options, subcommand } from './options.js';
import { findMaps } from './select.js';

export function listCommand(): Command {
  const command = subcommand('list', '[options]')
    .summary('list the maps')
    .description('List the maps with the types of their keys and values, their entries and their memory.')
    .option('--all', 'list all maps of this machine')
    .action(async ({ all, json, ...options }: Options & { all?: true }, self: Command) => {
      const { describe, listText } = await import('./describe.js');
      const maps = await findMaps(self, options, all);
      const described = maps.list.flatMap((found) => describe(maps, found) ?? []);
      if (json === true) {
        printJson(described);
      } else {
        print(listText(described, all === true));
      }
    });
  return withExamples(
    command,
    ['beeline map list', "list the director's maps"],
    ['beeline map list --id 12', 'list the maps of program 12'],
    ['beeline map list --all --json', 'list every map of this machine as JSON'],
  );
}
