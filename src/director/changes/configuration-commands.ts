/** Commands about whole configurations: the running one, a plan of another one, and the switch to it. */

import { type ConfigFile, parseConfigAside, readConfigFileAside } from '../../config/index.js';
import {
  type Handlers,
  type Parameters,
  type PlanReport,
  type ReloadReport,
  requireAtMost,
  type RunningModel,
} from '../../control/index.js';
import type { DataPlane } from '../../dataplane/index.js';
import { diffModels, type Difference, keepUnchanged, type Model, withHostOf } from '../../model/index.js';
import type { Director } from '../director.js';
import type { Logger } from '../log.js';
import { drainKeys, reportDrains } from '../reports/drains.js';
import { reportReload } from '../reports/services.js';
import type { Desired } from './drains.js';
import { planChange } from './plan.js';
import type { UnsavedChanges } from './unsaved-changes.js';

export interface ConfigurationCommandsOptions {
  readonly director: Director;
  readonly dataPlane: DataPlane;
  readonly unsaved: UnsavedChanges;
  readonly configPath: string;
  readonly log: Logger;
}

export class ConfigurationCommands {
  readonly #options: ConfigurationCommandsOptions;

  #wasRefused = false;

  constructor(options: ConfigurationCommandsOptions) {
    this.#options = options;
  }

  /** What is wrong with the daemon's own file, as text. */
  get problems(): readonly string[] {
    return this.#wasRefused ? ['the last reload was refused'] : [];
  }

  get handlers(): Pick<Handlers, 'reload' | 'apply' | 'plan' | 'model' | 'saved'> {
    return {
      reload: (parameters) => this.reload(parameters),
      apply: (parameters) => this.#apply(parameters),
      plan: async (parameters) => this.#plan(await this.#parse(parameters)),
      model: () => this.#running(),
      saved: async ({ origin, revision }) => {
        const { director, unsaved, log } = this.#options;
        await director.exclusively(() => unsaved.markSaved(origin, revision, director.desired));
        log.info({ changes: unsaved.count }, 'what is running was saved to the configuration file');
        return {};
      },
    };
  }

  /** Switches to the daemon's own file. Changes by commands end. */
  async reload({ maxMoved }: Parameters['reload']): Promise<ReloadReport> {
    const { configPath, unsaved, log } = this.#options;
    try {
      const file = await readConfigFileAside(configPath, 'regular');
      const report = await this.#replace(file.model, maxMoved, (before) => unsaved.replace(file, before));
      log.info(forLog(report), 'reloaded');
      this.#wasRefused = false;
      return report;
    } catch (error) {
      this.#wasRefused = true;
      log.error({ err: error }, 'the new configuration was refused; the old one goes on');
      throw error;
    }
  }

  /** Switches to a configuration that the client read. It survives a restart, until the daemon's own file changes. */
  async #apply(parameters: Parameters['apply']): Promise<ReloadReport> {
    const { unsaved, log } = this.#options;
    const { text, fileName, maxMoved, keepHost = false } = parameters;
    const model = await this.#parse(parameters);
    const own = await this.#ownFile();
    const report = await this.#replace(model, maxMoved, (before) =>
      own?.text === text && !keepHost
        ? unsaved.replace({ text, model }, before)
        : unsaved.replaceByOther(this.#options.director.desired.model, own, before),
    );
    log.info({ file: fileName, ...forLog(report) }, 'applied');
    return report;
  }

  async #parse({ text, fileName, keepHost = false }: Parameters['plan']): Promise<Model> {
    const model = await parseConfigAside(text, fileName);
    return keepHost ? withHostOf(this.#options.director.desired.model, model) : model;
  }

  async #replace(
    next: Model,
    maxMoved: number | undefined,
    keep: (before: Desired) => Promise<number>,
  ): Promise<ReloadReport> {
    const { director } = this.#options;
    let dropped = 0;
    let differences: readonly Difference[] = [];
    const before = await director.change(next, {
      check: () => {
        if (maxMoved !== undefined) {
          requireAtMost(maxMoved, this.#plan(next));
        }
      },
      done: async (replaced) => {
        // The same as of "beeline plan".
        differences = diffModels(replaced.model, next);
        dropped = await keep(replaced);
      },
    });
    const endedDrains = drainKeys(before.drains);
    return { ...reportReload(before.model, director.desired.model), differences, dropped, endedDrains };
  }

  #plan(model: Model): PlanReport {
    const { director, dataPlane } = this.#options;
    const { model: before, drains } = director.desired;
    const next = keepUnchanged(before, model);
    return planChange({
      before,
      drains,
      next,
      image: { ...dataPlane.image, services: dataPlane.services },
      nextImage: director.imageOf(next),
      flowCounts: dataPlane.flowCounts(),
    });
  }

  #running(): RunningModel {
    const { director, dataPlane, unsaved, configPath } = this.#options;
    const { model, drains } = director.desired;
    const { origin, count: changes, since, dropped, revision } = unsaved;
    return {
      model,
      drains: reportDrains(drains, dataPlane),
      configPath,
      origin,
      changes,
      ...(since === undefined ? {} : { since }),
      ...(dropped === undefined ? {} : { dropped }),
      revision,
    };
  }

  /** Reads the daemon's own file; undefined: it is missing or invalid, and does not matter then. */
  async #ownFile(): Promise<ConfigFile | undefined> {
    try {
      return await readConfigFileAside(this.#options.configPath, 'regular');
    } catch {
      return undefined;
    }
  }
}

/** Leaves out the differences, which may be many. */
function forLog({ differences: _differences, ...rest }: ReloadReport): Omit<ReloadReport, 'differences'> {
  return rest;
}
