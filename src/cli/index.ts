/** The command's parts that tests and other tools use; main.ts is the program. */

export { formatMarkRules } from './commands/mark.js';
export { ipvsadmCall } from './commands/ipvsadm/call.js';
export { beeline } from './program.js';
export { EXIT_MEANINGS, ExitStatus } from './exit-status.js';
export type { PeerDiffResult } from './commands/diff-peer.js';
export { percentage } from './arguments.js';
export { formatDifferences, formatPercent, summarize } from './terminal/differences.js';
export { formatPlanned } from './commands/plan.js';
export { formatExplanation } from './commands/explain/text.js';
