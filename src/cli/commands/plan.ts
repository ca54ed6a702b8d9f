/** `beeline plan`: what going over to another configuration would do. */

import { Command } from 'commander';

import type { PlanReport } from '../../control/index.js';
import { exitsWith, withExamples } from '../../usage/index.js';
import { fileArgument, maxMovedOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { ExitStatus } from '../exit-status.js';
import { withInstance } from '../instance.js';
import { jsonOption, printResult } from '../terminal/print.js';
import type { Paint } from '../terminal/colour.js';
import { formatPlan, summarize, summarizePlan } from '../terminal/differences.js';

export function planCommand(): Command {
  const plan = withInstance(new Command('plan'))
    .summary('show what another configuration would do')
    .description(
      'Show what going over to a configuration would change: services and real servers that come, go or change, which ' +
        'part of the slots would lead elsewhere, and how many flows would lose their real server. Changes nothing. Real ' +
        'servers that are new are taken to answer.',
    )
    .addArgument(fileArgument())
    .addOption(maxMovedOption())
    .addOption(jsonOption())
    .action(async (file: string | undefined, options: { json?: true; maxMoved?: number }, command: Command) => {
      const { readConfigFile } = await import('../../config/index.js');
      const path = file ?? (await ask(command, 'status', {})).configPath;
      // Problems are told by line without a daemon.
      const { text } = readConfigFile(path);
      const report = await ask(command, 'plan', { text, fileName: path });
      printResult(report, options, (paint) => formatPlanned(report, paint));
      if (options.maxMoved !== undefined) {
        const { requireAtMost } = await import('../../director/changes/plan.js');
        requireAtMost(options.maxMoved, report);
      }
      process.exitCode = report.differences.length === 0 ? ExitStatus.ok : ExitStatus.changes;
    });
  return withExamples(
    exitsWith(plan, ExitStatus.changes, ExitStatus.refused),
    ['beeline plan', 'what "beeline reload" would do'],
    ['beeline plan --max-moved 2% new.yaml', 'end with 5 where more than 2 % of all slots would move'],
  );
}

export function formatPlanned(report: PlanReport, paint?: Paint): string {
  const { differences } = report;
  return differences.length === 0
    ? 'no changes\n'
    : `${formatPlan(report, paint)}${summarize(differences)}; ${summarizePlan(report)}\n`;
}
