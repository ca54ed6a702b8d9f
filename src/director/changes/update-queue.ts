/** Changes that wait at the same time: made one after another, published together. */

import type { Model } from '../../model/index.js';
import type { Desired } from './drains.js';

/** A change of what is asked for. */
export interface DesiredChange {
  /** Returns what is asked for next, from what the change before left. An exception refuses this change alone. */
  readonly apply: (desired: Desired) => Desired;
}

interface WaitingChange extends DesiredChange {
  readonly resolve: (model: Model) => void;
  readonly reject: (error: unknown) => void;
}

/** Changes that are published together or not at all. */
type Group = readonly WaitingChange[];

/** Returns what is asked for next; undefined: there is nothing to publish. */
export type Prepare = (before: Desired) => Promise<Desired | undefined> | Desired | undefined;

/** Keeps what is asked for, after so many changes of the model. A change is not acknowledged before that. */
export type Keep = (desired: Desired, changes: number) => Promise<void>;

export interface UpdateQueueOptions {
  /** Runs a round with what is asked for next, and returns it. If that fails, everything is as before. */
  readonly commit: (prepare: Prepare) => Promise<Desired>;
  readonly keep: Keep;
}

export class UpdateQueue {
  readonly #options: UpdateQueueOptions;
  #waiting: Group[] = [];

  constructor(options: UpdateQueueOptions) {
    this.#options = options;
  }

  /** Returns how many changes waited before. @param atomic they are published together or not at all */
  add(changes: readonly WaitingChange[], atomic: boolean): number {
    const before = this.#waiting.length;
    if (atomic) {
      this.#waiting.push(changes);
    } else {
      changes.forEach((each) => this.#waiting.push([each]));
    }
    return before;
  }

  /** Makes all changes that wait, and settles their promises. Never rejects. */
  async run(): Promise<void> {
    const all = this.#waiting;
    this.#waiting = [];
    await this.#makeAll(all);
  }

  /** If some groups are too much for the tables, the others must not fail for that: halves are made one after another. */
  async #makeAll(groups: readonly Group[]): Promise<void> {
    if (!(await this.#make(groups.flat(), groups.length === 1))) {
      const middle = groups.length >> 1;
      await this.#makeAll(groups.slice(0, middle));
      await this.#makeAll(groups.slice(middle));
    }
  }

  /** Makes changes, together or not at all. Returns false if nothing was done and no promise is settled. */
  async #make(changes: Group, isLast: boolean): Promise<boolean> {
    let accepted: WaitingChange[] = [];
    let refused: { readonly change: WaitingChange; readonly error: unknown }[] = [];
    const { commit, keep } = this.#options;
    let ofModel = 0;
    let committed: Desired;
    try {
      committed = await commit((before) => {
        [accepted, refused, ofModel] = [[], [], 0];
        let desired = before;
        for (const change of changes) {
          try {
            const next = change.apply(desired);
            // The deadline of a drain, for example, is none of the file's business.
            ofModel += next.model === desired.model ? 0 : 1;
            desired = next;
            accepted.push(change);
          } catch (error) {
            refused.push({ change, error });
          }
        }
        return accepted.length === 0 ? undefined : desired;
      });
    } catch (error) {
      if (isLast) {
        changes.forEach(({ reject }) => {
          reject(error);
        });
      }
      return isLast;
    }
    if (accepted.length > 0) {
      await keep(committed, ofModel);
    }
    accepted.forEach(({ resolve }) => {
      resolve(committed.model);
    });
    refused.forEach(({ change, error }) => {
      change.reject(error);
    });
    return true;
  }
}
