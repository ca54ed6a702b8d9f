/** Tells the service manager what the daemon does, and what is: the text that "systemctl status" shows. */

import type { DataPlane } from '../dataplane/index.js';
import type { ConfigurationCommands } from './changes/configuration-commands.js';
import type { Director } from './director.js';
import type { Mastership } from './mastership/index.js';
import type { ServiceManager } from './notify.js';
import { reportTotals } from './reports/services.js';
import { statusLine } from './reports/state.js';
import type { Stores } from './stores.js';

export interface AnnouncerOptions {
  readonly director: Pick<Director, 'interfaces' | 'problems' | 'fullTables'>;
  readonly dataPlane: Pick<DataPlane, 'services'>;
  readonly stores: Pick<Stores, 'problems' | 'damage'>;
  readonly configurations: Pick<ConfigurationCommands, 'problems'>;
  readonly mastership: Pick<Mastership, 'problems' | 'words'>;
  readonly manager: ServiceManager;
}

export class Announcer {
  readonly #options: AnnouncerOptions;
  #isStopping = false;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  ready(): void {
    this.#options.manager.notify({ READY: '1' });
    this.update();
  }

  /** Tells what is, if that is not what was told last. */
  update(): void {
    const { director, dataPlane, stores, configurations, mastership, manager } = this.#options;
    if (!manager.listens || this.#isStopping) {
      return;
    }
    const attached = director.interfaces().filter(({ state }) => state === 'attached');
    const problems = [
      ...director.problems,
      ...director.fullTables,
      ...stores.problems,
      ...stores.damage,
      ...configurations.problems,
      ...mastership.problems,
    ];
    const totals = reportTotals(dataPlane.services, { services: [], noService: {} });
    manager.status(
      statusLine(
        totals,
        attached.map(({ name }) => name),
        problems,
        mastership.words,
      ),
    );
  }

  /** Does a reload. @throws what it throws */
  async reload<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#options.manager.notify({ RELOADING: '1' });
    try {
      return await work();
    } finally {
      if (!this.#isStopping) {
        this.ready();
      }
    }
  }

  stopping(): void {
    this.#isStopping = true;
    this.#options.manager.notify({ STOPPING: '1', STATUS: 'stopping; packets are forwarded still' });
  }
}
