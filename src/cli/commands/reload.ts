/** `beeline reload`: makes the daemon read its configuration file again. */

import { Command } from 'commander';

import type { ReloadReport } from '../../control/index.js';
import { exitsWith, withExamples } from '../../usage/index.js';
import { jsonOption, maxMovedOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { ExitStatus } from '../exit-status.js';
import { withInstance } from '../instance.js';
import { printResult } from '../terminal/print.js';
import type { Paint } from '../terminal/colour.js';
import { formatChanges, summarize } from '../terminal/differences.js';
import { summarizeEnded } from '../terminal/drains.js';
import { formatQuantity } from '../terminal/format.js';

export function reloadCommand(): Command {
  const reload = withInstance(new Command('reload'))
    .summary('read the configuration file again')
    .description(
      'Make the daemon read its configuration file again. Every packet follows either the old configuration or the new ' +
        'one. If the file has a problem, the old configuration stays. Changes made by commands are replaced, and drains end: ' +
        'real servers that were drained are again as the file has them. "beeline plan" shows what would change, "beeline ' +
        'diff" what commands changed, and "beeline save" keeps it.',
    )
    .addOption(maxMovedOption())
    .addOption(jsonOption())
    .action(async (options: { json?: true; maxMoved?: number }, command: Command) => {
      // Daemons of earlier versions send no settings.
      const report = { settings: [], ...(await ask(command, 'reload', { maxMoved: options.maxMoved })) };
      printResult(report, options, (paint) => formatReload(report, 'reloaded', paint));
    });
  return withExamples(exitsWith(reload, ExitStatus.refused), [
    'beeline check && beeline reload',
    'load the file if it has no problems',
  ]);
}

/** @param done the word for what was done, if there were changes */
export function formatReload(report: ReloadReport, done = 'reloaded', paint?: Paint): string {
  const { services, realServers, differences = [], dropped = 0, endedDrains = [] } = report;
  const lines = report.differences === undefined ? namesOf(report) : formatChanges({ differences, endedDrains }, paint);
  const now = `${formatQuantity(services, 'service')}, ${formatQuantity(realServers, 'real server')}`;
  const what = differences.length === 0 ? '' : `, ${summarize(differences)}`;
  const replaced = dropped === 0 ? '' : `; ${formatQuantity(dropped, 'unsaved change')} replaced`;
  const ended = summarizeEnded(endedDrains);
  return `${lines === '' ? 'no changes: ' : `${lines}${done}${what}: now `}${now}${replaced}${ended}\n`;
}

/** The services and settings that changed: daemons of earlier versions send no more. */
function namesOf({ added, removed, changed, settings = [] }: ReloadReport): string {
  return [
    ...settings.map((setting) => `~ ${setting}\n`),
    ...added.map((name) => `+ ${name}\n`),
    ...removed.map((name) => `- ${name}\n`),
    ...changed.map((name) => `~ ${name}\n`),
  ].join('');
}
