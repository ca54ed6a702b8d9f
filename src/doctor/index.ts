/** The doctor: what is wrong around a director, with evidence and the command that mends it. */

export type { Check, Part } from './check.js';
export { CHECKS } from './checks/index.js';
export { diagnose, type Diagnosis, partsFor } from './diagnose.js';
export type {
  DirectorFacts,
  Facts,
  HeardMessage,
  NetworkFacts,
  Outcome,
  ProbeFacts,
  RealServerProbe,
  RemoteHost,
} from './facts.js';
export type { CardFacts, FirewallFacts, HostFacts } from './facts-host.js';
export type { Finding, Mend, Place, Severity } from './finding.js';
export { PROGRAM_PATH } from '../steps/index.js';
export { gather, type GatherOptions } from './gather/gather.js';
export { filterFor } from './probe/filter.js';
