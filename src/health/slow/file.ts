/** Advice from a file of this host: a weight, or the words of an agent. */

import type { FileCheck } from '../../model/index.js';
import { passed, quoted } from '../kinds/kind.js';
import { adviceText, parseFileAdvice } from './advice-words.js';
import type { Deadline } from './deadline.js';
import { readRegularFile } from './regular-file.js';
import { type Finding, Trouble } from './slow.js';

const MOST_BYTES = 4096;

/** A file that is missing advises nothing. One that cannot be read, or is empty because it is being written, is a trouble. */
export async function checkFile({ path }: FileCheck, deadline: Deadline): Promise<Finding> {
  const content = await deadline.race(readOrMissing(path));
  if (typeof content === 'string') {
    throw new Trouble(`${path}: cannot be read: ${content}`);
  }
  if (content === undefined) {
    return { judgement: passed('L7', 'no file') };
  }
  const text = content.toString('utf8');
  const advice = parseFileAdvice(text);
  if (advice === undefined) {
    throw new Trouble(`${path}: ${text.trim() === '' ? 'is empty' : `says ${quoted(text)}`}`);
  }
  return { advice, judgement: passed('L7', adviceText(advice)) };
}

async function readOrMissing(path: string): Promise<Buffer | undefined> {
  try {
    return await readRegularFile(path, MOST_BYTES);
  } catch (error) {
    const code = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
    if (code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}
