/** Benchmarks: what a packet costs, how many a second, how long a request takes. */

import { benchCounters } from './counters.js';
import { machine } from './machine.js';
import { benchPrograms, type ProgramOptions } from './program.js';
import { benchPublish } from './publish.js';
import type { ProgramReport } from './report.js';
import { benchSweep } from './sweep.js';

export { benchForward, IPVS_CHOICES, type ForwardOptions, type ForwardReport, type IpvsChoice } from './forward.js';
export { htmlPage } from './html.js';
export { benchLatency, type LatencyReport } from './latency.js';
export { machine } from './machine.js';
export { terminalProgress } from './progress.js';
export {
  formatReport,
  forwardReport,
  latencyReport,
  programReport,
  type ProgramReport,
  type Report,
} from './report.js';

/** Measures all paths of the program, a change of the configuration, and the reading of counters. */
export async function benchProgram(options: ProgramOptions): Promise<ProgramReport> {
  const { rounds, repeat } = options;
  const rows = await benchPrograms(options);
  const publish = await benchPublish(rounds);
  const counters = await benchCounters();
  const sweep = await benchSweep();
  return { machine: machine(), rounds, repeat, rows, publish, counters, sweep };
}
