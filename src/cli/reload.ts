/** `beeline reload`: have the daemon read its configuration file again. */

import { Command } from 'commander';

import type { ReloadReport } from '../control/protocol.js';
import { withExamples } from '../usage/index.js';
import { ask, jsonOption, printResult, withInstance } from './context.js';
import { formatQuantity } from './format.js';

export function reloadCommand(): Command {
  const reload = withInstance(new Command('reload'))
    .summary('have the daemon read its configuration file again')
    .description(
      'Have the daemon read its configuration file again. Packets see the old configuration or the new one; when there ' +
        'is a problem with the new one, the old one goes on.',
    )
    .addOption(jsonOption())
    .action(async (options: { json?: true }, command: Command) => {
      // Daemons of earlier versions do not tell of settings.
      const report = { settings: [], ...(await ask(command, 'reload', {})) };
      printResult(report, options, () => formatReload(report));
    });
  return withExamples(reload, ['beeline check && beeline reload', 'reload a file that has no problems']);
}

export function formatReload({ added, removed, changed, services, destinations, settings = [] }: ReloadReport): string {
  const lines = [
    ...settings.map((setting) => `~ ${setting}\n`),
    ...added.map((name) => `+ ${name}\n`),
    ...removed.map((name) => `- ${name}\n`),
    ...changed.map((name) => `~ ${name}\n`),
  ];
  const now = `${formatQuantity(services, 'service')}, ${formatQuantity(destinations, 'real server')}`;
  return `${lines.join('')}${lines.length === 0 ? 'no changes' : 'reloaded'}: ${now}\n`;
}
