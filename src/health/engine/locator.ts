/** Looks for the ways to real servers when they may be others: one search at a time, and not too often. */

import type { Ways } from './ways.js';

/** The kernel sends no events about routes. */
const AGAIN_MS = 10_000;
/** Whatever happens, no more often than that. */
const SOON_MS = 500;

export interface LocatorOptions {
  readonly ways: Ways;
  /** Called after each search. */
  readonly onLocated: () => void;
  readonly onTrouble: (message: string, details: object) => void;
}

export class Locator {
  readonly #options: LocatorOptions;
  #searching: Promise<void> | undefined;
  /** What is searched for has changed since the search began. */
  #isStale = false;
  #soon: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: LocatorOptions) {
    this.#options = options;
  }

  /** To call when ways are wanted that were not, or are no more. @param isWanted there are some */
  now(isWanted: boolean): void {
    clearInterval(this.#again);
    this.#again = isWanted
      ? setInterval(() => {
          this.#search();
        }, AGAIN_MS).unref()
      : undefined;
    this.#search();
  }

  /** To call when something went wrong, or the host's network changed. */
  soon(): void {
    if (!this.#isClosed) {
      this.#soon ??= setTimeout(() => {
        this.#soon = undefined;
        this.#search();
      }, SOON_MS).unref();
    }
  }

  #search(): void {
    this.#isStale = true;
    this.#searching ??= this.#searchAll().finally(() => {
      this.#searching = undefined;
    });
  }

  async #searchAll(): Promise<void> {
    const { ways, onLocated, onTrouble } = this.#options;
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      try {
        await ways.refresh();
        onLocated();
      } catch (error) {
        onTrouble('the ways to real servers could not be found', { error: String(error) });
      }
    }
  }

  /** Resolves when the search has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#again);
    clearTimeout(this.#soon);
    await this.#searching;
  }
}
