/** A check by a program of the host: status 0 passes. */

import type { ExecCheck } from '../../model/index.js';
import { failed, passed, quoted } from '../kinds/kind.js';
import type { Deadline } from './deadline.js';
import { type ProgramEnd, runProgram } from './program.js';
import type { Finding, SlowContext } from './slow.js';

export async function checkExec({ command }: ExecCheck, context: SlowContext, deadline: Deadline): Promise<Finding> {
  const end = await runProgram({ command, environment: context.environment }, deadline);
  if (end.how === 'interrupted') {
    return { trouble: end.how };
  }
  return { judgement: end.how === 'exited' && end.status === 0 ? passed('L7') : failed('L7', endWords(end)) };
}

/** "exit 2: "disk full"", "killed by SIGSEGV" */
export function endWords({ how, status, signal, output, errors }: ProgramEnd): string {
  const said = output.trim() === '' ? errors : output;
  const quote = said.trim() === '' ? '' : `: ${quoted(said)}`;
  switch (how) {
    case 'exited':
      return `exit ${status}${quote}`;
    case 'killed':
      return `killed by ${signal}${quote}`;
    case 'flood':
      return 'writes too much';
    default:
      return `${how}${quote}`;
  }
}
