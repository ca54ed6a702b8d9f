/** `beeline __complete`: answers the scripts of `beeline completion` while a user types. */

import {
  type Candidate,
  complete,
  type Completion,
  define,
  question,
  reply,
  type Shell,
  SHELLS,
} from '../../usage/index.js';
import { print } from '../terminal/print.js';
import { beeline } from '../program.js';

/** How long to wait for the daemon: a user is waiting with a finger on the key. */
const TIMEOUT_MS = 1_000;

/** @param args the shell's name, and what `question` takes */
export async function answer([name, ...args]: readonly string[]): Promise<void> {
  const shell = SHELLS.find((each) => each === name);
  if (shell !== undefined) {
    print(await answerTo(shell, args));
  }
}

async function answerTo(shell: Shell, args: readonly string[]): Promise<string> {
  const asked = question(shell, args);
  const completion = complete(define(await beeline()), asked.words);
  const found = await Promise.race([ask(completion), nothingAfter(TIMEOUT_MS)]);
  return reply(shell, asked, completion, [...completion.candidates, ...found]);
}

/** Returns nothing on failure: an error message in the middle of a command line would not help. */
async function ask({ source, given, current, before }: Completion): Promise<readonly Candidate[]> {
  try {
    return typeof source === 'function' ? await source(given, current, before) : [];
  } catch {
    return [];
  }
}

function nothingAfter(milliseconds: number): Promise<readonly Candidate[]> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds, []).unref();
  });
}
