/** `beeline reload`: have the daemon read its configuration file again. */

import { Command } from 'commander';

import { ask, print, withInstance } from './context.js';
import { formatQuantity } from './format.js';

export function reloadCommand(): Command {
  return withInstance(new Command('reload'))
    .summary('have the daemon read its configuration file again')
    .description(
      'Have the daemon read its configuration file again. Packets see the old configuration or the new one; when there ' +
        'is a problem with the new one, the old one goes on.',
    )
    .action(async (_options: object, command: Command) => {
      const { added, removed, changed, services, destinations, settings = [] } = await ask(command, 'reload', {});
      const lines = [
        ...settings.map((setting) => `~ ${setting}`),
        ...added.map((name) => `+ ${name}`),
        ...removed.map((name) => `- ${name}`),
        ...changed.map((name) => `~ ${name}`),
      ];
      print(lines.map((line) => `${line}\n`).join(''));
      const now = `${formatQuantity(services, 'service')}, ${formatQuantity(destinations, 'real server')}`;
      print(`${lines.length === 0 ? 'no changes' : 'reloaded'}: ${now}\n`);
    });
}
