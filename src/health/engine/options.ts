/** What the engine of health checks is given, and whom it tells. */

import type { runSlow } from '../slow/index.js';
import type { ServerHealth } from '../states.js';
import type { CheckLoopUsage } from '../wire/check-loop.js';
import type { Transition } from './events.js';
import type { KeptHealth } from './kept.js';
import type { WireOpener } from './line.js';
import type { WayNetwork } from './ways.js';

export interface CheckerOptions {
  /** Milliseconds since the machine started: `bootTimeMs`. */
  readonly clock: () => number;
  readonly network: WayNetwork;
  /** What the last daemon knew: its `kept`. */
  readonly restore?: KeptHealth | undefined;
  /**
   * What packets depend on changed: `isUp`, or the advice, of these real servers. Called once a batch of results at most,
   * synchronously, when the batch is judged; not for what `follow` itself changes.
   */
  readonly onChange: (changed: readonly ServerHealth[]) => void;
  readonly onTransition: (transition: Transition) => void;
  /** What concerns many checks: the programs cannot be attached, the ports are used by others. */
  readonly onTrouble: (message: string, details: object) => void;
  /** Only tests give others. */
  readonly openWire?: WireOpener;
  readonly runSlow?: typeof runSlow;
}

export interface CheckerUsage {
  /** Runs by the wire that have not ended. */
  readonly inAir: number;
  /** Runs that have. */
  readonly ended: number;
  /** Different checks. */
  readonly probes: number;
  /** The interfaces that lead to VIPs. */
  readonly interfaces: readonly number[];
  /** Undefined: the wire is not open. */
  readonly wire: CheckLoopUsage | undefined;
}
