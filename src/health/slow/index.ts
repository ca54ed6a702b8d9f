/** Makes the checks that Node.js makes: over TLS, by programs, agents and files. */

import { printableName, type SlowCheck } from '../../model/index.js';
import { dialogueTalk, DIALOGUES } from '../kinds/dialogue.js';
import { checkAgent } from './agent.js';
import { converse } from './converse.js';
import { Deadline } from './deadline.js';
import { checkExec } from './exec.js';
import { checkFile } from './file.js';
import { checkHttps } from './https.js';
import type { Finding, SlowContext, SlowResult } from './slow.js';
import { checkTls, withTls } from './tls.js';

/** Makes one run of a check. It never rejects, ends soon after its timeout, and leaves no socket, port, process or file open. */
export async function runSlow(check: SlowCheck, context: SlowContext): Promise<SlowResult> {
  using deadline = new Deadline(context.timeoutMs, context.signal);
  const { judgement, ...result } = await find(check, context, deadline).catch((error: unknown): Finding => ({
    trouble: printableName(error instanceof Error ? error.message : String(error)),
  }));
  return { ...result, ...(judgement && { outcome: { ...judgement, ms: deadline.elapsedMs } }) };
}

async function find(check: SlowCheck, context: SlowContext, deadline: Deadline): Promise<Finding> {
  switch (check.type) {
    case 'https':
      return checkHttps(check, context, deadline);
    case 'tls':
      return checkTls(check, context, deadline);
    case 'exec':
      return checkExec(check, context, deadline);
    case 'agent':
      return checkAgent(check, context, deadline);
    case 'file':
      return checkFile(check, deadline);
    default: {
      const talk = dialogueTalk(check.type === 'send-expect' ? check.steps : DIALOGUES[check.type])();
      return withTls(check, context, deadline, (stream) => converse(stream, talk, deadline));
    }
  }
}
