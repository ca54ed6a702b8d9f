/** Carries out ipvsadm's command lines on a director. Knows no socket and no terminal. */

import { parseArguments } from './arguments.js';
import type { Changes } from './changes.js';
import type { Command } from './command.js';
import type { Environment } from './environment.js';
import { ExitStatus, Failure, failureOf } from './errors.js';
import type { Lines } from './lines.js';
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

/**
 * Runs ipvsadm-restore: removes all services, then runs commands. Packets see the services of before, or those of after.
 * Lines that begin with "#" are comments.
 */
export async function clearAndRestore(environment: Environment): Promise<number> {
  const pieces: string[] = [];
  for await (const piece of environment.input()) {
    pieces.push(piece);
  }
  const rules = pieces.join('').replace(/^#.*\n?/gm, '');
  return withWarnings(environment, (session) => session.replaceBy(rules));
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
  #changes: Promise<{ readonly Changes: typeof Changes }> | undefined;
  /** Warnings about changes. A set, so that each is printed once. */
  readonly #warnings = new Set<string>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  printWarnings(): void {
    this.#warnings.forEach((warning) => {
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
  async run(words: readonly string[]): Promise<number> {
    const command = await parseArguments(words, this.#environment.names);
    if (command.kind === 'restore') {
      const lines = await this.#lines(false);
      for await (const piece of wholeLines(this.#environment.input())) {
        await lines.run(piece);
      }
      return lines.end();
    }
    await this.#do(command, this.#environment);
    return ExitStatus.ok;
  }

  /** Replaces all services by those that lines make. @returns the exit status of the last line */
  async replaceBy(text: string): Promise<number> {
    const lines = await this.#lines(true);
    await lines.run(`-C\n${text}`);
    return lines.end();
  }

  /** @param atomic packets see none of the lines' changes before they see all */
  async #lines(atomic: boolean): Promise<Lines> {
    const { Lines: Loaded } = await import('./lines.js');
    return new Loaded({
      environment: this.#environment,
      atomic,
      run: (command, environment) => this.#do(command, environment),
      report: (failure) => this.fail(failure),
    });
  }

  async #do(command: Exclude<Command, { kind: 'restore' }>, environment: Environment): Promise<void> {
    const { director, out } = environment;
    switch (command.kind) {
      case 'help':
        out((await import('./help.js')).HELP);
        // ipvsadm exits here, even with more lines to restore.
        throw new Failure('', ExitStatus.ok, true);
      case 'version':
        out((await import('./help.js')).VERSION);
        throw new Failure('', ExitStatus.ok, true);
      case 'start-daemon':
      case 'stop-daemon':
        this.#warnings.add(
          `--${command.kind} does nothing, and nothing needs it: on a standby director with the same services maglev, sh and mh ` +
            'choose the same real servers without connections being synchronised; those of other schedulers begin anew there.',
        );
        return;
      case 'list':
        await printServices(command, environment);
        return;
      case 'list-connections':
        await printConnections(command, environment);
        return;
      case 'list-timeouts':
        out(formatTimeouts((await director.table()).timeouts));
        return;
      case 'list-daemons':
        // Beeline has no synchronisation daemons, and ipvsadm prints nothing for none.
        await director.table();
        return;
      case 'save':
        await printSaved(command.numeric, environment);
        return;
      default: {
        const { Changes: Loaded } = await (this.#changes ??= import('./changes.js'));
        await new Loaded(environment, this.#warnings).run(command);
      }
    }
  }
}

/** Joins pieces of text so that each ends with a line's end, but for the last one. */
async function* wholeLines(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of pieces) {
    const end = piece.lastIndexOf('\n') + 1;
    if (end > 0) {
      yield rest + piece.slice(0, end);
      rest = piece.slice(end);
    } else {
      rest += piece;
    }
  }
  yield rest;
}
