/** `beeline apply`: switches to another configuration. */

import { resolve } from 'node:path';

import { Argument, Command } from 'commander';

import { completes, exitsWith, withExamples } from '../../usage/index.js';
import { jsonOption, keepHostOption, maxMovedOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { ExitStatus } from '../exit-status.js';
import { withInstance } from '../instance.js';
import { printResult } from '../terminal/print.js';
import { formatReload } from './reload.js';

export function applyCommand(): Command {
  const apply = withInstance(new Command('apply'))
    .summary('switch to another configuration')
    .description(
      'Replace the running configuration by that of a file. Changes made by commands are replaced too, and drains end. The ' +
        'daemon keeps its own file unchanged: "beeline save" writes to it, "beeline reload" returns to it. The applied configuration ' +
        'survives a restart, unless the file of the daemon has changed since.',
    )
    .addArgument(completes(new Argument('<file>', 'configuration file; "-" reads standard input'), 'file'))
    .addOption(maxMovedOption())
    .addOption(keepHostOption())
    .addOption(jsonOption())
    .action(async (file: string, options: { json?: true; maxMoved?: number; keepHost?: true }, command: Command) => {
      const { readConfigFile } = await import('../../config/index.js');
      const { text } = readConfigFile(file);
      const report = await ask(command, 'apply', {
        text,
        fileName: file === '-' ? 'standard input' : resolve(file),
        maxMoved: options.maxMoved,
        keepHost: options.keepHost,
      });
      printResult(report, options, (paint) => formatReload(report, 'applied', paint));
    });
  return withExamples(
    exitsWith(apply, ExitStatus.refused),
    ['beeline plan new.yaml; beeline apply new.yaml', 'show what a configuration would change, and switch to it'],
    ['beeline apply --max-moved 2% new.yaml', 'refuse if more than 2 % of all slots would move'],
  );
}
