/** `beeline diff`: what is running beside what the configuration file says. */

import { Command } from 'commander';

import type { Difference } from '../../model/index.js';
import { exitsWith, withExamples } from '../../usage/index.js';
import { fileArgument } from '../arguments.js';
import { ask } from '../daemon.js';
import { ExitStatus } from '../exit-status.js';
import { withInstance } from '../instance.js';
import { jsonOption, printResult } from '../terminal/print.js';
import type { Paint } from '../terminal/colour.js';
import { formatDifferences, summarize } from '../terminal/differences.js';
import { formatMoment, formatQuantity } from '../terminal/format.js';

export interface DiffResult {
  readonly file: string;
  /** From what the file says to what is running. */
  readonly differences: readonly Difference[];
  /** Changes that commands made since the daemon's own file was read. */
  readonly changes: number;
  readonly changedSince?: string;
  /** Whether the daemon's own file says something else than when it was read. */
  readonly fileChanged: boolean;
  /** Changes that commands made and the file replaced, since the daemon runs: the configuration that they made. */
  readonly dropped?: string;
}

export function diffCommand(): Command {
  const diff = withInstance(new Command('diff'))
    .summary('compare what is running with the configuration file')
    .description(
      'Show what is running and the configuration file does not say: "+" is running alone, "-" is in the file alone, "~" ' +
        'is different, from what the file says to what is running. Changes nothing.',
    )
    .addArgument(fileArgument())
    .addOption(jsonOption())
    .action(async (file: string | undefined, options: { json?: true }, command: Command) => {
      const [running, { readConfigFile }, { originOf }, { diffModels }] = await Promise.all([
        ask(command, 'model', {}),
        import('../../config/index.js'),
        import('../../director/changes/run-time.js'),
        import('../../model/index.js'),
      ]);
      const read = readConfigFile(file ?? running.configPath);
      const own = file === undefined ? originOf(read) : running.origin;
      const result: DiffResult = {
        file: read.path,
        differences: diffModels(read.model, running.model),
        changes: running.changes,
        ...(running.since === undefined ? {} : { changedSince: running.since }),
        ...(running.dropped === undefined ? {} : { dropped: running.dropped }),
        fileChanged: own.text !== running.origin.text && own.meaning !== running.origin.meaning,
      };
      printResult(result, options, (paint) => formatDiff(result, paint));
      process.exitCode = result.differences.length === 0 ? ExitStatus.ok : ExitStatus.changes;
    });
  return withExamples(
    exitsWith(diff, ExitStatus.changes),
    ['beeline diff', 'what commands changed since the file was read'],
    ['beeline diff || beeline save', 'keep that in the file'],
  );
}

export function formatDiff(
  { file, differences, changes, changedSince, fileChanged, dropped }: DiffResult,
  paint?: Paint,
): string {
  const summary = [
    `${file}: ${summarize(differences)}`,
    ...(changedSince === undefined
      ? []
      : [`${formatQuantity(changes, 'change')} by commands since ${formatMoment(changedSince)}`]),
    ...(fileChanged ? ['the file was changed since the daemon read it'] : []),
    ...(dropped === undefined ? [] : [`what commands had made before the file replaced it: ${dropped}`]),
  ];
  return `${differences.length === 0 ? '' : formatDifferences(differences, paint)}${summary.join('\n  ')}\n`;
}
