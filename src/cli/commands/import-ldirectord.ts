/** `beeline import ldirectord`: a file of ldirectord as a configuration, and what became of each of its lines. */

import { closeSync, openSync, readSync } from 'node:fs';

import { Argument, Command } from 'commander';

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
      const [{ importLdirectord, MOST_LDIRECTORD_CHARACTERS, systemLookups }, { systemNames }] = await Promise.all([
        import('../../import/index.js'),
        import('../../ipvsadm/index.js'),
      ]);
      const names = systemNames();
      const text = readInput(file, MOST_LDIRECTORD_CHARACTERS);
      const lookups = systemLookups((service, protocol) => names.portOf(service, protocol));
      await printImported(await importLdirectord(text, name, lookups), 'ldirectord', [file], given);
    });
  return withExamples(command, [
    'beeline import ldirectord /etc/ha.d/ldirectord.cf --interface ens3 > beeline.yaml',
    "convert ldirectord's file; the report goes to the terminal",
  ]);
}

/**
 * Reads a file as far as it can be one of ldirectord: it may also be a device that never ends.
 *
 * @throws BeelineError `CONFIG_UNREADABLE`, or `IMPORT_INVALID` if it is too large
 */
function readInput(file: string, most: number): string {
  const buffer = Buffer.alloc(most + 1);
  let length = 0;
  try {
    const descriptor = file === '-' ? 0 : openSync(file, 'r');
    try {
      let read = -1;
      while (read !== 0 && length < buffer.length) {
        read = readSync(descriptor, buffer, length, buffer.length - length, null);
        length += read;
      }
    } finally {
      if (descriptor !== 0) {
        closeSync(descriptor);
      }
    }
  } catch (error) {
    throw new BeelineError('CONFIG_UNREADABLE', `cannot read ${file}: ${(error as Error).message}`, {
      hint: 'Name a file that ldirectord reads, or "-" for standard input.',
      cause: error,
    });
  }
  if (length > most) {
    throw new BeelineError('IMPORT_INVALID', `${file} has more than ${most} bytes`, {
      hint: 'Name a file that ldirectord reads.',
    });
  }
  return decode(buffer.subarray(0, length));
}

/** ldirectord reads bytes: old files have comments in Latin-1. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes).toString('latin1');
  }
}
