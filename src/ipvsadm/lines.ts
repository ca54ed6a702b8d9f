/** Runs the lines of -R and of ipvsadm-restore. Their edits are collected and published together: one alone takes as long as all. */

import { setImmediate } from 'node:timers/promises';

import { parseArguments } from './arguments.js';
import { Batch } from './batch.js';
import type { Command } from './command.js';
import type { Environment } from './environment.js';
import { ExitStatus, type Failure, failureOf, tryHelp } from './errors.js';
import { restoreLines } from './restore.js';

export interface LinesOptions {
  readonly environment: Environment;
  /** Packets see none of the lines' changes before they see all. */
  readonly atomic: boolean;
  /** Carries out a command. */
  readonly run: (command: Exclude<Command, { kind: 'restore' }>, environment: Environment) => Promise<void>;
  /** Prints a failure. Returns its exit status. */
  readonly report: (failure: Failure) => number;
}

export class Lines {
  readonly #options: LinesOptions;
  readonly #batch: Batch;
  readonly #environment: Environment;
  /** Of the lines that wait for the batch: undefined for success. */
  #outcomes: Promise<Failure | undefined>[] = [];
  #status: number = ExitStatus.ok;
  #settling: Promise<unknown> = Promise.resolve();
  #isSettling = false;
  /** A line ends the program, as ipvsadm's own mistakes do. */
  #isOver = false;

  constructor(options: LinesOptions) {
    this.#options = options;
    const { environment, atomic } = options;
    this.#batch = new Batch(environment.director, atomic);
    this.#environment = { ...environment, director: this.#batch };
  }

  /**
   * Runs the lines of a text, also after a line that failed. Reports failures in the order of lines.
   *
   * @throws Failure of a line that ends the program
   */
  async run(text: string): Promise<void> {
    const lines = restoreLines(text);
    for (const [i, words] of lines.entries()) {
      this.#batch.following = lines.length - i - 1;
      const taken = this.#batch.taken();
      const outcome = this.#line(words);
      // The next line follows when this one's edit is in the batch, or when it is over without one.
      await Promise.race([taken, outcome]);
      // Not before: who settles awaits the outcome, and only edits that are in the batch are made.
      this.#outcomes.push(outcome);
      if (this.#isOver) {
        await this.end();
        return;
      }
      if (this.#batch.isDue) {
        await this.#settleSome();
      }
    }
    if (!this.#options.atomic) {
      await this.#settleSome();
    }
  }

  /**
   * Returns the exit status of the last line, when all changes are published.
   *
   * @throws Failure of a line that ends the program
   */
  async end(): Promise<number> {
    await this.#settling;
    await this.#settle();
    return this.#status;
  }

  /** Begins to publish what waits. While the daemon is at it, further lines are read. */
  async #settleSome(): Promise<void> {
    if (!this.#isSettling) {
      // A line of before may have ended the program.
      await this.#settling;
      this.#isSettling = true;
      this.#settling = this.#settle().finally(() => {
        this.#isSettling = false;
      });
      // Thrown where it is awaited.
      this.#settling.catch(() => undefined);
    }
    await (this.#batch.isFull ? this.#settling : setImmediate());
  }

  async #line(words: readonly string[]): Promise<Failure | undefined> {
    try {
      const command = await parseArguments(words, this.#environment.names);
      if (command.kind === 'restore') {
        throw tryHelp();
      }
      await this.#options.run(command, this.#environment);
      return undefined;
    } catch (error) {
      const failure = failureOf(error, 'service');
      this.#isOver ||= failure.ends;
      return failure;
    }
  }

  /** Publishes what waits, and what comes meanwhile, and reports failures. */
  async #settle(): Promise<void> {
    while (this.#outcomes.length > 0) {
      const outcomes = this.#outcomes;
      this.#outcomes = [];
      await this.#batch.flush();
      for (const outcome of outcomes) {
        const failure = await outcome;
        if (failure?.ends === true) {
          throw failure;
        }
        this.#status = failure === undefined ? ExitStatus.ok : this.#options.report(failure);
      }
    }
  }
}
