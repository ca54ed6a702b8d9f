/** Changes that commands made and the configuration file does not have, and drains. They survive a restart (ADR 15). */

import { rename } from 'node:fs/promises';

import { z } from 'zod';

import { type ConfigFile, formatConfig, type Origin, originOf } from '../../config/index.js';
import { allServices, BeelineError, diffModels, type Model } from '../../model/index.js';
import { type Format, type Store, writeDurably } from '../../store/index.js';
import type { Logger } from '../log.js';
import { addressSchema } from '../schema-values.js';
import { modelSchema } from '../schemas.js';
import { type Desired, type Drain, requireDrained } from './drains.js';

/** The changed model with the drains that run, and where it comes from. */
export interface Snapshot {
  /** The configuration file that the changes began from. */
  readonly origin: Origin;
  /** How many changes there were since; 0: the file has the model, and only drains run beside it. */
  readonly changes: number;
  /** When the first of them was made, ISO 8601. */
  readonly since: string;
  readonly model: Model;
  readonly drains?: readonly Drain[];
}

export const snapshotFormat: Format<Snapshot> = {
  title: 'beeline-state',
  version: 2,
  noun: 'changes made by commands',
  schema: z.strictObject({
    origin: z.strictObject({ text: z.string(), meaning: z.string() }),
    changes: z.int().min(0),
    since: z.string(),
    model: modelSchema,
    drains: z
      .array(
        z.strictObject({
          service: z.string(),
          address: addressSchema,
          since: z.number(),
          deadline: z.number().exactOptional(),
        }),
      )
      .exactOptional(),
  }),
  times: {
    shift: ({ drains, ...rest }, ms) => ({ ...rest, ...(drains && { drains: drains.map((each) => shift(each, ms)) }) }),
    // It had none.
    wallVersion: 1,
  },
};

function shift({ since, deadline, ...key }: Drain, ms: number): Drain {
  return { ...key, since: since + ms, ...(deadline !== undefined && { deadline: deadline + ms }) };
}

/** What a daemon starts with. */
export interface Beginning extends Desired {
  /** Changes that the file replaced; undefined: it replaced none. */
  readonly dropped: Snapshot | undefined;
}

/**
 * Decides what holds after a start (docs/adr/0015-one-state.md). If the file says what it said when the changes were made,
 * the changes go on, and the drains. If it says something else and has services or mark rules, the file holds. If it says
 * something else and has none, its settings hold, and the services and drains go on.
 */
