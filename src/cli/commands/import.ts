/** `beeline import`: the rules of another director as a configuration, and remarks on what has no equivalent. */

import { readFileSync } from 'node:fs';

import { Argument, Command } from 'commander';

import { BeelineError, printableName } from '../../model/index.js';
import { completes, withExamples } from '../../usage/index.js';
import { ExitStatus } from '../exit-status.js';
import { print, printNote } from '../terminal/print.js';
import { ldirectordCommand } from './import-ldirectord.js';

export function importCommand(): Command {
  return new Command('import')
    .summary('convert the rules of another director')
    .description(
      'Convert the rules of another director to a Beeline configuration. The configuration goes to standard output; ' +
        'remarks on rules that have no equivalent go to standard error.',
    )
    .addCommand(ipvsadmCommand())
    .addCommand(ldirectordCommand());
}

function ipvsadmCommand(): Command {
  const command = new Command('ipvsadm')
    .summary('convert the output of "ipvsadm -S" or "ipvsadm-save"')
    .description(
      'Convert the output of "ipvsadm -S" or "ipvsadm-save". Ends with exit status 1 if a rule has no equivalent and was ' +
        'left out.',
    )
    .addArgument(completes(new Argument('<file>', 'file to read; "-" reads standard input'), 'file'))
    .option('--interface <name>', 'interface for the configuration', 'eth0')
    .action(async (file: string, { interface: name }: { interface: string }) => {
      const [{ formatConfig }, { importIpvsadm }, { systemNames }] = await Promise.all([
        import('../../config/index.js'),
        import('../../import/index.js'),
        import('../../ipvsadm/index.js'),
      ]);
      const { model, remarks } = await importIpvsadm(readInput(file), name, systemNames());
      print(`# Made from ${file === '-' ? 'standard input' : printableName(file)} by "beeline import ipvsadm".\n`);
      print(formatConfig(model));
      remarks.forEach(({ line, text }) => {
        printNote(`${file === '-' ? 'stdin' : file}:${line}: ${text}\n`);
      });
      process.exitCode = remarks.some(({ lost }) => lost) ? ExitStatus.failed : ExitStatus.ok;
    });
  return withExamples(command, [
    'ipvsadm-save -n | beeline import ipvsadm - > beeline.yaml',
    "convert the rules of this machine's IPVS",
  ]);
}

/** @throws BeelineError `CONFIG_UNREADABLE` */
function readInput(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new BeelineError('CONFIG_UNREADABLE', `cannot read ${file}: ${(error as Error).message}`, {
      hint: 'Name a file that "ipvsadm-save -n > FILE" wrote, or "-" for standard input.',
      cause: error,
    });
  }
}
