/** `beeline import`: the rules of another director as a configuration, and a report on what became of each line. */

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

import { Argument, Command, Option } from 'commander';

import type { Imported } from '../../import/index.js';
import { BeelineError, printableName } from '../../model/index.js';
import { completes, withExamples, withSection } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { ExitStatus } from '../exit-status.js';
import { print, printJson, printNote } from '../terminal/print.js';
import { ldirectordCommand } from './import-ldirectord.js';

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

/** Options of all importers. */
interface ReportGiven {
  readonly verbose?: true;
  readonly json?: true;
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
        "where checks go: vip, through the real server; rip, to its own address, as keepalived's (default: rip if lvs_method is DR)",
      ).choices(['vip', 'rip']),
    )
    .addOption(verboseOption())
    .addOption(jsonOption())
    .action(async (paths: string[], { interface: interfaces, id, via, ...given }: KeepalivedGiven) => {
      const [{ diskFiles, importKeepalived }, { systemNames }] = await Promise.all([
        import('../../import/index.js'),
        import('../../ipvsadm/index.js'),
      ]);
      const imported = importKeepalived({
        paths,
        files: diskFiles(paths),
        names: systemNames(),
        id: id ?? shortHostname(),
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

function verboseOption(): Option {
  return new Option('-v, --verbose', 'list the lines that are kept too');
}

/** keepalived's default: the first part of the name. */
function shortHostname(): string {
  return hostname().split('.', 1)[0]!;
}

/** Prints configuration and report, and sets the exit status. */
async function printImported(
  imported: Imported,
  importer: string,
  files: readonly string[],
  { json, verbose }: ReportGiven,
): Promise<void> {
  const [{ formatConfig }, { formatReport, hasLosses }] = await Promise.all([
    import('../../config/index.js'),
    import('../../import/index.js'),
  ]);
  const names = files.map((file) => (file === '-' ? 'standard input' : printableName(file))).join(', ');
  const config = `# Made from ${names} by "beeline import ${importer}".\n${formatConfig(imported.model)}`;
  // Remarks on standard input name it as "-".
  const shownName = (file: string): string => (file === '-' ? 'stdin' : file);
  const [only = '-'] = files;
  const remarks = imported.remarks.map(({ file = only, ...remark }) => ({ file: shownName(file), ...remark }));
  if (json === true) {
    const lines = remarks.filter(({ kind }) => kind !== 'kept' || verbose === true);
    printJson({ complete: !hasLosses(imported), config, lines });
  } else {
    print(config);
    printNote(formatReport(remarks, { file: shownName(only), verbose }));
  }
  process.exitCode = hasLosses(imported) ? ExitStatus.failed : ExitStatus.ok;
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
