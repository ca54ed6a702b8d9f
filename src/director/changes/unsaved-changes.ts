/** Changes that commands made and the configuration file does not have. They survive a restart (ADR 15). */

import { rename } from 'node:fs/promises';

import { z } from 'zod';

import { type ConfigFile, formatConfig, type Origin, originOf } from '../../config/index.js';
import { allServices, BeelineError, diffModels, type Model } from '../../model/index.js';
import { type Format, type Store, writeDurably } from '../../store/index.js';
import type { Logger } from '../log.js';
import { modelSchema } from '../schemas.js';

/** The changed model, and where it comes from. */
export interface Snapshot {
  /** The configuration file that the changes began from. */
  readonly origin: Origin;
  /** How many changes there were since. */
  readonly changes: number;
  /** When the first of them was made, ISO 8601. */
  readonly since: string;
  readonly model: Model;
}

export const snapshotFormat: Format<Snapshot> = {
  title: 'beeline-state',
  version: 1,
  noun: 'changes made by commands',
  schema: z.strictObject({
    origin: z.strictObject({ text: z.string(), meaning: z.string() }),
    changes: z.int().min(0),
    since: z.string(),
    model: modelSchema,
  }),
};

/** The model that a daemon starts with. */
export interface Beginning {
  readonly model: Model;
  /** Changes that the file replaced; undefined: it replaced none. */
  readonly dropped: Snapshot | undefined;
}

/**
 * Decides which model holds after a start (docs/adr/0015-one-state.md). If the file says what it said when the changes
 * were made, the changes go on. If it says something else and has services or mark rules, the file holds. If it says
 * something else and has none, its settings hold and the services go on.
 */
export function beginWith(file: ConfigFile, snapshot: Snapshot | undefined): Beginning {
  if (snapshot === undefined) {
    return { model: file.model, dropped: undefined };
  }
  const { origin, model } = snapshot;
  const now = originOf(file);
  if (origin.text === now.text || origin.meaning === now.meaning) {
    return { model, dropped: undefined };
  }
  const { markServices, markRules, services, timeouts } = model;
  if (allServices(file.model).length > 0 || (file.model.markRules ?? []).length > 0) {
    return { model: file.model, dropped: snapshot };
  }
  return {
    model: {
      ...file.model,
      services,
      ...(markServices === undefined ? {} : { markServices }),
      ...(markRules === undefined ? {} : { markRules }),
      ...(timeouts === undefined ? {} : { timeouts: { ...timeouts, ...file.model.timeouts } }),
    },
    dropped: undefined,
  };
}

export interface UnsavedChangesOptions {
  readonly store: Store<Snapshot>;
  /** Where changes go that a configuration file replaced: a configuration. */
  readonly droppedPath: string;
  readonly log: Logger;
}

export class UnsavedChanges {
  readonly #options: UnsavedChangesOptions;
  #origin: Origin = { text: '', meaning: '' };
  #changes = 0;
  #since = '';
  #revision = 0;
  #replaced: Snapshot | undefined;
  #dropped: string | undefined;

  constructor(options: UnsavedChangesOptions) {
    this.#options = options;
  }

  /** The content of the configuration file that the running model began from. */
  get origin(): Origin {
    return this.#origin;
  }

  /** How many changes are not in the file. */
  get count(): number {
    return this.#changes;
  }

  /** When the first of them was made, ISO 8601; undefined: there is none. */
  get since(): string | undefined {
    return this.#changes === 0 ? undefined : this.#since;
  }

  /** Where the changes are that a file replaced last, in the life of this process; undefined: it replaced none. */
  get dropped(): string | undefined {
    return this.#dropped;
  }

  /** How many changes this process has seen. */
  get revision(): number {
    return this.#revision;
  }

