/** `beeline bench program`: costs of packets, and times of a change, of reading counters and of a sweep. */

import { machine, type Machine } from '../measure/machine.js';
import { benchCosts, type CostOptions, type CostRow } from './costs.js';
import { benchCounters, type CountersReport } from './counters.js';
import { type Goal, goalsOf } from './goals.js';
import { benchPublish, type PublishReport } from './publish.js';
import { benchSweep, type SweepReport } from './sweep.js';

export interface ProgramReport {
  readonly machine: Machine;
  readonly rounds: number;
  readonly repeat: number;
  readonly rows: readonly CostRow[];
  readonly goals: readonly Goal[];
  readonly publish: PublishReport;
  readonly counters: CountersReport;
  readonly sweep: SweepReport;
}

/**
 * Measures all paths of the program, a change of the configuration, the reading of counters and a sweep.
 *
 * @throws BeelineError `BENCH_TOO_LARGE` before anything is allocated, `USAGE` for flows that are no power of two
 */
export async function benchProgram(options: CostOptions): Promise<ProgramReport> {
  const { rounds, repeat } = options;
  const rows = await benchCosts(options);
  const publish = await benchPublish(rounds);
  const counters = await benchCounters();
  const sweep = await benchSweep();
  return { machine: machine(), rounds, repeat, rows, goals: goalsOf(rows), publish, counters, sweep };
}
