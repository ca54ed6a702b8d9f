/** `beeline reload`: have the daemon read its configuration file again. */

import { Command } from 'commander';

import type { ReloadReport } from '../../control/index.js';
import { exitsWith, withExamples } from '../../usage/index.js';
import { maxMovedOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { ExitStatus } from '../exit-status.js';
import { withInstance } from '../instance.js';
import { jsonOption, printResult } from '../terminal/print.js';
import { formatQuantity } from '../terminal/format.js';

export function reloadCommand(): Command {
  const reload = withInstance(new Command('reload'))
    .summary('have the daemon read its configuration file again')
    .description(
      'Have the daemon read its configuration file again. Packets see the old configuration or the new one; when there ' +
        'is a problem with the new one, the old one goes on. What commands changed since the last time is replaced too: ' +
        '"beeline diff" shows it, "beeline save" keeps it.',
    )
    .addOption(maxMovedOption())
    .addOption(jsonOption())
    .action(async (options: { json?: true; maxMoved?: number }, command: Command) => {
      // Daemons of earlier versions do not tell of settings.
      const report = { settings: [], ...(await ask(command, 'reload', { maxMoved: options.maxMoved })) };
      printResult(report, options, () => formatReload(report));
    });
  return withExamples(exitsWith(reload, ExitStatus.refused), [
    'beeline check && beeline reload',
    'reload a file that has no problems',
  ]);
}

/** @param done what was done, where there was something to do */
export function formatReload(report: ReloadReport, done = 'reloaded'): string {
  const { added, removed, changed, services, destinations, settings = [], dropped = 0 } = report;
  const lines = [
    ...settings.map((setting) => `~ ${setting}\n`),
    ...added.map((name) => `+ ${name}\n`),
    ...removed.map((name) => `- ${name}\n`),
    ...changed.map((name) => `~ ${name}\n`),
  ];
  const now = `${formatQuantity(services, 'service')}, ${formatQuantity(destinations, 'real server')}`;
  const replaced = dropped === 0 ? '' : `; ${formatQuantity(dropped, 'change')} by commands replaced`;
  return `${lines.join('')}${lines.length === 0 ? 'no changes' : done}: ${now}${replaced}\n`;
}
