/** Carries out ipvsadm's command lines on a director. Knows no socket and no terminal. */

import { parseArguments } from './arguments.js';
import type { Changes } from './changes.js';
import type { Command } from './command.js';
import type { Environment } from './environment.js';
import { ExitStatus, Failure, failureOf, refusal, tryHelp } from './errors.js';
import { printConnections, printSaved, printServices } from './list.js';
import { formatTimeouts } from './listing.js';

/**
 * Runs one command line.
 *
 * @param words without the program's name
 * @returns the exit status
 */
export async function execute(words: readonly string[], environment: Environment): Promise<number> {
  return withWarnings(environment, (session) => session.run(words));
}

/** Runs ipvsadm-restore: removes all services, then reads commands. Lines that begin with "#" are comments. */
export async function clearAndRestore(environment: Environment): Promise<number> {
  const text = await environment.input();
  const rules = text.replace(/^#.*\n?/gm, '');
  return withWarnings(environment, async (session) => {
    await session.run(['-C']);
    return session.restore(rules);
  });
}

async function withWarnings(environment: Environment, run: (session: Session) => Promise<number>): Promise<number> {
  const session = new Session(environment);
  try {
    return await run(session);
  } catch (error) {
    return session.fail(failureOf(error, 'service'));
  } finally {
    session.printWarnings();
  }
}

class Session {
  readonly #environment: Environment;
  /** Loaded by the first change: listings start faster without. */
  #changes: Changes | undefined;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  async #startChanges(): Promise<Changes> {
    const { Changes: Loaded } = await import('./changes.js');
    return (this.#changes ??= new Loaded(this.#environment));
  }

  printWarnings(): void {
    this.#changes?.warnings.forEach((warning) => {
      this.#environment.err(`beeline: warning: ${warning}\n`);
    });
  }

  fail({ text, status }: Failure): number {
    if (text !== '') {
      this.#environment.err(`${text}\n`);
    }
    return status;
  }

  /** @throws Failure, BeelineError */
  async run(words: readonly string[], restoring = false): Promise<number> {
    const command = await parseArguments(words, this.#environment.names);
    if (command.kind === 'restore') {
      if (restoring) {
        throw tryHelp();
      }
      return this.restore(await this.#environment.input());
    }
    await this.#do(command);
    if (command.kind === 'help' || command.kind === 'version') {
      // ipvsadm exits here, even with more lines to restore.
      throw new Failure('', ExitStatus.ok, true);
    }
    return ExitStatus.ok;
  }

  /** Runs the lines, also after a line that failed. @returns the exit status of the last line */
  async restore(text: string): Promise<number> {
    const { restoreLines } = await import('./restore.js');
    let status: number = ExitStatus.ok;
    for (const words of restoreLines(text)) {
      try {
        status = await this.run(words, true);
      } catch (error) {
        const failure = failureOf(error, 'service');
        if (failure.ends) {
          throw failure;
        }
        status = this.fail(failure);
      }
    }
    return status;
  }

  async #do(command: Exclude<Command, { kind: 'restore' }>): Promise<void> {
    const { director, out } = this.#environment;
    switch (command.kind) {
      case 'help':
        out((await import('./help.js')).HELP);
        return;
      case 'version':
        out((await import('./help.js')).VERSION);
        return;
      case 'start-daemon':
      case 'stop-daemon':
        throw refusal(
          'Beeline has no daemon that synchronises connections.\n' +
            'A standby director with the same services needs none: maglev, sh and mh choose the same real servers there.',
        );
      case 'list':
        await printServices(command, this.#environment);
        return;
      case 'list-connections':
        await printConnections(command, this.#environment);
        return;
      case 'list-timeouts':
        out(formatTimeouts((await director.table()).timeouts));
        return;
      case 'list-daemons':
        // Beeline has no synchronisation daemons, and ipvsadm prints nothing for none.
        await director.table();
        return;
      case 'save':
        await printSaved(command.numeric, this.#environment);
        return;
      default:
        await (await this.#startChanges()).run(command);
    }
  }
}
