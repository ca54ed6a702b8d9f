/** Looks after what others can remove under a living daemon: its pins, which let forwarding outlive it, and its lock. */

import type { DataPlane } from '../dataplane/index.js';
import { Lasting } from './lasting.js';
import type { InstanceLock } from './lock.js';
import type { Logger } from './log.js';

export interface UpkeepOptions {
  readonly dataPlane: Pick<DataPlane, 'mendPins'>;
  readonly lock: Pick<InstanceLock, 'mend'>;
  readonly log: Logger;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #pins: Lasting;
  readonly #lock: Lasting;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#pins = new Lasting(options.log, 'the pins are complete again');
    this.#lock = new Lasting(options.log, 'this daemon has its lock again');
  }

  /** What cannot be mended, as text. */
  get problems(): readonly string[] {
    const [pins, lock] = [this.#pins.problem, this.#lock.problem];
    return [
      ...(pins === undefined ? [] : [`pins are missing, and forwarding would end with this daemon: ${pins}`]),
      ...(lock === undefined ? [] : [`the lock was removed, and another daemon could start beside this one: ${lock}`]),
    ];
  }

  /** Pins and locks anew what was removed. */
  mend(): void {
    const { dataPlane, lock, log } = this.#options;
    try {
      const pins = dataPlane.mendPins();
      if (pins.length > 0) {
        log.warn({ pins }, 'pins had been removed: pinned again');
      }
      this.#pins.succeed();
    } catch (error) {
      this.#pins.fail(error, 'cannot pin again what had been removed; trying again');
    }
    try {
      const done = lock.mend();
      if (done !== undefined) {
        log.warn(done);
      }
      this.#lock.succeed();
    } catch (error) {
      this.#lock.fail(error, 'cannot lock again what had been removed; trying again');
    }
  }
}
