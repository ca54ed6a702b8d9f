/** `beeline reload`: makes the daemon read its configuration file again. */

import { Command } from 'commander';

import type { ReloadReport } from '../../control/index.js';
import { exitsWith, withExamples } from '../../usage/index.js';
import { jsonOption, maxMovedOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { ExitStatus } from '../exit-status.js';
import { withInstance } from '../instance.js';
import { printResult } from '../terminal/print.js';
import { formatQuantity } from '../terminal/format.js';

export function reloadCommand(): Command {
  const reload = withInstance(new Command('reload'))
    .summary('read the configuration file again')
    .description(
      'Make the daemon read its configuration file again. Every packet follows either the old configuration or the new ' +
        'one. If the file has a problem, the old configuration stays. Changes made by commands are replaced: "beeline ' +
        'diff" shows them beforehand, "beeline save" keeps them.',
    )
    .addOption(maxMovedOption())
    .addOption(jsonOption())
    .action(async (options: { json?: true; maxMoved?: number }, command: Command) => {
      // Daemons of earlier versions send no settings.
      const report = { settings: [], ...(await ask(command, 'reload', { maxMoved: options.maxMoved })) };
      printResult(report, options, () => formatReload(report));
    });
  return withExamples(exitsWith(reload, ExitStatus.refused), [
    'beeline check && beeline reload',
    'load the file if it has no problems',
  ]);
}

/** @param done the word for what was done, if there were changes */
export function formatReload(report: ReloadReport, done = 'reloaded'): string {
  const { added, removed, changed, services, realServers, settings = [], dropped = 0 } = report;
  const lines = [
    ...settings.map((setting) => `~ ${setting}\n`),
    ...added.map((name) => `+ ${name}\n`),
    ...removed.map((name) => `- ${name}\n`),
    ...changed.map((name) => `~ ${name}\n`),
  ];
  const now = `${formatQuantity(services, 'service')}, ${formatQuantity(realServers, 'real server')}`;
  const replaced = dropped === 0 ? '' : `; ${formatQuantity(dropped, 'change')} by commands replaced`;
  return `${lines.join('')}${lines.length === 0 ? 'no changes' : done}: ${now}${replaced}\n`;
}
