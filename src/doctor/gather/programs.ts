/** Runs the host's own programs, and reads files that a kernel may not have. */

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

import { PROGRAM_PATH } from '../../steps/index.js';

const TIMEOUT_MS = 10_000;
const MAX_OUTPUT_BYTES = 64 << 20;

/** A program is not installed. Its message says which package has it. */
export class ProgramMissing extends Error {
  override readonly name = 'ProgramMissing';
}

/** Returns what a program printed; undefined if it failed. @throws ProgramMissing */
export async function printed(file: string, ...args: readonly string[]): Promise<string | undefined> {
  const { output, failure } = await outputOf(file, args);
  return failure === undefined ? output : undefined;
}

/** Returns what a program printed. @throws ProgramMissing, Error with its message if it failed */
export async function requirePrinted(file: string, ...args: readonly string[]): Promise<string> {
  const { output, failure } = await outputOf(file, args);
  if (failure !== undefined) {
    throw new Error(`"${[file, ...args].join(' ')}" failed: ${failure}`);
  }
  return output;
}

function outputOf(
  file: string,
  args: readonly string[],
): Promise<{ readonly output: string; readonly failure: string | undefined }> {
  const options = {
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
    env: { ...process.env, PATH: PROGRAM_PATH, LC_ALL: 'C' },
  };
  return new Promise((resolve, reject) => {
    execFile(file, args, options, (error, output, errors) => {
      if ((error as NodeJS.ErrnoException | null)?.code === 'ENOENT') {
        reject(new ProgramMissing(`${file} is not installed`, { cause: error }));
      } else {
        const [line = ''] = errors.trim().split('\n');
        resolve({ output, failure: error === null ? undefined : line || error.message });
      }
    });
  });
}

/** Returns a file's text without white space around it; undefined: there is none, or it may not be read. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Returns the names in a folder; none if there is no such folder, or it may not be read. */
export function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
