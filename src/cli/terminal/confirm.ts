/** Asks the user a question, if there is a user: scripts must say by options what they want. */

import { createInterface } from 'node:readline/promises';

import { printableText } from '../../model/index.js';

/** Whether somebody reads questions and can answer. */
export function canAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** Returns whether the user says yes; no answer is no. */
export async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const end = new AbortController();
  // The end of the input is an answer, too.
  terminal.once('close', () => {
    end.abort();
  });
  try {
    const answer = await terminal.question(`${printableText(question)} [y/N] `, { signal: end.signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if (end.signal.aborted) {
      return false;
    }
    throw error;
  } finally {
    terminal.close();
  }
}
