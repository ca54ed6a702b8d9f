/** Runs a command line and sets the process's exit status. */

import { CommanderError } from 'commander';

import { BeelineError, isAddonUnusable, printableText } from '../model/index.js';
import { ExitStatus, exitStatusOf } from './exit-status.js';

async function run(words: readonly string[]): Promise<void> {
  const [first, ...rest] = words;
  if (first === '__complete') {
    const { answer } = await import('./commands/complete.js');
    await answer(rest);
  } else {
    const { beeline } = await import('./program.js');
    const program = await beeline(words);
    await program.parseAsync();
  }
}

/** Prints an error that a user can mend; throws all others, which are defects, for their stack. @returns the exit status */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander throws for --help and --version too, and has printed the text of every error.
    return error.exitCode === 0 ? ExitStatus.ok : ExitStatus.usage;
  }
  if (error instanceof BeelineError) {
    const lines = [`beeline: ${error.message}`, ...(error.hint === undefined ? [] : [error.hint])];
    process.stderr.write(printableText(lines.map((line) => `${line}\n`).join('')));
    return exitStatusOf(error.code);
  }
  if (isAddonUnusable(error)) {
    process.stderr.write(`beeline: ${printableText(error.message)}\n`);
    return ExitStatus.failed;
  }
  throw error;
}

/** Runs the command line of this process. */
export async function runCommandLine(): Promise<void> {
  // Nothing is left to do if messages cannot be written.
  process.stderr.on('error', () => undefined);

  // The reader may stop ("beeline list | head"), or the disk may be full.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      process.exit();
    }
    process.stderr.write(`beeline: cannot write to standard output: ${error.message}\n`);
    process.exit(ExitStatus.failed);
  });
  try {
    await run(process.argv.slice(2));
  } catch (error) {
    process.exitCode = report(error);
  }
}
