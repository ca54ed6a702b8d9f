/** Runs ipvsadm's commands without a daemon, on a director that is only a model: for importers and tests. */

import type { FlowsReport, ServiceTable, Statistics, TableDestination, TableEntry } from '../control/index.js';
import {
  BeelineError,
  DEFAULT_TIMEOUTS,
  type Destination,
  edit,
  type Edit,
  type AnyServiceKey,
  editWarnings,
  type MarkService,
  type Model,
  type Service,
  withDefaults,
} from '../model/index.js';
import type { Director, EditsResult } from './environment.js';
import { hasService } from './keys.js';

export { restoreLines } from './restore.js';

type AnyService = Service | MarkService;

/** The figures of a destination that packets change. */
export type Figures = Pick<TableDestination, 'local' | 'active' | 'inactive' | 'persistent' | 'counters' | 'rates'>;

export const NO_STATISTICS: Statistics = { connections: 0, packets: 0, bytes: 0 };

const NO_FIGURES: Figures = {
  local: false,
  active: 0,
  inactive: 0,
  persistent: 0,
  counters: NO_STATISTICS,
  rates: NO_STATISTICS,
};

export class OfflineDirector implements Director {
  model: Model;

  constructor(model: Model) {
    this.model = model;
  }

  edit(change: Edit): Promise<string[]> {
    return toPromise(() => {
      this.model = edit(this.model, change);
      return editWarnings(this.model, change);
    });
  }

  async edits(changes: readonly Edit[], _atomic: boolean): Promise<EditsResult> {
    const warnings: string[] = [];
    const refused = new Map<number, BeelineError>();
    for (const [index, change] of changes.entries()) {
      try {
        warnings.push(...(await this.edit(change)));
      } catch (error) {
        if (!(error instanceof BeelineError)) {
          throw error;
        }
        refused.set(index, error);
      }
    }
    return { warnings, refused };
  }

  table(): Promise<ServiceTable> {
    const { services, markServices = [], markRules = [], timeouts } = this.model;
    const { established: tcp, finWait: tcpfin, udp } = withDefaults(DEFAULT_TIMEOUTS, timeouts);
    return toPromise(() => ({
      services: services.map((each) => ({ ...each, ...this.#entry(each) })),
      markServices: markServices.map((each) => ({ ...each, ...this.#entry(each) })),
      markRules,
      timeouts: { tcp, tcpfin, udp },
    }));
  }

  async has(service: AnyServiceKey): Promise<boolean> {
    return hasService(await this.table(), service);
  }

  flows(_from: string | undefined): Promise<FlowsReport> {
    return Promise.resolve({ flows: [] });
  }

  zero(_service: AnyServiceKey | undefined): Promise<void> {
    return Promise.resolve();
  }

  /** Returns the figures of a destination; of the whole service without one. */
  protected figuresOf(_service: AnyService, _destination: Destination | undefined): Figures {
    return NO_FIGURES;
  }

  #entry(service: AnyService): Pick<TableEntry, 'counters' | 'rates' | 'destinations'> {
    const { counters, rates } = this.figuresOf(service, undefined);
    const destinations = service.destinations.map((each) => ({ ...each, ...this.figuresOf(service, each) }));
    return { counters, rates, destinations };
  }
}

/** Runs synchronous work as a promise: an error becomes a rejection. */
export function toPromise<Result>(work: () => Result): Promise<Result> {
  return new Promise((resolve) => {
    resolve(work());
  });
}
