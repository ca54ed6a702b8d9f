/** `beeline plan`: shows what a configuration would change. */

import { Command } from 'commander';

import type { PlanReport } from '../../control/index.js';
import { exitsWith, withExamples } from '../../usage/index.js';
import { fileArgument, jsonOption, keepHostOption, maxMovedOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { ExitStatus } from '../exit-status.js';
import { withInstance } from '../instance.js';
import { printResult } from '../terminal/print.js';
import type { Paint } from '../terminal/colour.js';
import { formatPlan, summarize, summarizePlan } from '../terminal/differences.js';

export function planCommand(): Command {
  const plan = withInstance(new Command('plan'))
    .summary('show what a configuration would change')
    .description(
      'Show what a configuration would change: services and real servers that are added, removed or changed, the share ' +
        'of slots that would move to another real server, the flows that would lose theirs, and the drains that would end. ' +
        'New real servers are assumed to answer. Changes nothing.',
    )
    .addArgument(fileArgument())
    .addOption(maxMovedOption())
    .addOption(keepHostOption())
    .addOption(jsonOption())
    .action(
      async (
        file: string | undefined,
        options: { json?: true; maxMoved?: number; keepHost?: true },
        command: Command,
      ) => {
        const { readConfigFile } = await import('../../config/index.js');
        const path = file ?? (await ask(command, 'status', {})).configPath;
        // Reports problems of the file with their lines before the daemon is asked.
        const { text } = readConfigFile(path);
        const report = await ask(command, 'plan', { text, fileName: path, keepHost: options.keepHost });
        printResult(report, options, (paint) => formatPlanned(report, paint));
        if (options.maxMoved !== undefined) {
          const { requireAtMost } = await import('../../control/index.js');
          requireAtMost(options.maxMoved, report);
        }
        process.exitCode = changesNothing(report) ? ExitStatus.ok : ExitStatus.changes;
      },
    );
  return withExamples(
    exitsWith(plan, ExitStatus.changes, ExitStatus.refused),
    ['beeline plan', 'show what "beeline reload" would change'],
    ['beeline plan --max-moved 2% new.yaml', 'end with exit status 5 if more than 2 % of all slots would move'],
  );
}

export function formatPlanned(report: PlanReport, paint?: Paint): string {
  return changesNothing(report)
    ? 'no changes\n'
    : `${formatPlan(report, paint)}${summarize(report.differences)}; ${summarizePlan(report)}\n`;
}

/** The end of a drain is a change, although the weight may stay 0. */
function changesNothing({ differences, endedDrains = [] }: PlanReport): boolean {
  return differences.length === 0 && endedDrains.length === 0;
}
