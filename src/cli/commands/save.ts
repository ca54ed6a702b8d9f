/** `beeline save`: writes the running configuration to the configuration file. */

import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';

import { Command, Option } from 'commander';

import type { ConfigFile } from '../../config/index.js';
import type { DrainReport, RunningModel } from '../../control/index.js';
import { BeelineError, type Difference, diffModels } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { fileArgument, jsonOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { withInstance } from '../instance.js';
import { replaceFile, targetOf } from '../replace-file.js';
import { printResult } from '../terminal/print.js';
import type { Paint } from '../terminal/colour.js';
import { formatDifferences, summarize } from '../terminal/differences.js';
import { drainsThatRun, formatRunning } from '../terminal/drains.js';

export interface SaveResult {
  readonly file: string;
  /** From the old file to the new one. */
  readonly differences: readonly Difference[];
  /** The drains that run, whose real servers have weight 0 in the file. */
  readonly drains?: readonly DrainReport[];
}

interface Options {
  readonly json?: true;
  readonly force?: true;
}

export function saveCommand(): Command {
  const save = withInstance(new Command('save'))
    .summary('write the running configuration to the file')
    .description(
      'Write the running configuration to the configuration file, or to another file. Unchanged parts of the file keep ' +
        'their text and comments. The file is replaced as a whole, or not at all. A real server that is being drained is ' +
        'written with weight 0; its drain goes on, and its removal at the end is another change to save.',
    )
    .addArgument(fileArgument())
    .addOption(new Option('--force', 'overwrite a file that has problems, or that changed since the daemon read it'))
    .addOption(jsonOption())
    .action(async (file: string | undefined, options: Options, command: Command) => {
      const running = await ask(command, 'model', {});
      const result = await saveTo(file ?? running.configPath, running, options, command);
      printResult(result, options, (paint) => formatSaved(result, Date.now(), paint));
    });
  return withExamples(
    save,
    ['beeline diff; beeline save', 'show what the file lacks, and write it'],
    ['beeline save copy.yaml', 'write to another file'],
  );
}

async function saveTo(file: string, running: RunningModel, options: Options, command: Command): Promise<SaveResult> {
  const { formatConfig, originOf, parseConfig, updateConfig } = await import('../../config/index.js');
  const path = targetOf(file);
  const isOwn = existsSync(running.configPath) && path === realpathSync(running.configPath);
  const before = await readBefore(path, options);
  if (isOwn && before !== undefined && options.force !== true) {
    const { text, meaning } = originOf(before);
    if (text !== running.origin.text && meaning !== running.origin.meaning) {
      throw new BeelineError('CONFIG_CHANGED', `${path} changed since the daemon read it: nothing was written`, {
        hint: '"beeline diff" compares; "beeline save --force" overwrites the file, "beeline reload" loads it.',
      });
    }
  }
  const text = before === undefined ? formatConfig(running.model) : updateConfig(before.text, running.model, path);
  const model = parseConfig(text, path);
  if (text !== before?.text) {
    await replaceFile(path, text, before?.text);
  }
  if (isOwn || path === resolve(running.configPath)) {
    await ask(command, 'saved', { revision: running.revision, origin: originOf({ text, model }) });
  }
  return {
    file: path,
    differences: diffModels(before?.model ?? { ...model, services: [], markServices: [], markRules: [] }, model),
    ...drainsThatRun(running),
  };
}

/** Reads the file. @returns undefined if there is none, or if it has problems and --force is given @throws ConfigError */
async function readBefore(path: string, { force }: Options): Promise<ConfigFile | undefined> {
  if (!existsSync(path)) {
    return undefined;
  }
  const { ConfigError, readConfigFile } = await import('../../config/index.js');
  try {
    return readConfigFile(path);
  } catch (error) {
    if (force === true && error instanceof ConfigError) {
      return undefined;
    }
    throw error;
  }
}

/** @param now milliseconds since 1970 */
export function formatSaved({ file, differences, drains = [] }: SaveResult, now: number, paint?: Paint): string {
  const running = drains.map(
    (each) => `  ${formatRunning(each, now)}: the file has it with weight 0 until its removal is saved\n`,
  );
  const lines = differences.length === 0 ? '' : formatDifferences(differences, paint);
  return `${lines}${running.join('')}${file}: ${differences.length === 0 ? '' : 'saved, '}${summarize(differences)}\n`;
}
