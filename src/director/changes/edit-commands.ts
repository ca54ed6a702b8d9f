/** Commands of ipvsadm: edits of the running model, statistics set to zero, and the table that it lists. */

import {
  type EditReport,
  type EditsReport,
  type Handlers,
  type RefusedEdit,
  type ReplyError,
  replyErrorOf,
} from '../../control/index.js';
import type { DataPlane } from '../../dataplane/index.js';
import {
  allServices,
  type AnyService,
  BeelineError,
  type Edit,
  type AnyServiceKey,
  serviceName,
  editWarnings,
  type Model,
} from '../../model/index.js';
import type { Director } from '../director.js';
import type { Logger } from '../log.js';
import type { Store } from '../../store/index.js';
import { drainOf, editDesired, type Desired } from './drains.js';
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

  get handlers(): Pick<Handlers, 'edit' | 'edits' | 'zero' | 'table'> {
    return {
      edit: ({ edit: change }) => this.#edit(change),
      edits: ({ edits, atomic, following = 0 }) => {
        this.#options.dataPlane.expect(following);
        return this.#edits(edits, atomic);
      },
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
    const { warnings, outcomes } = await this.#make([change], false);
    const [outcome] = outcomes;
    if (outcome?.status === 'rejected') {
      throw outcome.reason;
    }
    this.#options.log.info({ edit: change.kind, ...nameOf(change) }, 'changed by a command');
    return { warnings };
  }

  async #edits(changes: readonly Edit[], atomic: boolean): Promise<EditsReport> {
    const { warnings, outcomes } = await this.#make(changes, atomic);
    const refused = outcomes.flatMap((outcome, index): RefusedEdit[] =>
      outcome.status === 'rejected' ? [{ index, error: describe(outcome.reason) }] : [],
    );
    if (atomic && outcomes.length > 0 && refused.length === outcomes.length) {
      // Not one by one, but for want of room, or the last one's mistake.
      const [outcome] = outcomes as [PromiseRejectedResult];
      if (outcomes.every((each) => each.status === 'rejected' && each.reason === outcome.reason)) {
        throw outcome.reason;
      }
    }
    this.#options.log.info({ edits: changes.length, refused: refused.length }, 'changed by a command');
    return { warnings, refused };
  }

  /** Makes edits in this order. What depends on their results is done once for all of them. */
  async #make(
    changes: readonly Edit[],
    atomic: boolean,
  ): Promise<EditReport & { readonly outcomes: readonly PromiseSettledResult<Model>[] }> {
    const { director, warnings } = this.#options;
    if (changes.some(removes)) {
      // The service keeps the statistics of a real server that goes, to the last packet.
      this.#observe();
    }
    const found = new Set<string>();
    const outcomes = await director.updateAll(
      changes.map((change) => ({
        apply: (before) => {
          const after = editDesired(before, change);
          editWarnings(after.model, change).forEach((each) => found.add(each));
          drainWarnings(before, change).forEach((each) => found.add(each));
          return after;
        },
      })),
      atomic,
    );
    await this.#followStatistics(changes.filter((_, i) => outcomes[i]!.status === 'fulfilled'));
    return { warnings: [...found, ...(warnings?.() ?? [])], outcomes };
  }

  /** A service or real server that is added begins with statistics of zero, also if it is back or never went. */
  async #followStatistics(made: readonly Edit[]): Promise<void> {
    const added = made.flatMap((change): [service: string, address?: string][] => {
      switch (change.kind) {
        case 'add-service':
          return [[serviceName(change.service)]];
        case 'add-destination':
          return [[serviceName(change.service), change.destination.address]];
        default:
          return [];
      }
    });
    const known = added.filter(([service, address]) => this.#statistics.has(service, address));
    if (known.length === 0 && !made.some(removes)) {
      return;
    }
    this.#observe();
    known.forEach(([service, address]) => {
      this.#statistics.zero(service, address);
    });
    await this.#keep();
  }

  async #zero(service: AnyServiceKey | undefined): Promise<Record<string, never>> {
    const name = service === undefined ? undefined : serviceName(service);
    if (name !== undefined && !names(this.#options.director.desired.model).includes(name)) {
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

function removes({ kind }: Edit): boolean {
  return kind.startsWith('delete') || kind === 'clear';
}

/** @throws the error if it is a defect, not a refusal */
function describe(error: unknown): ReplyError {
  if (error instanceof BeelineError) {
    return replyErrorOf(error);
  }
  throw error;
}

function names(model: Model): string[] {
  return allServices(model).map((service: AnyService) => serviceName(service));
}

/** Warns that a real server stays which a drain would have removed. */
function drainWarnings({ drains }: Desired, change: Edit): string[] {
  if (drains.length === 0 || change.kind !== 'edit-destination') {
    return [];
  }
  const { address, weight } = change.destination;
  const service = serviceName(change.service);
  return drainOf(drains, { service, address }) === undefined
    ? []
    : [`${address} of ${service} is no longer drained: it has weight ${weight} and stays.`];
}

/** Returns what an edit names, for the log. */
function nameOf(change: Edit): Record<string, string> {
  return {
    ...('service' in change ? { service: serviceName(change.service) } : {}),
    ...('destination' in change ? { realServer: change.destination.address } : {}),
    ...('address' in change ? { realServer: change.address } : {}),
  };
}
