/** `beeline diff`: compares the running configuration with the configuration file. */

import { Command } from 'commander';

import type { DrainReport } from '../../control/index.js';
import type { Difference } from '../../model/index.js';
import { exitsWith, withExamples } from '../../usage/index.js';
import { fileArgument, jsonOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { ExitStatus } from '../exit-status.js';
import { withInstance } from '../instance.js';
import { type PeerOptions, withPeerOptions } from '../peer.js';
import { printResult } from '../terminal/print.js';
import type { Paint } from '../terminal/colour.js';
import { formatDifferences, summarize } from '../terminal/differences.js';
import { drainsThatRun, formatRunning } from '../terminal/drains.js';
import { formatMoment, formatQuantity } from '../terminal/format.js';

export interface DiffResult {
  readonly file: string;
  /** From the file to the running configuration. */
  readonly differences: readonly Difference[];
  /** How many changes commands made since the daemon read its file. */
  readonly changes: number;
  readonly changedSince?: string;
  /** Whether the daemon's own file changed since the daemon read it. */
  readonly fileChanged: boolean;
  /** The copy of a configuration that commands made and the file replaced, since the daemon started. */
  readonly dropped?: string;
  /** The drains that run. */
  readonly drains?: readonly DrainReport[];
}

interface Options extends PeerOptions {
  readonly peer?: string;
  readonly json?: true;
}

export function diffCommand(): Command {
  const diff = withInstance(new Command('diff'))
    .summary('compare the running configuration with the file')
    .description(
      'Compare the running configuration with the configuration file. "+" marks what is only running, "-" what is only in ' +
        'the file, and "~" what differs, first as in the file and then as running. A real server that is being drained has ' +
        'weight 0, and one that was drained is removed; the drains that run are named too. With --peer, compare what ' +
        'packets follow with another director instead, health and maintenance included. Changes nothing.',
    )
    .addArgument(fileArgument())
    .option('--peer <host>', 'compare with the director of another host, over SSH: "+" is only here, "-" only there')
    .addOption(jsonOption())
    .action(async (file: string | undefined, options: Options, command: Command) => {
      if (options.peer !== undefined) {
        const { comparePeer } = await import('./diff-peer.js');
        await comparePeer(options.peer, file, options, command);
        return;
      }
      const [running, { originOf, readConfigFile }, { diffModels }] = await Promise.all([
        ask(command, 'model', {}),
        import('../../config/index.js'),
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
        ...drainsThatRun(running),
        fileChanged: own.text !== running.origin.text && own.meaning !== running.origin.meaning,
      };
      printResult(result, options, (paint) => formatDiff(result, Date.now(), paint));
      process.exitCode = result.differences.length === 0 ? ExitStatus.ok : ExitStatus.changes;
    });
  return withExamples(
    exitsWith(withPeerOptions(diff), ExitStatus.changes),
    ['beeline diff', 'show what commands changed since the file was read'],
    ['beeline diff || beeline save', 'write those changes to the file'],
    ['beeline diff --peer lb2', 'show whether the director lb2 would forward otherwise'],
  );
}

/** @param now milliseconds since 1970 */
export function formatDiff(
  { file, differences, changes, changedSince, fileChanged, dropped, drains = [] }: DiffResult,
  now: number,
  paint?: Paint,
): string {
  const summary = [
    `${file}: ${summarize(differences)}`,
    ...(changedSince === undefined
      ? []
      : [`${formatQuantity(changes, 'change')} by commands since ${formatMoment(changedSince)}`]),
    ...(fileChanged ? ['the file was changed since the daemon read it'] : []),
    ...(dropped === undefined ? [] : [`the file replaced changes by commands; they are kept in ${dropped}`]),
  ];
  const running = drains.map((each) => `  ${formatRunning(each, now)}\n`).join('');
  return `${differences.length === 0 ? '' : formatDifferences(differences, paint)}${running}${summary.join('\n  ')}\n`;
}
