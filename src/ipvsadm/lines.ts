/** Runs the lines of -R and of ipvsadm-restore. Their edits are collected and published together: one alone takes as long as all. */

import { parseArguments } from './arguments.js';
import { Batch } from './batch.js';
import type { Command } from './command.js';
import type { Environment } from './environment.js';
import { type Failure, failureOf, tryHelp } from './errors.js';
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
  /** A line ends the program, as ipvsadm's own mistakes do. */
  #isOver = false;

  constructor(options: LinesOptions) {
    this.#options = options;
    const { environment, atomic } = options;
    this.#batch = new Batch(environment.director, atomic);
    this.#environment = { ...environment, director: this.#batch };
  }

  /**
   * Runs the lines of a text, also after a line that failed, and reports failures in the order of lines. When it returns,
   * the changes are published.
   *
   * @returns the exit status of the last line; undefined: there is none
   * @throws Failure of a line that ends the program
   */
  async run(text: string): Promise<number | undefined> {
    let status: number | undefined;
    for (const words of restoreLines(text)) {
      const taken = this.#batch.taken();
      const outcome = this.#line(words);
      this.#outcomes.push(outcome);
      // The next line follows when this one's edit is in the batch, or when it is over without one.
      await Promise.race([taken, outcome]);
      if (this.#isOver) {
        break;
      }
      if (this.#batch.isDue) {
        status = await this.#settle();
      }
    }
    return (await this.#settle()) ?? status;
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

  /** Publishes what waits. @returns the exit status of the last line that waited */
  async #settle(): Promise<number | undefined> {
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    await this.#batch.flush();
    let status: number | undefined;
    for (const outcome of outcomes) {
      const failure = await outcome;
      if (failure?.ends === true) {
        throw failure;
      }
      status = failure === undefined ? 0 : this.#options.report(failure);
    }
    return status;
  }
}
