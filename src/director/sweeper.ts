/** Looks at all flows every two seconds, and starts a round if something follows from that. */

import type { DataPlane, FlowStatistics } from '../dataplane/index.js';
import { bootTimeMs } from '../native/index.js';
import { Fill } from './fill.js';
import { Lasting } from './lasting.js';
import type { Logger } from './log.js';
import type { Overlays } from './overlays/index.js';
import { flowsLeft } from './reports/flows-left.js';

/** Flows that are over are forgotten at most so much later. */
const SWEEP_MS = 2_000;

export interface SweeperOptions {
  readonly dataPlane: DataPlane;
  readonly overlays: Overlays;
  readonly log: Logger;
  /** Called when a round should follow. */
  readonly onChange: () => void;
}

export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> | undefined;
  readonly #fill: Fill;
  readonly #failure: Lasting;
  #flows: FlowStatistics | undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#fill = new Fill(options.log);
    this.#failure = new Lasting(options.log, 'the flows can be looked at again');
    this.#timer = setInterval(() => {
      void this.sweep();
    }, SWEEP_MS);
  }

  /** The flow tables that are full, as text. */
  get problems(): readonly string[] {
    return this.#fill.problems;
  }

  /** Looks at all flows, and returns the result; undefined before the first publication. Calls share one sweep. */
  async sweep(): Promise<FlowStatistics | undefined> {
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
    await this.#sweeping;
    return this.#flows;
  }

  /** Waits for the sweep that is under way and begins no other. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { dataPlane, overlays, log, onChange } = this.#options;
    try {
      const result = await dataPlane.sweep();
      if (result === undefined) {
        return;
      }
      this.#failure.succeed();
      this.#flows = result.flows;
      this.#fill.update(result.flows.tables, dataPlane.flowTotals());
      const now = bootTimeMs();
      const changed = overlays.advance((service, address) => flowsLeft(dataPlane, service, address), now);
      changed.forEach((each) => {
        log.info(each);
      });
      if (changed.length > 0 || result.changesMoves || result.endsRests || now >= dataPlane.movesUntil) {
        onChange();
      }
    } catch (error) {
      this.#failure.fail(error, 'could not look at the flows; trying again');
    }
  }
}
