/** What commands changed since the configuration file was read: kept across restarts, until a file replaces it. */

import { createHash } from 'node:crypto';
import { rename } from 'node:fs/promises';

import { type ConfigFile, formatConfig } from '../../config/index.js';
import { allServices, type Instance, type Model } from '../../model/index.js';
import type { Logger } from '../log.js';
import { type Origin, type Snapshot, SnapshotFile, writeDurably } from './snapshot.js';

/** After changes could not be kept, that is tried again. */
const RETRY_MS = 5_000;

/** What a daemon begins with. */
export interface Beginning {
  readonly model: Model;
  /** Changes that the file replaced since they were made. */
  readonly dropped: Snapshot | undefined;
}

/** What tells this content of a file from others. */
export function originOf({ text, model }: Pick<ConfigFile, 'text' | 'model'>): Origin {
  const digest = (content: string): string => createHash('sha256').update(content).digest('hex');
  return { text: digest(text), meaning: digest(JSON.stringify(model)) };
}

/**
 * Which state holds after a start (docs/adr/0015-one-state.md): changes made at run time, if the file is what they were
 * made to; a file that was changed since, if it says anything of services; of one that does not, the settings.
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

export class RunTime implements Disposable {
  readonly #instance: Instance;
  readonly #log: Logger;
  readonly #file: SnapshotFile;
  #origin: Origin = { text: '', meaning: '' };
  #changes = 0;
  #since = '';
  #revision = 0;
  #latest: Snapshot | undefined;
  #replaced: Snapshot | undefined;
  #trouble: string | undefined;
  #dropped: string | undefined;
  #retry: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(instance: Instance, log: Logger) {
    this.#instance = instance;
    this.#log = log;
    this.#file = new SnapshotFile(instance.statePath);
  }

  /** The configuration file's content that what is running began from. */
  get origin(): Origin {
    return this.#origin;
  }

  /** How many changes are not in the file. */
  get changes(): number {
    return this.#changes;
  }

  /** When the first of them was made, ISO 8601. */
  get since(): string | undefined {
    return this.#changes === 0 ? undefined : this.#since;
  }

  /** Where the last changes are kept that a file replaced, in this process. */
  get dropped(): string | undefined {
    return this.#dropped;
  }

  /** Counts all changes there ever were in this process. */
  get revision(): number {
    return this.#revision;
  }

  /** Why changes would be lost by a restart at this moment, in words. */
  get problems(): readonly string[] {
    return this.#trouble === undefined ? [] : [this.#trouble];
  }

  /** Finds what was kept, and says in the log what becomes of it. Nothing is removed before `begun`. */
  begin(file: ConfigFile): Model {
    const { snapshot, troubles } = this.#file.load();
    this.#tellTroubles(troubles, snapshot);
    const { model, dropped } = beginWith(file, snapshot);
    this.#origin = originOf(file);
    this.#replaced = dropped;
    if (dropped !== undefined) {
      this.#log.warn(
        { file: file.path, changes: dropped.changes, since: dropped.since, kept: this.#instance.droppedPath },
        'the configuration file was changed since, and replaces what commands had changed: that is kept as a ' +
          'configuration, which "beeline diff" and "beeline apply" take',
      );
    } else if (snapshot !== undefined) {
      const { changes, since } = snapshot;
      [this.#changes, this.#since] = [changes, since];
      this.#log.info({ changes, since }, 'commands had changed what the configuration file says, and that goes on');
    }
    return model;
  }

  /** The start went well: what the file replaces is put aside, and what goes on belongs to the file as it is now. */
  async begun(model: Model): Promise<void> {
    if (this.#replaced !== undefined) {
      await this.#keepDropped(this.#replaced.model);
      await this.#write(undefined);
    } else if (this.#changes > 0) {
      await this.#write(this.#snapshot(model));
    }
    this.#replaced = undefined;
  }

  #tellTroubles(troubles: readonly string[], snapshot: Snapshot | undefined): void {
    if (snapshot !== undefined) {
      troubles.forEach((trouble) => {
        this.#log.warn({ changes: snapshot.changes }, `${trouble}; the state before the last change is used`);
      });
    } else {
      troubles.forEach((trouble) => {
        this.#log.error(`${trouble}; what commands had changed is lost, and the configuration file is what holds`);
      });
    }
  }

  /** Changes were made. Resolves when they would be there after a crash, or when that cannot be had: see `problems`. */
  async record(model: Model, changes: number): Promise<void> {
    this.#since = this.since ?? new Date().toISOString();
    this.#changes += changes;
    this.#revision += changes;
    await this.#write(this.#snapshot(model));
  }

  /**
   * A file is what is running now.
   *
   * @param before what was running, which is kept where commands had changed it
   * @returns how many changes it replaced
   */
  async replace(file: Pick<ConfigFile, 'text' | 'model'>, before: Model): Promise<number> {
    const dropped = await this.#drop(before);
    this.#origin = originOf(file);
    await this.#write(undefined);
    return dropped;
  }

  /** Another file than the daemon's own is what is running now: one change, of all that there was. */
  async replaceByOther(model: Model, own: ConfigFile | undefined, before: Model): Promise<number> {
    const dropped = await this.#drop(before);
    if (own !== undefined) {
      // What it says now was there already when somebody wanted something else.
      this.#origin = originOf(own);
    }
    await this.record(model, 1);
    return dropped;
  }

  /**
   * What was running at a revision is in the file now.
   *
   * @param origin the file's content
   */
  async saved(origin: Origin, revision: number, model: Model): Promise<void> {
    this.#origin = origin;
    this.#changes = Math.min(this.#changes, this.#revision - revision);
    await this.#write(this.#changes === 0 ? undefined : this.#snapshot(model));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
  }

  #snapshot(model: Model): Snapshot {
    return { origin: this.#origin, changes: this.#changes, since: this.#since, model };
  }

  async #drop(before: Model): Promise<number> {
    const dropped = this.#changes;
    if (dropped > 0) {
      await this.#keepDropped(before);
    }
    this.#changes = 0;
    this.#revision += 1;
    return dropped;
  }

  /** As a configuration, so that it can be compared and brought back. */
  async #keepDropped(model: Model): Promise<void> {
    const { droppedPath: path } = this.#instance;
    try {
      await writeDurably(`${path}.new`, formatConfig(model));
      await rename(`${path}.new`, path);
      this.#dropped = path;
    } catch (error) {
      this.#log.error({ err: error }, `cannot keep what commands had changed in ${path}`);
    }
  }

  /** One after another; a failure is told, and mended when that is possible. @param snapshot undefined: there is none */
  #write(snapshot: Snapshot | undefined): Promise<void> {
    this.#latest = snapshot;
    this.#writing = this.#writing.then(async () => {
      clearTimeout(this.#retry);
      try {
        await (snapshot === undefined ? this.#file.remove() : this.#file.save(snapshot));
        this.#trouble = undefined;
      } catch (error) {
        this.#fail(error);
      }
    });
    return this.#writing;
  }

  #fail(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#trouble = `changes made by commands are in force, but cannot be kept, and a restart would lose them: ${reason}`;
    this.#log.error({ err: error }, 'cannot keep what commands changed; trying again');
    this.#retry = setTimeout(() => {
      void this.#write(this.#latest);
    }, RETRY_MS).unref();
  }
}
