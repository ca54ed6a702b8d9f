/** A director whose edits are collected, and made together by one request. */

import type { FlowsReport, ServiceTable } from '../control/index.js';
import { type AnyServiceKey, type Edit, serviceName } from '../model/index.js';
import type { Director } from './environment.js';
import { Failure, failureOf } from './errors.js';

/** Packets follow an edit at most so much later than it was read, and the time of one request. */
const DUE_MS = 20;
/** The most edits of a request, so that none comes near the longest frame. Not so if packets must see all at once. */
const MOST_EDITS = 16_384;

interface Waiting {
  readonly change: Edit;
  readonly resolve: (warnings: readonly string[]) => void;
  readonly reject: (error: unknown) => void;
}

export class Batch implements Director {
  readonly #director: Director;
  readonly #atomic: boolean;
  /** About how many edits are ready to follow those that were taken. */
  following = 0;
  #waiting: Waiting[] = [];
  #since = 0;
  #made: Promise<void> = Promise.resolve();
  #onTaken: () => void = () => undefined;
  /** Which services there are when the edits are made; undefined: the director knows. */
  #services: Set<string> | undefined;

  /** @param atomic packets see no edit before they see all */
  constructor(director: Director, atomic: boolean) {
    this.#director = director;
    this.#atomic = atomic;
  }

  /** Whether the edits that wait should be made now. */
  get isDue(): boolean {
    const isLate = this.#waiting.length > 0 && performance.now() - this.#since >= DUE_MS;
    return !this.#atomic && (isLate || this.isFull);
  }

  get isFull(): boolean {
    return !this.#atomic && this.#waiting.length >= MOST_EDITS;
  }

  /** Resolves when the next edit is taken. */
  taken(): Promise<void> {
    return new Promise((resolve) => {
      this.#onTaken = resolve;
    });
  }

  /** Resolves when the edit was made, after `flush`. */
  edit(change: Edit): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) {
        this.#since = performance.now();
      }
      this.#waiting.push({ change, resolve, reject });
      this.#note(change);
      this.#onTaken();
    });
  }

  async edits(changes: readonly Edit[], atomic: boolean, following: number): ReturnType<Director['edits']> {
    await this.flush();
    return this.#director.edits(changes, atomic, following);
  }

  /** Makes the edits that wait, after those that are being made, and settles their promises. Never rejects. */
  flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length > 0) {
      const { following } = this;
      this.#made = this.#made.then(() => this.#make(waiting, following));
    }
    return this.#made;
  }

  async #make(waiting: readonly Waiting[], following: number): Promise<void> {
    const changes = waiting.map(({ change }) => change);
    try {
      const { warnings, refused } = await this.#director.edits(changes, this.#atomic, following);
      waiting.forEach(({ resolve, reject }, i) => {
        const error = refused.get(i);
        if (error === undefined) {
          resolve(warnings);
        } else {
          reject(error);
        }
      });
    } catch (error) {
      const failure = endingFailure(error);
      waiting.forEach(({ reject }) => {
        reject(failure);
      });
    }
  }

  async table(): Promise<ServiceTable> {
    await this.flush();
    return this.#director.table();
  }

  /** Does not flush if packets must see all edits at once; the edits that wait say it then. */
  async has(service: AnyServiceKey): Promise<boolean> {
    const known = this.#services;
    if (this.#atomic && known !== undefined) {
      return known.has(serviceName(service));
    }
    await this.flush();
    return this.#director.has(service);
  }

  async flows(from: string | undefined): Promise<FlowsReport> {
    await this.flush();
    return this.#director.flows(from);
  }

  async zero(service: AnyServiceKey | undefined): Promise<void> {
    await this.flush();
    await this.#director.zero(service);
  }

  #note(change: Edit): void {
    if (change.kind === 'clear') {
      this.#services = new Set();
    } else if (change.kind === 'add-service') {
      this.#services?.add(serviceName(change.service));
    } else if (change.kind === 'delete-service') {
      this.#services?.delete(serviceName(change.service));
    }
  }
}

/** The request failed, not a line: it is said once, and the lines that follow would fail in the same way. */
function endingFailure(error: unknown): unknown {
  try {
    const { text, status } = failureOf(error, 'service');
    return new Failure(text, status, true);
  } catch (defect) {
    return defect;
  }
}