export function beginWith(file: ConfigFile, snapshot: Snapshot | undefined): Beginning {
  if (snapshot === undefined) {
    return { model: file.model, drains: [], dropped: undefined };
  }
  const { origin, model, drains = [] } = snapshot;
  const now = originOf(file);
  if (origin.text === now.text || origin.meaning === now.meaning) {
    return { ...requireDrained({ model, drains }), dropped: undefined };
  }
  const { markServices, markRules, services, timeouts } = model;
  if (allServices(file.model).length > 0 || (file.model.markRules ?? []).length > 0) {
    return { model: file.model, drains: [], dropped: snapshot };
  }
  return {
    drains: requireDrained({ model, drains }).drains,
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
  begin(file: ConfigFile): Desired {
    const snapshot = this.#options.store.load();
    const { model, drains, dropped } = beginWith(file, snapshot);
    this.#origin = originOf(file);
    this.#replaced = dropped;
    if (dropped !== undefined) {
      this.#logDropped(file, dropped);
    } else if (snapshot !== undefined) {
      const { changes, since } = snapshot;
      [this.#changes, this.#since] = [changes, since];
      this.#options.log.info(
        { changes, ...(changes > 0 && { since }), ...(drains.length > 0 && { drains: drains.map(drainName) }) },
        changes > 0
          ? 'commands had changed what the configuration file says, and that goes on'
          : 'the drains that commands had begun go on',
      );
    }
    return { model, drains };
  }

  #logDropped(file: ConfigFile, { changes, since, drains }: Snapshot): void {
    const { droppedPath, log } = this.#options;
    if (changes > 0) {
      log.warn(
        { file: file.path, changes, since, kept: droppedPath },
        'the configuration file was changed since, and replaces what commands had changed: that is kept as a ' +
          'configuration, which "beeline diff" and "beeline apply" take',
      );
    }
    logEnded(log, drains);
  }

  /**
   * Puts replaced changes aside, and binds the others to the file as it is now: the start succeeded.
   *
   * @param more how many changes were made to what `begin` returned
   */
  async confirm(desired: Desired, more = 0): Promise<void> {
    if (this.#replaced !== undefined && this.#replaced.changes > 0) {
      await this.#keepDropped(this.#replaced.model);
    }
    this.#replaced = undefined;
    await this.record(desired, more);
  }

  /** Counts and keeps changes. Resolves when they would survive a crash, or when the store reports that they do not. */
  async record(desired: Desired, changes: number): Promise<void> {
    if (changes > 0) {
      this.#since = this.since ?? new Date().toISOString();
      this.#changes += changes;
      this.#revision += changes;
    }
    await this.#save(desired);
  }

  /**
   * Begins from a file again, which is running now.
   *
   * @param before what was running: its model is put aside if commands had changed it, and its drains end
   * @returns how many changes the file replaced
   */
  async replace(file: Pick<ConfigFile, 'text' | 'model'>, before: Desired): Promise<number> {
    const dropped = await this.#drop(before, file.model);
    this.#origin = originOf(file);
    await this.#options.store.clear();
    return dropped;
  }

  /** The same for a file other than the daemon's own: that counts as one change, if it changes anything. */
  async replaceByOther(model: Model, own: ConfigFile | undefined, before: Desired): Promise<number> {
    // The other file was applied although the own one said this already.
    const origin = own === undefined ? this.#origin : originOf(own);
    if (origin.meaning === this.#origin.meaning && diffModels(before.model, model).length === 0) {
      logEnded(this.#options.log, before.drains);
      await this.record({ model, drains: [] }, 0);
      return 0;
    }
    const dropped = await this.#drop(before, model);
    this.#origin = origin;
    await this.record({ model, drains: [] }, 1);
    return dropped;
  }

  /**
   * Forgets changes that are in the file now.
   *
   * @param origin the file's content
   * @param revision the revision that was written to it
   * @param desired what is asked for now, which later changes may have made; the drains in it go on
   * @throws BeelineError `CONTROL_METHOD` if there was no such revision
   */
  async markSaved(origin: Origin, revision: number, desired: Desired): Promise<void> {
    if (revision > this.#revision) {
      throw new BeelineError('CONTROL_METHOD', `revision ${revision} was never running, the last is ${this.#revision}`);
    }
    this.#origin = origin;
    this.#changes = Math.min(this.#changes, this.#revision - revision);
    await this.#save(desired);
  }

  /** One file has both, so that no crash parts a drain from the weight that it made. */
  #save({ model, drains }: Desired): Promise<void> {
    const { store } = this.#options;
    const [origin, changes, since] = [this.#origin, this.#changes, this.#since];
    return changes === 0 && drains.length === 0
      ? store.clear()
      : store.save({ origin, changes, since, model, ...(drains.length > 0 && { drains }) });
  }

  /** Forgets the changes, and puts them aside where the model that follows lacks them. */
  async #drop(before: Desired, after: Model): Promise<number> {
    const dropped = diffModels(before.model, after).length === 0 ? 0 : this.#changes;
    if (dropped > 0) {
      await this.#keepDropped(before.model);
      this.#options.log.warn({ changes: dropped }, 'what commands had changed was replaced');
    }
    logEnded(this.#options.log, before.drains);
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

function logEnded(log: Logger, drains: readonly Drain[] = []): void {
  if (drains.length > 0) {
    log.warn(
      { drains: drains.map(drainName) },
      'drains ended, because a configuration was loaded, which says what holds',
    );
  }
}

function drainName({ service, address }: Drain): string {
  return `drain of ${address} of ${service}`;
}
