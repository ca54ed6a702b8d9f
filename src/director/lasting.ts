/** One thing that can go wrong for a while: told when it begins or changes, and when it is over, not at every attempt. */

import type { Logger } from './log.js';

export class Lasting {
  readonly #log: Logger;
  readonly #over: string;
  #problem: string | undefined;

  /** @param over what the log says at the end */
  constructor(log: Logger, over: string) {
    this.#log = log;
    this.#over = over;
  }

  /** What goes wrong, as text; undefined: nothing. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Notes a failure, and logs it if it is not the one of before. @param message what it prevents */
  fail(error: unknown, message: string, level: 'warn' | 'error' = 'error'): void {
    const problem = error instanceof Error ? error.message : String(error);
    if (problem !== this.#problem) {
      this.#problem = problem;
      this.#log[level]({ err: error }, message);
    }
  }

  /** Notes a success, and logs it if it is the first one after failures. */
  succeed(): void {
    if (this.#problem !== undefined) {
      this.#problem = undefined;
      this.#log.info(this.#over);
    }
  }
}
