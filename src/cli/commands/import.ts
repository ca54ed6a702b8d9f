/** `beeline import`: the rules of another director as a configuration, and a report on what became of each line. */

import { readFileSync } from 'node:fs';

import { Argument, Command, Option } from 'commander';

import { BeelineError } from '../../model/index.js';
import { completes, withExamples, withSection } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { ldirectordCommand } from './import-ldirectord.js';
import { printImported, type ReportGiven, verboseOption } from './import-report.js';

export function importCommand(): Command {
  return new Command('import')
    .summary('convert the rules of another director')
    .description(
      'Convert the rules of another director to a Beeline configuration. The configuration goes to standard output; a report ' +
        'on the lines that say the same in other words, or have no equivalent, goes to standard error.',
    )
    .addCommand(ipvsadmCommand())
    .addCommand(keepalivedCommand())
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
    .addOption(verboseOption())
    .addOption(jsonOption())
    .action(async (file: string, { interface: name, ...given }: { interface: string } & ReportGiven) => {
      const [{ importIpvsadm }, { systemNames }] = await Promise.all([
        import('../../import/index.js'),
        import('../../ipvsadm/index.js'),
      ]);
      const imported = await importIpvsadm(readInput(file), name, systemNames());
      await printImported(imported, 'ipvsadm', [file], given);
    });
  return withExamples(command, [
    'ipvsadm-save -n | beeline import ipvsadm - > beeline.yaml',
    "convert the rules of this machine's IPVS",
  ]);
}

interface KeepalivedGiven extends ReportGiven {
  readonly interface?: readonly string[];
  readonly id?: string;
  readonly via?: 'vip' | 'rip';
}

function keepalivedCommand(): Command {
  const command = new Command('keepalived')
    .summary('convert a keepalived.conf')
    .description(
      "Convert keepalived's configuration, with the files that it includes: virtual servers, their checks, and VRRP. Ends with " +
        'exit status 1 if a line asks for something that the configuration lacks.',
    )
    .addArgument(completes(new Argument('<file...>', 'files to read; "-" reads standard input'), 'file'))
    .addOption(
      new Option(
        '--interface <name>',
        'interface for the configuration; may be given several times (default: those of the VRRP instances, or eth0)',
      ).argParser((name, before: readonly string[] | undefined) => [...(before ?? []), name]),
    )
    .option(
      '--id <name>',
      'keepalived\'s --config-id: take the lines that begin with "@NAME" (default: the host\'s short name)',
    )
    .addOption(
      new Option(
        '--via <address>',
        "where checks go: vip, through the real server, where clients go (default); rip, to its own address, as keepalived's",
      ).choices(['vip', 'rip']),
    )
    .addOption(verboseOption())
    .addOption(jsonOption())
    .action(async (paths: string[], { interface: interfaces, id, via, ...given }: KeepalivedGiven) => {
      const [{ diskFiles, importKeepalived, ownId }, { systemNames }] = await Promise.all([
        import('../../import/index.js'),
        import('../../ipvsadm/index.js'),
      ]);
      const imported = importKeepalived({
        paths,
        files: diskFiles(paths),
        names: systemNames(),
        id: id ?? ownId(),
        environment: process.env,
        interfaces,
        via,
      });
      await printImported(imported, 'keepalived', paths, given);
    });
  withSection(
    command,
    'Report',
    'Each line of the files is kept, translated or dropped. The report lists those that were translated, with what they became, ' +
      'and those that were dropped, with the reason and what to use instead. Times and other defaults of keepalived are written ' +
      'out, since those of Beeline are others.',
  );
  return withExamples(
    command,
    [
      'beeline import keepalived /etc/keepalived/keepalived.conf > beeline.yaml',
      'convert the configuration of this machine',
    ],
    [
      'beeline import keepalived --id lb2 keepalived.conf > beeline.yaml',
      'convert what lines of "@lb2" say, for that director',
    ],
  );
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
