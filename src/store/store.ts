/** One value in one file, kept across restarts of the daemon. */

import { existsSync, readFileSync, renameSync } from 'node:fs';

import { damagedOf, removeFile, replaceFile, spareOf } from './files.js';
import { decode, encode, type Format } from './format.js';
import type { Moment } from './moment.js';

/** After a failure to write, how long until the next attempt. */
const RETRY_MS = 5_000;

/** Receives what the log should say. */
export type Report = (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void;

export interface StoreOptions<Value> {
  readonly path: string;
  readonly format: Format<Value>;
  readonly report: Report;
  /** Tells the moment, for formats with times. */
  readonly clock: () => Moment;
  readonly retryMs?: number;
}

/**
 * Keeps the last value and the one before it. At every moment the path leads to a whole file, once there is one.
 *
 * Writing never fails for the caller: if the disk takes nothing, the change holds all the same, `problem` and the log
 * say so, and the store tries again until it succeeds (docs/adr/0018-one-store.md).
 */
export class Store<Value> implements Disposable {
  readonly #options: StoreOptions<Value>;
  /** Whether the file at the path may become the spare: a damaged one must not replace a whole one. */
  #isWhole = false;
  /** The last value that was saved; undefined: there is none to keep. */
  #latest: Value | undefined;
  #problem: string | undefined;
  /** Where the files are that could not be used. */
  readonly #aside: string[] = [];
  #writing: Promise<void> = Promise.resolve();
  /** A write that has not begun yet: it will take the latest value. */
  #next: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #disposed = false;

  constructor(options: StoreOptions<Value>) {
    this.#options = options;
  }

  /** Why a restart at this moment would lose the value; undefined: it would not. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** The files that could not be used, as text, as long as nobody removed what was kept of them. */
  get damage(): readonly string[] {
    const { noun } = this.#options.format;
    return this.#aside
      .filter((path) => existsSync(path))
      .map((path) => `a file of ${noun} could not be used and is kept as ${path}: remove it when it is not needed`);
  }

  /**
   * Reads the value, or the one before it if the file is damaged; undefined: there is none. Damage is reported, and the file
   * kept aside, since the next value takes its place.
   */
  load(): Value | undefined {
    const { path, format, report, clock } = this.#options;
    const troubles: string[] = [];
    for (const candidate of [path, spareOf(path)]) {
      try {
        const value = decode(format, readFileSync(candidate), clock());
        this.#isWhole = candidate === path;
        if (!this.#isWhole && troubles.length === 0) {
          troubles.push(`${path} is missing`);
        }
        troubles.forEach((trouble) => {
          report('warn', `${trouble}; the state before the last change is used`, {});
        });
        return value;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
          troubles.push(`${candidate} cannot be used: ${messageOf(error)}${this.#setAside(candidate)}`);
        }
      }
    }
    troubles.forEach((trouble) => {
      report('error', `${trouble}; the ${format.noun} in it are lost`, {});
    });
    return undefined;
  }

  /** Returns where a file is now, as the end of a sentence. */
  #setAside(path: string): string {
    const aside = damagedOf(path);
    try {
      renameSync(path, aside);
    } catch (error) {
      return `, and cannot be kept aside: ${messageOf(error)}`;
    }
    this.#aside.push(aside);
    return `; it is kept as ${aside}`;
  }

  /** Writes a value. Resolves when it, or a later one, would survive a loss of power, or when the attempt failed. */
  save(value: Value): Promise<void> {
    this.#latest = value;
    return this.#write();
  }

  /** Removes the file: there is nothing more to keep. Resolves like `save`. */
  clear(): Promise<void> {
    this.#latest = undefined;
    return this.#write();
  }

  /** Ends the attempts to write. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    clearTimeout(this.#retry);
  }

  /** Writes one after another; a write that waits takes the latest value. */
  #write(): Promise<void> {
    this.#next ??= this.#writing.then(() => {
      this.#next = undefined;
      return this.#writeLatest();
    });
    this.#writing = this.#next;
    return this.#next;
  }

  async #writeLatest(): Promise<void> {
    const { path, format, report, clock } = this.#options;
    clearTimeout(this.#retry);
    try {
      if (this.#latest === undefined) {
        await removeFile(path);
        this.#isWhole = false;
      } else {
        await replaceFile(path, encode(format, this.#latest, clock()), this.#isWhole);
        this.#isWhole = true;
      }
      if (this.#problem !== undefined) {
        report('info', `the ${format.noun} are kept again`, { path });
      }
      this.#problem = undefined;
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const { path, format, report, retryMs = RETRY_MS } = this.#options;
    const consequence =
      this.#latest === undefined
        ? `are over, but ${path} cannot be removed, and a restart would bring them back`
        : 'are in force, but cannot be kept, and a restart would lose them';
    const problem = `${format.noun} ${consequence}: ${messageOf(error)}`;
    if (problem !== this.#problem) {
      report('error', `cannot keep ${format.noun}; trying again`, { path, err: error });
    }
    this.#problem = problem;
    if (!this.#disposed) {
      this.#retry = setTimeout(() => {
        void this.#write();
      }, retryMs).unref();
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Reads a value and changes nothing, for who does not own the file; undefined: there is none that can be used. */
export function readStored<Value>(path: string, format: Format<Value>, now: Moment): Value | undefined {
  for (const candidate of [path, spareOf(path)]) {
    try {
      return decode(format, readFileSync(candidate), now);
    } catch {
      // Missing or damaged: its owner tells of it, and keeps it aside.
    }
  }
  return undefined;
}
