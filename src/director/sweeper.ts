/** Looks at all flows every two seconds, sooner where their tables fill, and starts a round if something follows from that. */

import type { DataPlane, FlowStatistics } from '../dataplane/index.js';
import { bootTimeMs } from '../native/index.js';
import { Fill } from './fill.js';
import { Lasting } from './lasting.js';
import type { Logger } from './log.js';

/** Flows that are over are forgotten at most so much later. */
const SWEEP_MS = 2_000;

/** How often to see whether a flow table may be half full; a packet that finds no room before makes it larger itself. */
const FILL_MS = 100;

/** The part of the time that is spent on sweeps because tables fill. */
const SWEEP_SHARE = 0.05;

export interface SweeperOptions {
  readonly dataPlane: DataPlane;
  readonly log: Logger;
  /** Called when a round should follow. */
  readonly onChange: () => void;
  /** Called after each sweep, when all flows are counted. @param now milliseconds since the machine started */
  readonly onSwept: (now: number) => void;
}

export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #fillTimer: NodeJS.Timeout;
  #restUntil = 0;
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
    this.#fillTimer = setInterval(() => {
      if (performance.now() >= this.#restUntil && options.dataPlane.isSweepDue) {
        void this.sweep();
      }
    }, FILL_MS);
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
    clearInterval(this.#fillTimer);
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { dataPlane, onChange, onSwept } = this.#options;
    const began = performance.now();
    try {
      const result = await dataPlane.sweep();
      if (result === undefined) {
        return;
      }
      this.#failure.succeed();
      this.#flows = result.flows;
      this.#fill.update(result.flows.tables, dataPlane.flowTotals());
      const now = bootTimeMs();
      onSwept(now);
      if (result.changesMoves || result.endsRests || now >= dataPlane.movesUntil) {
        onChange();
      }
    } catch (error) {
      this.#failure.fail(error, 'could not look at the flows; trying again');
    } finally {
      const now = performance.now();
      this.#restUntil = now + (now - began) * (1 / SWEEP_SHARE - 1);
    }
  }
}
