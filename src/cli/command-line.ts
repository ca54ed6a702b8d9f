/** Runs a command line, and ends with the status that says how it went. */

import { CommanderError } from 'commander';

import { BeelineError } from '../model/index.js';
import { ExitStatus, exitStatusOf } from './exit-status.js';

async function run(first: string | undefined, rest: readonly string[]): Promise<void> {
  if (first === '__complete') {
    const { answer } = await import('./commands/complete.js');
    await answer(rest);
  } else {
    const { beeline } = await import('./program.js');
    await beeline().parseAsync();
  }
}

/** Errors that a user can mend are two sentences; everything else is a defect, and shows where. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Help and version are no errors; what is one has been printed.
    return error.exitCode === 0 ? ExitStatus.ok : ExitStatus.usage;
  }
  if (error instanceof BeelineError) {
    process.stderr.write(`beeline: ${error.message}\n${error.hint === undefined ? '' : `${error.hint}\n`}`);
    return exitStatusOf(error.code);
  }
  throw error;
}

/** Runs the process's own command line; the exit status is the process's. */
export async function runCommandLine(): Promise<void> {
  // Nobody is left to be told when messages cannot be written.
  process.stderr.on('error', () => undefined);

  // Whoever reads our output may stop reading, "beeline list | head", or have no room for it.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      process.exit();
    }
    process.stderr.write(`beeline: cannot write to standard output: ${error.message}\n`);
    process.exit(ExitStatus.failed);
  });
  try {
    await run(process.argv[2], process.argv.slice(3));
  } catch (error) {
    process.exitCode = report(error);
  }
}
