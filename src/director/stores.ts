/** The stores of everything that a daemon keeps for the next one. */

import { type Histories, historiesFormat, type KeptTimeouts, timeoutsFormat } from '../dataplane/index.js';
import type { Instance } from '../model/index.js';
import { type Format, Store } from '../store/index.js';
import { type EarlierDrain, earlierDrainsFormat } from './changes/earlier-drains.js';
import { type Snapshot, snapshotFormat } from './changes/unsaved-changes.js';
import { moment } from './clock.js';
import type { Logger } from './log.js';
import { type KeptDirectorHealth, keptHealthFormat } from './health/store.js';
import { type KeptMastership, keptMastershipFormat } from './mastership/index.js';
import { type Maintenance, maintenanceFormat } from './maintenance/maintenance.js';
import { type Baselines, baselinesFormat } from './reports/statistics.js';

export class Stores implements Disposable {
  readonly snapshot: Store<Snapshot>;
  /** Read once, after an upgrade. */
  readonly earlierDrains: Store<readonly EarlierDrain[]>;
  readonly baselines: Store<Baselines>;
  readonly histories: Store<Histories>;
  readonly timeouts: Store<KeptTimeouts>;
  readonly health: Store<KeptDirectorHealth>;
  readonly maintenance: Store<readonly Maintenance[]>;
  readonly mastership: Store<KeptMastership>;

  constructor(instance: Instance, log: Logger) {
    const open = <Value>(path: string, format: Format<Value>): Store<Value> =>
      new Store({
        path,
        format,
        clock: moment,
        report: (level, message, details) => {
          log[level](details, message);
        },
      });
    this.snapshot = open(instance.statePath, snapshotFormat);
    this.earlierDrains = open(instance.drainsPath, earlierDrainsFormat);
    this.baselines = open(instance.baselinesPath, baselinesFormat);
    this.histories = open(instance.historyPath, historiesFormat);
    this.timeouts = open(instance.timeoutsPath, timeoutsFormat);
    this.health = open(instance.healthPath, keptHealthFormat);
    this.maintenance = open(instance.maintenancePath, maintenanceFormat);
    this.mastership = open(instance.mastershipPath, keptMastershipFormat);
  }

  /** The problems of the stores, as text: a restart at this moment would lose something. */
  get problems(): readonly string[] {
    return this.#all.flatMap(({ problem }) => problem ?? []);
  }

  /** What the last restart lost, as text. */
  get damage(): readonly string[] {
    return this.#all.flatMap(({ damage }) => damage);
  }

  [Symbol.dispose](): void {
    this.#all.forEach((store) => {
      store[Symbol.dispose]();
    });
  }

  get #all(): readonly Pick<Store<unknown>, 'problem' | 'damage' | typeof Symbol.dispose>[] {
    return [
      this.snapshot,
      this.earlierDrains,
      this.baselines,
      this.histories,
      this.timeouts,
      this.health,
      this.maintenance,
      this.mastership,
    ];
  }
}
