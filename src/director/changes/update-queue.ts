/** Edits that wait at the same time: made one after another, published together. */

import type { Model } from '../../model/index.js';
import type { Overlays } from '../overlays/index.js';
import type { RealServerKey } from '../overlays/overlay.js';

/** A change of the desired model. */
export interface ModelChange {
  /** Returns the next model, from the one that the change before left. An exception refuses this change alone. */
  readonly apply: (model: Model) => Model;
  /** The real server that the change names: what overlays do to it ends. */
  readonly realServer?: RealServerKey | undefined;
  /** Whether the change adds that real server, so that one which an overlay removed comes back. */
  readonly adds?: boolean;
}

interface WaitingChange extends ModelChange {
  readonly resolve: (model: Model) => void;
  readonly reject: (error: unknown) => void;
}

/** Changes that are published together or not at all. */
type Group = readonly WaitingChange[];

/** Returns the next model; undefined: there is nothing to publish. */
export type Prepare = (before: Model) => Promise<Model | undefined> | Model | undefined;

export interface UpdateQueueOptions {
  readonly overlays: Overlays;
  /** Runs a round with the next model and returns it. If that fails, model and overlays are as before. */
  readonly commit: (prepare: Prepare) => Promise<Model>;
  /** Keeps the changed model. A change is not acknowledged before that. */
  readonly keep: (model: Model, changes: number) => Promise<void>;
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
    const { commit, keep, overlays } = this.#options;
    let committed: Model;
    try {
      committed = await commit((before) => {
        [accepted, refused] = [[], []];
        let model = before;
        for (const change of changes) {
          try {
            model = this.#apply(model, change);
            accepted.push(change);
          } catch (error) {
            refused.push({ change, error });
          }
        }
        overlays.keepOnly(model);
        return accepted.length === 0 ? undefined : model;
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
      await keep(committed, accepted.length);
    }
    accepted.forEach(({ resolve }) => {
      resolve(committed);
    });
    refused.forEach(({ change, error }) => {
      change.reject(error);
    });
    return true;
  }

  #apply(model: Model, { apply, realServer, adds = false }: ModelChange): Model {
    const { overlays } = this.#options;
    const next = apply(adds ? overlays.withoutRemoved(model, realServer) : model);
    if (realServer !== undefined) {
      overlays.end(realServer);
    }
    return next;
  }
}
