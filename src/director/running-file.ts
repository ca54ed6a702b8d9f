/** The file that tells commands what packets follow after the daemon has ended, and until when it was there. */

import { utimesSync } from 'node:fs';

import { z } from 'zod';

import type { Instance, Model } from '../model/index.js';
import { type Format, Store } from '../store/index.js';
import { moment } from './clock.js';
import type { Director } from './director.js';
import type { Logger } from './log.js';
import { modelSchema } from './schemas.js';

/** How long after a change, or before an end, the file may lag behind. */
const TICK_MS = 1_000;

export interface Running {
  /** The effective model. The pinned maps tell which of it packets follow indeed. */
  readonly model: Model;
  readonly configPath: string;
}

export const runningFormat: Format<Running> = {
  title: 'beeline-running',
  version: 1,
  noun: 'the services for commands without a daemon',
  schema: z.strictObject({ model: modelSchema, configPath: z.string() }),
};

export interface RunningFileOptions {
  readonly instance: Instance;
  readonly director: Pick<Director, 'models'>;
  readonly configPath: string;
  readonly log: Logger;
}

export class RunningFile implements Disposable {
  readonly #options: RunningFileOptions;
  readonly #store: Store<Running>;
  readonly #timer: NodeJS.Timeout;
  /** What the file has; undefined: it must be written. */
  #written: Model | undefined;

  constructor(options: RunningFileOptions) {
    const { instance, log } = options;
    this.#options = options;
    this.#store = new Store({
      path: instance.runningPath,
      format: runningFormat,
      clock: moment,
      report: (level, message, details) => {
        log[level](details, message);
      },
    });
    this.#timer = setInterval(() => {
      void this.follow();
    }, TICK_MS).unref();
  }

  /** Writes what changed; else only says that the daemon is still there. */
  async follow(): Promise<void> {
    const { instance, director, configPath } = this.#options;
    const { effective } = director.models;
    if (effective !== this.#written) {
      this.#written = effective;
      await this.#store.save({ model: effective, configPath });
      return;
    }
    const now = new Date();
    try {
      utimesSync(instance.runningPath, now, now);
    } catch {
      // Somebody removed it, or the write before has failed, which the store tells and mends.
      this.#written = undefined;
    }
  }

  /** Forgets everything: packets follow nothing any more. */
  async clear(): Promise<void> {
    clearInterval(this.#timer);
    await this.#store.clear();
  }

  /** Says for the last time that the daemon is there. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.follow();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#store[Symbol.dispose]();
  }
}
