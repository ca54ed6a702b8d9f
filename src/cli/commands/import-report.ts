/** What all importers print: the configuration, and the report on what became of each line. */

import { Option } from 'commander';

import type { Imported } from '../../import/index.js';
import { printableName } from '../../model/index.js';
import { ExitStatus } from '../exit-status.js';
import { print, printJson, printNote } from '../terminal/print.js';

/** Options of all importers. */
export interface ReportGiven {
  readonly verbose?: true;
  readonly json?: true;
}

export function verboseOption(): Option {
  return new Option('-v, --verbose', 'list the lines that are kept too');
}

/** Prints configuration and report, and sets the exit status. */
export async function printImported(
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
