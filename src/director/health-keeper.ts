/** Everything that decides which real servers take flows: checks, maintenance, and the overlay that follows from both. */

import { bootTimeMs } from '../native/index.js';
import type { Logger } from './log.js';
import { Maintenances } from './maintenance/maintenances.js';
import { HealthOverlay, Overlays, type QuorumEvent } from './overlays/index.js';
import type { Stores } from './stores.js';

export interface HealthKeeperOptions {
  readonly stores: Pick<Stores, 'maintenance'>;
  readonly log: Logger;
}

export class HealthKeeper {
  readonly maintenances: Maintenances;
  readonly overlays: Overlays;
  readonly #options: HealthKeeperOptions;

  constructor(options: HealthKeeperOptions) {
    const { stores, log } = options;
    this.#options = options;
    this.maintenances = new Maintenances({
      store: stores.maintenance,
      log,
      clock: bootTimeMs,
      onEnd: () => undefined,
    });
    const health = new HealthOverlay({
      healthOf: () => undefined,
      disabledOf: this.maintenances.disabledOf,
      clock: bootTimeMs,
      onQuorum: (event) => {
        this.#logQuorum(event);
      },
    });
    this.overlays = new Overlays([this.maintenances, health]);
  }

  #logQuorum({ service, isMet, weight }: QuorumEvent): void {
    const { log } = this.#options;
    if (isMet) {
      log.info({ weight }, `${service}: the quorum is met again`);
    } else {
      log.warn({ weight }, `${service}: the quorum is lost`);
    }
  }
}
