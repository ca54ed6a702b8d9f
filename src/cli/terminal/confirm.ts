/** Asks the user a question, if there is a user: scripts must say by options what they want. */

import { BeelineError } from '../../model/index.js';
import { withQuestions } from './ask.js';

/** Whether somebody reads questions and can answer. */
export function canAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** Returns whether the user says yes; no answer is no. */
export async function confirm(question: string): Promise<boolean> {
  try {
    const answer = await withQuestions((ask) => ask(`${question} [y/N] `));
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    // The end of the input is an answer, too.
    if (error instanceof BeelineError && error.code === 'INTERRUPTED') {
      return false;
    }
    throw error;
  }
}
