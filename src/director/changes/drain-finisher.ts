/** Removes real servers whose drains are over, as a command would. */

import type { DataPlane } from '../../dataplane/index.js';
import { BeelineError } from '../../model/index.js';
import { Lasting } from '../lasting.js';
import type { Logger } from '../log.js';
import { flowsLeft } from '../reports/flows-left.js';
import { type Desired, dueDrains, finishDrain, type FlowsLeftOf } from './drains.js';
import type { DesiredChange } from './update-queue.js';

export interface DrainFinisherOptions {
  readonly director: {
    readonly desired: Desired;
    updateAll(changes: readonly DesiredChange[], atomic: boolean): Promise<PromiseSettledResult<unknown>[]>;
  };
  readonly dataPlane: Pick<DataPlane, 'image' | 'flowCounts'>;
  readonly log: Logger;
}

export class DrainFinisher {
  readonly #options: DrainFinisherOptions;
  readonly #failure: Lasting;

  constructor(options: DrainFinisherOptions) {
    this.#options = options;
    this.#failure = new Lasting(options.log, 'drained real servers can be removed again');
  }

  /**
   * Removes those that are due, together. If that fails, they are drained still, and the next call tries again. Never rejects.
   *
   * @param now milliseconds since the machine started
   */
  async finish(now: number): Promise<void> {
    const { director, dataPlane, log } = this.#options;
    const left: FlowsLeftOf = (service, address) => flowsLeft(dataPlane, service, address);
    const due = dueDrains(director.desired.drains, left, now);
    if (due.length === 0) {
      return;
    }
    const ended = due.map(({ service, address }) => {
      const { flows } = left(service, address);
      return `${address} of ${service}: drained and removed${flows > 0 ? `, ${flows} flows left` : ''}`;
    });
    try {
      const outcomes = await director.updateAll(
        due.map((drain) => ({ apply: (desired) => finishDrain(desired, drain) })),
        true,
      );
      outcomes.forEach((outcome, i) => {
        if (outcome.status === 'fulfilled') {
          log.info(ended[i]!);
        } else if (!hasEnded(outcome.reason)) {
          throw outcome.reason;
        }
      });
      this.#failure.succeed();
    } catch (error) {
      if (!(error instanceof BeelineError && error.code === 'CONTROL_CLOSED')) {
        this.#failure.fail(error, 'could not remove drained real servers; trying again');
      }
    }
  }
}

/** Whether an edit or a loaded configuration came first. */
function hasEnded(reason: unknown): boolean {
  return reason instanceof BeelineError && reason.code === 'NOT_FOUND';
}
