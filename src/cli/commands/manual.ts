/** `beeline manual`: shows a page of the manual, or writes all pages. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Argument, Command, Option } from 'commander';

import { BeelineError, DEFAULT_CONFIG_PATH } from '../../model/index.js';
import { commandPages, completes, define, filePage, type Page, withExamples } from '../../usage/index.js';
import { EXIT_MEANINGS, ExitStatus } from '../exit-status.js';
import { INTRODUCTION, SECTIONS } from '../overview.js';

/** @param program builds all commands, this one among them */
export function manualCommand(version: string, program: () => Promise<Command>): Command {
  const names = async (): Promise<{ value: string; description: string }[]> =>
    define(await program()).commands.map(({ path, summary }) => ({
      value: path.slice(1).join(' '),
      description: summary,
    }));
  const command = new Command('manual')
    .summary('show a page of the manual')
    .description(
      'Show a page of the manual: that of the program, of a command with its subcommands, or of the configuration file. ' +
        'The manual need not be installed.',
    )
    .addArgument(
      completes(new Argument('[page...]', 'command, or beeline.yaml').default([], 'beeline'), async () => [
        ...(await names()),
        { value: 'beeline.yaml', description: 'the configuration file' },
      ]),
    )
    .addOption(completes(new Option('--output <directory>', 'write all pages to this folder instead'), 'directory'))
    .action(async ([name = 'beeline']: readonly string[], { output }: { output?: string }) => {
      const pages = await allPages(version, await program());
      if (output === undefined) {
        show(pageNamed(name, pages));
      } else {
        write(pages, output);
      }
    });
  return withExamples(
    command,
    ['beeline manual flows', 'show the page of "beeline flows"'],
    ['beeline manual --output man', 'write all pages, for example for a package'],
  );
}

async function allPages(version: string, program: Command): Promise<Page[]> {
  const { EXAMPLE, jsonSchema } = await import('../../config/index.js');
  const date = dateOf(process.env['SOURCE_DATE_EPOCH']);
  const exitStatuses = Object.fromEntries(
    Object.entries(EXIT_MEANINGS).map(([name, meaning]) => [ExitStatus[name as keyof typeof ExitStatus], meaning]),
  );
  return [
    ...commandPages(define(program), {
      version,
      date,
      introduction: INTRODUCTION,
      sections: SECTIONS,
      exitStatuses,
      commonStatuses: [ExitStatus.ok, ExitStatus.failed, ExitStatus.usage],
      otherPages: ['beeline.yaml(5)'],
    }),
    filePage({ schema: jsonSchema(), path: DEFAULT_CONFIG_PATH, example: EXAMPLE, version, date }),
  ];
}

/** Returns today, or the date of SOURCE_DATE_EPOCH: https://reproducible-builds.org/docs/source-date-epoch/ */
function dateOf(epoch: string | undefined): Date {
  return epoch === undefined ? new Date() : new Date(Number(epoch) * 1000);
}

function pageNamed(name: string, pages: readonly Page[]): Page {
  const found = pages.find(({ file }) => [name, `beeline-${name}`].includes(file.replace(/\.\d$/, '')));
  if (found === undefined) {
    throw new BeelineError('USAGE', `the manual has no page "${name}"`, { hint: 'See "beeline manual".' });
  }
  return found;
}

function show({ text }: Page): void {
  const { error } = spawnSync('man', ['-l', '-'], { input: text, stdio: ['pipe', 'inherit', 'inherit'] });
  // Other errors mean that the reader closed the manual early.
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
    throw new BeelineError('USAGE', 'the program "man" is not installed', {
      hint: 'Install it (package man-db), use "beeline help COMMAND", or write the pages with --output.',
      cause: error,
    });
  }
}

function write(pages: readonly Page[], directory: string): void {
  try {
    if (!existsSync(directory)) {
      mkdirSync(directory);
    }
    for (const { file, text } of pages) {
      writeFileSync(join(directory, file), text);
    }
  } catch (error) {
    throw new BeelineError('USAGE', `cannot write to ${directory}: ${(error as Error).message}`, { cause: error });
  }
}
