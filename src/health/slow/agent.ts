/** Asks a program that knows what the real server can bear: by a connection, a request, or a program of this host. */

import type { AgentCheck } from '../../model/index.js';
import type { Advice } from '../advice.js';
import { httpTalk } from '../kinds/http.js';
import { type Ending, failed, type Judgement, passed, quoted, type Talk, type Turn } from '../kinds/kind.js';
import { httpBody } from '../wire/http.js';
import { adviceOfStatus, adviceText, parseAdvice } from './advice-words.js';
import { withConnection } from './connection.js';
import { converse } from './converse.js';
import type { Deadline } from './deadline.js';
import { endWords } from './exec.js';
import { runProgram } from './program.js';
import { type Finding, type SlowContext, Trouble } from './slow.js';

/** A line is no longer. */
const MOST_BYTES = 4096;

/**
 * Its outcome always passes: an agent's words are advice. One that cannot be asked, or says nothing that is known, is a
 * trouble: as in HAProxy, what it said last holds.
 */
export async function checkAgent(check: AgentCheck, context: SlowContext, deadline: Deadline): Promise<Finding> {
  const advice = await ask(check, context, deadline);
  return { advice, judgement: passed('L7', adviceText(advice)) };
}

/** @throws Trouble */
function ask(check: AgentCheck, context: SlowContext, deadline: Deadline): Promise<Advice> {
  switch (check.by ?? 'tcp') {
    case 'tcp':
      return talk(new LineTalk(check.send), context, deadline);
    case 'http':
      return talk(new BodyTalk(check.path, context), context, deadline);
    case 'exec':
      return run(check, context, deadline);
  }
}

async function run({ command = [] }: AgentCheck, context: SlowContext, deadline: Deadline): Promise<Advice> {
  const end = await runProgram({ command, environment: context.environment }, deadline);
  if (end.how !== 'exited') {
    throw new Trouble(`no answer from the agent: ${endWords(end)}`);
  }
  return end.output.trim() === '' ? adviceOfStatus(end.status) : understood(end.output);
}

/** A talk that keeps the answer. */
interface AgentTalk extends Talk {
  readonly answer: string;
}

async function talk(agent: AgentTalk, context: SlowContext, deadline: Deadline): Promise<Advice> {
  const { judgement, trouble } = await withConnection(context, deadline, (socket) => converse(socket, agent, deadline));
  if (judgement?.passed !== true) {
    const why = judgement === undefined ? String(trouble) : `${judgement.layer} ${judgement.words}`;
    throw new Trouble(`no answer from the agent: ${why}`);
  }
  return understood(agent.answer);
}

function understood(answer: string): Advice {
  const advice = parseAdvice(answer);
  if (advice === undefined) {
    throw new Trouble(answer.trim() === '' ? 'the agent says nothing' : `the agent says ${quoted(answer)}`);
  }
  return advice;
}

/** One line, or all until the agent closes the connection. */
class LineTalk implements AgentTalk {
  readonly transport = 'tcp';
  readonly first: Turn;
  answer = '';

  constructor(send = '') {
    this.first = { send: Buffer.from(send, 'latin1'), until: { on: 'data' } };
  }

  next(received: Uint8Array, ending: Ending): Turn | Judgement {
    this.answer += Buffer.from(received).toString('latin1');
    // An empty line before it says nothing.
    const isWhole = /[\r\n]/.test(this.answer.trimStart()) || (ending === 'closed' && this.answer !== '');
    if (isWhole) {
      return passed('L7');
    }
    if (this.answer.length >= MOST_BYTES) {
      return failed('L7', 'answer too long');
    }
    return ending === 'complete' ? { until: { on: 'data' } } : failed('L7', ending === 'closed' ? 'closed' : ending);
  }
}

/** The body of a response whose status is one of success. */
class BodyTalk implements AgentTalk {
  readonly transport = 'tcp';
  readonly first: Turn;
  answer = '';
  readonly #inner: Talk;

  constructor(path: string | undefined, { target }: SlowContext) {
    this.#inner = httpTalk({ path, status: [{ first: 200, last: 299 }] }, target)();
    this.first = { ...this.#inner.first, until: { on: 'http' } };
  }

  next(...[received, ending, http]: Parameters<Talk['next']>): Turn | Judgement {
    const judgement = this.#inner.next(received, ending, http);
    if (http !== undefined && http.bodyOffset > 0) {
      this.answer = Buffer.from(httpBody(received, http.bodyOffset)).subarray(0, MOST_BYTES).toString('utf8');
    }
    // Its words are needed whole.
    return ending === 'complete' || ending === 'malformed' ? judgement : failed('L7', ending);
  }
}
