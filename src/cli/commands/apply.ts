/** `beeline apply`: go over to another configuration. */

import { resolve } from 'node:path';

import { Argument, Command } from 'commander';

import { completes, exitsWith, withExamples } from '../../usage/index.js';
import { maxMovedOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { ExitStatus } from '../exit-status.js';
import { withInstance } from '../instance.js';
import { jsonOption, printResult } from '../terminal/print.js';
import { formatReload } from './reload.js';

export function applyCommand(): Command {
  const apply = withInstance(new Command('apply'))
    .summary('go over to another configuration')
    .description(
      "Have a configuration hold in place of all that is running, what commands changed included. The daemon's own file " +
        'stays as it is: "beeline save" writes to it, "beeline reload" goes back to it. A restart goes on with what was ' +
        'applied, unless that file has been changed since.',
    )
    .addArgument(completes(new Argument('<file>', 'configuration file'), 'file'))
    .addOption(maxMovedOption())
    .addOption(jsonOption())
    .action(async (file: string, options: { json?: true; maxMoved?: number }, command: Command) => {
      const { readConfigFile } = await import('../../config/index.js');
      const { text } = readConfigFile(file);
      const report = await ask(command, 'apply', { text, fileName: resolve(file), maxMoved: options.maxMoved });
      printResult(report, options, () => formatReload(report, 'applied'));
    });
  return withExamples(
    exitsWith(apply, ExitStatus.refused),
    ['beeline plan new.yaml; beeline apply new.yaml', 'see what it would do, and do it'],
    ['beeline apply --max-moved 2% new.yaml', 'unless more than 2 % of all slots would move'],
  );
}
