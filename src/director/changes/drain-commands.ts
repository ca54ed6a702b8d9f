/** Commands that drain real servers. */

import type { DrainReport, DrainStarted, Handlers } from '../../control/index.js';
import type { DataPlane } from '../../dataplane/index.js';
import { BeelineError } from '../../model/index.js';
import { bootTimeMs } from '../../native/index.js';
import type { Director } from '../director.js';
import type { Logger } from '../log.js';
import { reportDrain } from '../reports/drains.js';
import { flowsLeft } from '../reports/flows-left.js';
import { drainOf, realServerOf, type RealServerKey, startDrain } from './drains.js';

export interface DrainCommandsOptions {
  readonly director: Pick<Director, 'desired' | 'update'>;
  readonly dataPlane: Pick<DataPlane, 'image' | 'flowCounts'>;
  readonly log: Logger;
  /** Returns what every change should warn of at this moment. */
  readonly warnings: () => readonly string[];
}

export class DrainCommands {
  readonly #options: DrainCommandsOptions;

  constructor(options: DrainCommandsOptions) {
    this.#options = options;
  }

  get handlers(): Pick<Handlers, 'drain' | 'drainState'> {
    return {
      drain: ({ service, realServer: address, deadlineMs }) => this.#drain({ service, address }, deadlineMs),
      drainState: ({ service, realServer: address }) => this.#report({ service, address }),
    };
  }

  async #drain(key: RealServerKey, deadlineMs: number | undefined): Promise<DrainStarted> {
    const { director, log, warnings } = this.#options;
    await director.update({ apply: (desired) => startDrain(desired, key, bootTimeMs(), deadlineMs) });
    log.info({ service: key.service, realServer: key.address, deadlineMs }, 'draining');
    return { ...this.#report(key), warnings: warnings() };
  }

  /** @throws BeelineError `NOT_FOUND` if something else than its removal ended the drain */
  #report(key: RealServerKey): DrainReport {
    const { director, dataPlane } = this.#options;
    const { service, address } = key;
    const { model, drains } = director.desired;
    const drain = drainOf(drains, key);
    if (drain !== undefined) {
      return reportDrain(drain, dataPlane);
    }
    const found = realServerOf(model, key);
    if (found !== undefined) {
      throw new BeelineError(
        'NOT_FOUND',
        `${address} of ${service} is not being drained: it has weight ${found.weight}`,
        {
          hint: 'An edit of the real server ends its drain, and so does a configuration that is loaded.',
        },
      );
    }
    return { service, realServer: address, removed: true, ...flowsLeft(dataPlane, service, address) };
  }
}
