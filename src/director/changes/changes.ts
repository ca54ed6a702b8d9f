/** Commands that are about configurations as a whole: what is running, what another one would do, and going over to it. */

import { type ConfigFile, parseConfig, readConfigFile } from '../../config/index.js';
import type { Handlers, Parameters, PlanReport, ReloadReport, RunningModel } from '../../control/index.js';
import type { DataPlane } from '../../dataplane/index.js';
import { keepUnchanged, type Model } from '../../model/index.js';
import type { Director } from '../director.js';
import type { Logger } from '../log.js';
import type { Drains } from '../overlays/drains.js';
import { reportReload } from '../reports/services.js';
import { planChange, requireAtMost } from './plan.js';
import type { RunTime } from './run-time.js';

export interface ChangingOptions {
  readonly director: Director;
  readonly drains: Drains;
  readonly dataPlane: DataPlane;
  readonly runTime: RunTime;
  readonly configPath: string;
  readonly log: Logger;
}

export class Changing {
  readonly #options: ChangingOptions;

  constructor(options: ChangingOptions) {
    this.#options = options;
  }

  get handlers(): Pick<Handlers, 'reload' | 'apply' | 'plan' | 'model' | 'saved'> {
    return {
      reload: (parameters) => this.reload(parameters),
      apply: (parameters) => this.#apply(parameters),
      plan: ({ text, fileName }) => this.#plan(parseConfig(text, fileName)),
      model: () => this.#running(),
      saved: async ({ origin, revision }) => {
        const { director, runTime, log } = this.#options;
        await director.exclusively(() => runTime.saved(origin, revision, director.model));
        log.info({ changes: runTime.changes }, 'what is running was saved to the configuration file');
        return {};
      },
    };
  }

  /** Has the daemon's own file hold, and it alone. */
  async reload({ maxMoved }: Parameters['reload']): Promise<ReloadReport> {
    const { configPath, runTime, log } = this.#options;
    try {
      const file = readConfigFile(configPath);
      const report = await this.#replace(file.model, maxMoved, (before) => runTime.replace(file, before));
      log.info(report, 'reloaded');
      return report;
    } catch (error) {
      log.error({ err: error }, 'the new configuration was refused; the old one goes on');
      throw error;
    }
  }

  /** Has another configuration hold, which the client read; after a restart too, until the daemon's own file changes. */
  async #apply({ text, fileName, maxMoved }: Parameters['apply']): Promise<ReloadReport> {
    const { runTime, log } = this.#options;
    const model = parseConfig(text, fileName);
    const own = this.#ownFile();
    const report = await this.#replace(model, maxMoved, (before) =>
      own?.text === text
        ? runTime.replace({ text, model }, before)
        : runTime.replaceByOther(this.#options.director.model, own, before),
    );
    log.info({ file: fileName, ...report }, 'applied');
    return report;
  }

  async #replace(
    next: Model,
    maxMoved: number | undefined,
    keep: (before: Model) => Promise<number>,
  ): Promise<ReloadReport> {
    const { director, drains, log } = this.#options;
    let [running, dropped] = [director.model, 0];
    const before = await director.change(next, {
      check: (model) => {
        running = drains.withoutRemoved(model);
        if (maxMoved !== undefined) {
          requireAtMost(maxMoved, this.#plan(next));
        }
      },
      done: async () => {
        dropped = await keep(running);
      },
    });
    if (dropped > 0) {
      log.warn({ changes: dropped }, 'what commands had changed was replaced');
    }
    return { ...reportReload(before, director.model), dropped };
  }

  #plan(model: Model): PlanReport {
    const { director, drains, dataPlane } = this.#options;
    const before = drains.withoutRemoved(director.model);
    const next = keepUnchanged(director.model, model);
    return planChange({
      before,
      next,
      image: dataPlane.image ?? { services: [] },
      nextImage: director.imageOf(next),
      flowCounts: dataPlane.flowCounts(),
    });
  }

  #running(): RunningModel {
    const { director, drains, runTime, configPath } = this.#options;
    const { origin, changes, since, dropped, revision } = runTime;
    return {
      model: drains.withoutRemoved(director.model),
      configPath,
      origin,
      changes,
      ...(since === undefined ? {} : { since }),
      ...(dropped === undefined ? {} : { dropped }),
      revision,
    };
  }

  /** Undefined when it is not there, or not right: it does not matter then. */
  #ownFile(): ConfigFile | undefined {
    try {
      return readConfigFile(this.#options.configPath);
    } catch {
      return undefined;
    }
  }
}
