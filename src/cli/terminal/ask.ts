/** Asks a user questions one after another, at a terminal. */

import { createInterface } from 'node:readline/promises';

import { BeelineError, printableText } from '../../model/index.js';

/** Asks questions until `work` ends. @throws BeelineError `INTERRUPTED` if the user ends the input, or presses Ctrl-C */
export async function withQuestions<Result>(
  work: (ask: (prompt: string) => Promise<string>) => Promise<Result>,
): Promise<Result> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const end = new AbortController();
  const stop = (): void => {
    end.abort();
  };
  terminal.once('close', stop);
  terminal.once('SIGINT', stop);
  try {
    return await work(async (prompt) => await terminal.question(printableText(prompt), { signal: end.signal }));
  } catch (error) {
    if (end.signal.aborted) {
      throw new BeelineError('INTERRUPTED', 'the questions ended before all were answered: nothing was written', {
        cause: error,
      });
    }
    throw error;
  } finally {
    terminal.off('close', stop);
    terminal.close();
  }
}
