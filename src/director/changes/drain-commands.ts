/** Commands that drain real servers. */

import type { DrainReport, Handlers } from '../../control/index.js';
import type { DataPlane } from '../../dataplane/index.js';
import { BeelineError } from '../../model/index.js';
import type { Director } from '../director.js';
import type { Logger } from '../log.js';
import type { Drains } from '../overlays/drains.js';
import type { RealServerKey } from '../overlays/overlay.js';
import { flowsLeft } from '../reports/flows-left.js';

export interface DrainCommandsOptions {
  readonly director: Director;
  readonly drains: Drains;
  readonly dataPlane: DataPlane;
  readonly log: Logger;
}

export class DrainCommands {
  readonly #options: DrainCommandsOptions;

  constructor(options: DrainCommandsOptions) {
    this.#options = options;
  }

  get handlers(): Pick<Handlers, 'drain' | 'drainState'> {
    return {
      drain: async ({ service, realServer: address, deadlineMs }) => {
        const { director, drains, log } = this.#options;
        await director.adjust((model) => {
          drains.start(model, { service, address }, deadlineMs);
          log.info({ service, realServer: address }, 'draining');
        });
        return this.#report({ service, address });
      },
      drainState: ({ service, realServer: address }) => this.#report({ service, address }),
    };
  }

  /** @throws BeelineError `NOT_FOUND` */
  #report({ service, address }: RealServerKey): DrainReport {
    const { drains, dataPlane } = this.#options;
    const report = drains.report({ service, address }, flowsLeft(dataPlane, service, address));
    if (report === undefined) {
      throw new BeelineError('NOT_FOUND', `${address} of ${service} is not being drained`);
    }
    return report;
  }
}