  /** Reads the changes of the daemon before and logs whether they hold. Removes nothing: see `confirm`. */
  begin(file: ConfigFile): Model {
    const { store, droppedPath, log } = this.#options;
    const snapshot = store.load();
    const { model, dropped } = beginWith(file, snapshot);
    this.#origin = originOf(file);
    this.#replaced = dropped;
    if (dropped !== undefined) {
      log.warn(
        { file: file.path, changes: dropped.changes, since: dropped.since, kept: droppedPath },
        'the configuration file was changed since, and replaces what commands had changed: that is kept as a ' +
          'configuration, which "beeline diff" and "beeline apply" take',
      );
    } else if (snapshot !== undefined) {
      const { changes, since } = snapshot;
      [this.#changes, this.#since] = [changes, since];
      log.info({ changes, since }, 'commands had changed what the configuration file says, and that goes on');
    }
    return model;
  }

  /** Puts replaced changes aside, and binds the others to the file as it is now: the start succeeded. */
  async confirm(model: Model): Promise<void> {
    if (this.#replaced !== undefined) {
      await this.#keepDropped(this.#replaced.model);
      await this.#options.store.clear();
    } else if (this.#changes > 0) {
      await this.#save(model);
    }
    this.#replaced = undefined;
  }

  /** Counts and keeps changes. Resolves when they would survive a crash, or when the store reports that they do not. */
  async record(model: Model, changes: number): Promise<void> {
    this.#since = this.since ?? new Date().toISOString();
    this.#changes += changes;
    this.#revision += changes;
    await this.#save(model);
  }

  /**
   * Begins from a file again, which is running now.
   *
   * @param before the model that was running: it is put aside if commands had changed it
   * @returns how many changes the file replaced
   */
  async replace(file: Pick<ConfigFile, 'text' | 'model'>, before: Model): Promise<number> {
    const dropped = await this.#drop(before, file.model);
    this.#origin = originOf(file);
    await this.#options.store.clear();
    return dropped;
  }

  /** The same for a file other than the daemon's own: that counts as one change, if it changes anything. */
  async replaceByOther(model: Model, own: ConfigFile | undefined, before: Model): Promise<number> {
    // The other file was applied although the own one said this already.
    const origin = own === undefined ? this.#origin : originOf(own);
    if (origin.meaning === this.#origin.meaning && diffModels(before, model).length === 0) {
      return 0;
    }
    const dropped = await this.#drop(before, model);
    this.#origin = origin;
    await this.record(model, 1);
    return dropped;
  }

  /**
   * Forgets changes that are in the file now.
   *
   * @param origin the file's content
   * @param revision the revision that was written to it
   * @param model the running model, which later changes may have made
   * @throws BeelineError `CONTROL_METHOD` if there was no such revision
   */
  async markSaved(origin: Origin, revision: number, model: Model): Promise<void> {
    if (revision > this.#revision) {
      throw new BeelineError('CONTROL_METHOD', `revision ${revision} was never running, the last is ${this.#revision}`);
    }
    this.#origin = origin;
    this.#changes = Math.min(this.#changes, this.#revision - revision);
    await (this.#changes === 0 ? this.#options.store.clear() : this.#save(model));
  }

  #save(model: Model): Promise<void> {
    return this.#options.store.save({ origin: this.#origin, changes: this.#changes, since: this.#since, model });
  }

  /** Forgets the changes, and puts them aside where the model that follows lacks them. */
  async #drop(before: Model, after: Model): Promise<number> {
    const dropped = diffModels(before, after).length === 0 ? 0 : this.#changes;
    if (dropped > 0) {
      await this.#keepDropped(before);
    }
    this.#changes = 0;
    this.#revision += 1;
    return dropped;
  }

  /** Writes a configuration, so that it can be compared and brought back. */
  async #keepDropped(model: Model): Promise<void> {
    const { droppedPath: path, log } = this.#options;
    try {
      await writeDurably(`${path}.new`, formatConfig(model));
      await rename(`${path}.new`, path);
      this.#dropped = path;
    } catch (error) {
      log.error({ err: error }, `cannot keep what commands had changed in ${path}`);
    }
  }
}
