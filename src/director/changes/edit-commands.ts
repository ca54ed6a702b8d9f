/** Commands of ipvsadm: edits of the running model, statistics set to zero, and the table that it lists. */

import type { EditReport, Handlers } from '../../control/index.js';
import type { DataPlane } from '../../dataplane/index.js';
import {
  allServices,
  type AnyService,
  BeelineError,
  edit,
  type Edit,
  type AnyServiceKey,
  serviceName,
  editWarnings,
  type Model,
} from '../../model/index.js';
import type { Director } from '../director.js';
import type { Logger } from '../log.js';
import type { Store } from '../../store/index.js';
import type { RealServerKey } from '../overlays/overlay.js';
import { ESTIMATE_MS } from '../reports/rates.js';
import { reportTable } from '../reports/table.js';
import { type Baselines, StatisticsCollector } from '../reports/statistics.js';

export interface EditCommandsOptions {
  readonly director: Director;
  readonly dataPlane: DataPlane;
  readonly store: Store<Baselines>;
  readonly log: Logger;
  /** Returns what every edit should warn of at this moment. */
  readonly warnings?: () => readonly string[];
}

export class EditCommands implements Disposable {
  readonly #options: EditCommandsOptions;
  readonly #statistics: StatisticsCollector;
  readonly #timer: NodeJS.Timeout;
  #estimatedAt = performance.now();
  #stopped = false;

  constructor(options: EditCommandsOptions) {
    this.#options = options;
    this.#statistics = new StatisticsCollector(options.store.load());
    this.#observe();
    this.#timer = setInterval(() => {
      this.#estimate();
    }, ESTIMATE_MS);
  }

  get handlers(): Pick<Handlers, 'edit' | 'zero' | 'table'> {
    return {
      edit: ({ edit: change }) => this.#edit(change),
      zero: ({ service }) => this.#zero(service),
      table: () => {
        const { director, dataPlane } = this.#options;
        this.#observe();
        return reportTable({
          model: director.models.effective,
          image: dataPlane.services,
          flowCounts: dataPlane.flowCounts(),
          statistics: this.#statistics,
        });
      },
    };
  }

  /** Reads no more counters, and keeps the baselines. */
  async stop(): Promise<void> {
    if (!this.#stopped) {
      this.#stopped = true;
      clearInterval(this.#timer);
      await this.#keep();
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #edit(change: Edit): Promise<EditReport> {
    const { director, log, warnings } = this.#options;
    const realServer = realServerOf(change);
    const adds = change.kind === 'add-destination';
    const removes = change.kind.startsWith('delete') || change.kind === 'clear';
    if (removes) {
      // The service keeps the statistics of a real server that goes, to the last packet.
      this.#observe();
    }
    const model = await director.update({ apply: (before) => edit(before, change), realServer, adds });
    if (adds && realServer !== undefined && this.#statistics.has(realServer.service, realServer.address)) {
      this.#observe();
      this.#statistics.zero(realServer.service, realServer.address);
      await this.#keep();
    } else if (removes) {
      this.#observe();
      await this.#keep();
    }
    log.info({ edit: change.kind, ...nameOf(change) }, 'changed by a command');
    return { warnings: [...editWarnings(model, change), ...(warnings?.() ?? [])] };
  }

  async #zero(service: AnyServiceKey | undefined): Promise<Record<string, never>> {
    const name = service === undefined ? undefined : serviceName(service);
    if (name !== undefined && !names(this.#options.director.models.desired).includes(name)) {
      throw new BeelineError('SERVICE_UNKNOWN', `there is no service ${name}`, {
        hint: '"beeline list" lists them.',
      });
    }
    this.#observe();
    this.#statistics.zero(name);
    await this.#keep();
    return {};
  }

  #observe(): void {
    this.#statistics.observe(this.#options.dataPlane.counters());
  }

  #estimate(): void {
    const now = performance.now();
    this.#observe();
    this.#statistics.estimate((now - this.#estimatedAt) / 1000);
    this.#estimatedAt = now;
  }

  #keep(): Promise<void> {
    const { store } = this.#options;
    const { baselines } = this.#statistics;
    return Object.keys(baselines).length === 0 ? store.clear() : store.save(baselines);
  }
}

function names(model: Model): string[] {
  return allServices(model).map((service: AnyService) => serviceName(service));
}

/** Returns the real server that an edit names. */
function realServerOf(change: Edit): RealServerKey | undefined {
  switch (change.kind) {
    case 'add-destination':
    case 'edit-destination':
      return { service: serviceName(change.service), address: change.destination.address };
    case 'delete-destination':
      return { service: serviceName(change.service), address: change.address };
    default:
      return undefined;
  }
}

/** Returns what an edit names, for the log. */
function nameOf(change: Edit): Record<string, string> {
  return {
    ...('service' in change ? { service: serviceName(change.service) } : {}),
    ...('destination' in change ? { realServer: change.destination.address } : {}),
    ...('address' in change ? { realServer: change.address } : {}),
  };
}
