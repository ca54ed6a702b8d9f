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
  /** What is searched for has changed since the search began: a few ways, or all. */
  #stale: 'no' | 'new' | 'all' = 'no';
  #soon: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: LocatorOptions) {
    this.#options = options;
  }

  /**
   * To call when ways are wanted that were not, or are no more: looks for those alone. An edit of one real server among
   * thousands asks for one route. @param isWanted there are some
   */
  now(isWanted: boolean): void {
    if (isWanted) {
      this.#again ??= setInterval(() => {
        this.#search('all');
      }, AGAIN_MS).unref();
    } else {
      clearInterval(this.#again);
      this.#again = undefined;
    }
    this.#search('new');
  }

  /** To call when something went wrong, or the host's network changed. */
  soon(): void {
    if (!this.#isClosed) {
      this.#soon ??= setTimeout(() => {
        this.#soon = undefined;
        this.#search('all');
      }, SOON_MS).unref();
    }
  }

  #search(which: 'new' | 'all'): void {
    this.#stale = this.#stale === 'all' ? 'all' : which;
    this.#searching ??= this.#searchAll().finally(() => {
      this.#searching = undefined;
    });
  }

  async #searchAll(): Promise<void> {
    const { ways, onLocated, onTrouble } = this.#options;
    while (this.#stale !== 'no' && !this.#isClosed) {
      const isAll = this.#stale === 'all';
      this.#stale = 'no';
      try {
        await ways.refresh(isAll);
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
