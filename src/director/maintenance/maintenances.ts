/** The maintenances of a director: kept across restarts, and ended when their time is over. */

import type { IpAddress, Model } from '../../model/index.js';
import type { Store } from '../../store/index.js';
import type { Logger } from '../log.js';
import type { Overlay } from '../overlays/overlay.js';
import { type Disabled, disabledOf, type DisabledOf, type Maintenance, unexpired } from './maintenance.js';

export interface MaintenancesOptions {
  readonly store: Pick<Store<readonly Maintenance[]>, 'load' | 'save' | 'clear'>;
  readonly log: Logger;
  /** Milliseconds since the machine started. */
  readonly clock: () => number;
  readonly onEnd: (ended: readonly Maintenance[]) => void;
}

/** What follows from them is decided together with health (overlays/health.ts): `apply` changes nothing. */
export class Maintenances implements Overlay, DisabledOf {
  readonly #options: MaintenancesOptions;
  #now: DisabledOf;

  constructor(options: MaintenancesOptions) {
    this.#options = options;
    this.#now = disabledOf(options.store.load() ?? []);
    if (this.all.length > 0) {
      options.log.info({ disabled: this.all.map(nameOf) }, 'what was disabled stays so');
    }
  }

  get all(): readonly Maintenance[] {
    return this.#now.all;
  }

  find(service: string, address: IpAddress): Disabled | undefined {
    return this.#now.find(service, address);
  }

  /** Takes other maintenances: from the next round on they hold. Nothing is kept before `keep`. */
  set(all: readonly Maintenance[]): void {
    this.#now = disabledOf(all);
  }

  /** Resolves when they would survive a crash, or when the store reports that they do not. */
  keep(): Promise<void> {
    const { store } = this.#options;
    return this.all.length === 0 ? store.clear() : store.save(this.all);
  }

  observe(): void {
    const { clock, log, onEnd } = this.#options;
    const left = unexpired(this.all, clock());
    if (left === this.all) {
      return;
    }
    const ended = this.all.filter((each) => !left.includes(each));
    log.info({ enabled: ended.map(nameOf) }, 'the time of a maintenance is over');
    this.set(left);
    void this.keep();
    onEnd(ended);
  }

  apply(model: Model): Model {
    return model;
  }

  get due(): number | undefined {
    const times = this.all.flatMap(({ until }) => until ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }
}

/** "192.168.1.31 of tcp 192.168.1.100:80" */
export function nameOf({ service, address }: Pick<Maintenance, 'service' | 'address'>): string {
  return `${address} of ${service ?? 'all services'}`;
}
