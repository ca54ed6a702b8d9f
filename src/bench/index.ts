/** Benchmarks: what a packet costs, how many a second, how long a request takes. */

import { benchCounters } from './program/counters.js';
import { benchPrograms, type ProgramOptions } from './program/program.js';
import { benchPublish } from './program/publish.js';
import { benchSweep } from './program/sweep.js';
import { machine } from './report/machine.js';
import type { ProgramReport } from './report/report.js';

export {
  benchForward,
  IPVS_CHOICES,
  type ForwardOptions,
  type ForwardReport,
  type IpvsChoice,
} from './forward/forward.js';
export { htmlPage } from './report/html.js';
export { benchLatency, type LatencyReport } from './latency/latency.js';
export { machine } from './report/machine.js';
export { terminalProgress } from './report/progress.js';
export {
  formatReport,
  forwardReport,
  latencyReport,
  programReport,
  type ProgramReport,
  type Report,
} from './report/report.js';

/** Measures all paths of the program, a change of the configuration, and the reading of counters. */
export async function benchProgram(options: ProgramOptions): Promise<ProgramReport> {
  const { rounds, repeat } = options;
  const rows = await benchPrograms(options);
  const publish = await benchPublish(rounds);
  const counters = await benchCounters();
  const sweep = await benchSweep();
  return { machine: machine(), rounds, repeat, rows, publish, counters, sweep };
}
export { CARD, FAILED, initramfs, READY, requireUml, umlCommand } from './forward/uml.js';
