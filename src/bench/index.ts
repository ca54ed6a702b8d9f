/** Benchmarks: what a packet costs, how many a second are forwarded, how long a request takes. */

export { benchChecks, type CheckCost, formatCheckCosts } from './checks/checks.js';
export {
  benchForward,
  type ForwardOptions,
  type ForwardReport,
  IPVS_CHOICES,
  type IpvsChoice,
} from './forward/forward.js';
export { CARD, FAILED, type Guest, initramfs, READY, requireUml, umlCommand } from './forward/uml.js';
export { benchLatency, type LatencyReport } from './latency/latency.js';
export { machine } from './measure/machine.js';
export { originOf } from './measure/origin.js';
export { terminalProgress } from './measure/progress.js';
export { benchProgram, type ProgramReport } from './program/program.js';
export { forwardReport } from './report/forward.js';
export { htmlPage } from './report/html.js';
export { latencyReport } from './report/latency.js';
export { programReport } from './report/program.js';
export type { Report } from './report/report.js';
export { formatReport } from './report/text.js';
