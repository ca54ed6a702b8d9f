/** `beeline import ldirectord`: a file of ldirectord as a configuration, and what became of each of its lines. */

import { Argument, Command } from 'commander';

import type * as Import from '../../import/index.js';
import { BeelineError } from '../../model/index.js';
import { completes, withExamples } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { printImported, type ReportGiven, verboseOption } from './import-report.js';

export function ldirectordCommand(): Command {
  const command = new Command('ldirectord')
    .summary('convert a configuration file of ldirectord')
    .description(
      'Convert a configuration file of ldirectord, with its health checks. The report says of each line whether it is kept, ' +
        'translated, or dropped, and why. Ends with exit status 1 if something that a line asks for is missing in the ' +
        'configuration.',
    )
    .addArgument(completes(new Argument('<file>', 'file to read; "-" reads standard input'), 'file'))
    .option('--interface <name>', 'interface for the configuration', 'eth0')
    .addOption(verboseOption())
    .addOption(jsonOption())
    .action(async (file: string, { interface: name, ...given }: { interface: string } & ReportGiven) => {
      const [room, { systemNames }] = await Promise.all([
        import('../../import/index.js'),
        import('../../ipvsadm/index.js'),
      ]);
      const names = systemNames();
      const { decodeBytes, importLdirectord, MOST_LDIRECTORD_CHARACTERS, readAtMost, systemLookups } = room;
      const text = decodeBytes(readInput(file, MOST_LDIRECTORD_CHARACTERS, readAtMost));
      const lookups = systemLookups((service, protocol) => names.portOf(service, protocol));
      await printImported(await importLdirectord(text, name, lookups), 'ldirectord', [file], given);
    });
  return withExamples(command, [
    'beeline import ldirectord /etc/ha.d/ldirectord.cf --interface ens3 > beeline.yaml',
    "convert ldirectord's file; the report goes to the terminal",
  ]);
}

/** @throws BeelineError `CONFIG_UNREADABLE`, or `IMPORT_INVALID` if it is too large */
function readInput(file: string, most: number, readAtMost: typeof Import.readAtMost): Uint8Array {
  let bytes: Uint8Array | undefined;
  try {
    bytes = readAtMost(file, most);
  } catch (error) {
    throw new BeelineError('CONFIG_UNREADABLE', `cannot read ${file}: ${(error as Error).message}`, {
      hint: 'Name a file that ldirectord reads, or "-" for standard input.',
      cause: error,
    });
  }
  if (bytes === undefined) {
    throw new BeelineError('IMPORT_INVALID', `${file} has more than ${most} bytes`, {
      hint: 'Name a file that ldirectord reads.',
    });
  }
  return bytes;
}
