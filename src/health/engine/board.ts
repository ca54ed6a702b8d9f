/** Brings the results of a loop to those who wait for them. */

import type { CheckLoop } from '../wire/check-loop.js';
import type { CheckJob, Step } from '../wire/job.js';
import type { CheckResult } from '../wire/result.js';

/** Waits for the results of its job. */
export interface Receiver {
  take(result: CheckResult): void;
}

export class Board {
  readonly #loop: CheckLoop;
  /** By the number of the job. */
  readonly #receivers: (Receiver | undefined)[] = [];
  #started: number[] = [];

  constructor(loop: CheckLoop) {
    this.#loop = loop;
  }

  /** @throws RangeError for what cannot be */
  define(job: CheckJob, receiver: Receiver): number {
    const number = this.#loop.define(job);
    this.#receivers[number] = receiver;
    return number;
  }

  /** Removes a job. A result that still comes is nobody's. */
  undefine(job: number): void {
    this.#receivers[job] = undefined;
    this.#loop.undefine(job);
  }

  /** Starts a check with the next `flush`. */
  start(job: number): void {
    this.#started.push(job);
  }

  flush(): void {
    if (this.#started.length > 0) {
      // Jobs that were removed since are none.
      const jobs = this.#started.filter((job) => this.#receivers[job] !== undefined);
      this.#started = [];
      this.#loop.start(Uint32Array.from(jobs));
    }
  }

  proceed(flight: number, step: Step): void {
    // If it has ended, its result says so.
    this.#loop.proceed(flight, step);
  }

  end(flight: number): void {
    this.#loop.end(flight);
  }

  /** @param onError gets what a receiver throws: it costs the others nothing */
  deliver(results: readonly CheckResult[], onError: (error: unknown) => void): void {
    for (const result of results) {
      const receiver = this.#receivers[result.job];
      try {
        if (receiver !== undefined) {
          receiver.take(result);
        } else if (result.flight !== undefined) {
          this.#loop.end(result.flight);
        }
      } catch (error) {
        onError(error);
      }
    }
  }
}
