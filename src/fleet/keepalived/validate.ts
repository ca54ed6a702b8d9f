/** Asks keepalived whether it takes a configuration: "keepalived -t", which starts nothing and changes nothing. */

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `absent`: keepalived is not installed. `unanswered`: it did not end in time. */
export interface Validation {
  readonly state: 'valid' | 'refused' | 'absent' | 'unanswered';
  /** What it says of the text: "line 14: Unknown keyword 'x'". */
  readonly problems: readonly string[];
  /** The interfaces that this host does not have: they may be there on another one. */
  readonly missing: readonly string[];
}

const MOST_MS = 5_000;
/** Where it is, also for users whose PATH has no folders of the administrator. */
const FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
const MOST_PROBLEMS = 20;

const MISSING = /WARNING - interface (\S+) (?:specified )?for .* doesn't exist$/;
const MISSING_SUMMARY = 'Non-existent interface specified in configuration';
/** From 2.3 on, of the file that the daemon writes, as long as there is no folder for it: it comes with the daemon. */
const NO_FOLDER = /realpath\(\) error 2 \(.*\) for \S+$|track file \S+ not found, ignoring\.\.\.$/;

/** @param timeoutMs how long keepalived may take; it is killed then */
export async function validateConf(text: string, timeoutMs = MOST_MS): Promise<Validation> {
  const folder = await mkdtemp(join(tmpdir(), 'beeline-keepalived-'));
  try {
    const path = join(folder, 'keepalived.conf');
    await writeFile(path, text);
    return validationOf(await run(path, timeoutMs), path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export interface Answer {
  readonly state: 'ended' | 'absent' | 'unanswered';
  readonly status: number;
  readonly output: string;
}

function run(path: string, timeoutMs: number): Promise<Answer> {
  const env = { ...process.env, LC_ALL: 'C', PATH: [process.env['PATH'] ?? '', ...FOLDERS].join(':') };
  return new Promise((resolve) => {
    execFile(
      'keepalived',
      ['--config-test', '--use-file', path],
      { env, timeout: timeoutMs, killSignal: 'SIGKILL', encoding: 'utf8' },
      (error, stdout, stderr) => {
        const output = stdout + stderr;
        if (error === null) {
          resolve({ state: 'ended', status: 0, output });
        } else if (typeof error.code === 'number') {
          resolve({ state: 'ended', status: error.code, output });
        } else {
          // It was killed, or it could not be started; as in a shell that does not find it.
          resolve({ state: error.killed === true ? 'unanswered' : 'absent', status: -1, output });
        }
      },
    );
  });
}

/** Returns what an answer means. Of interfaces and of a folder that are missing keepalived makes an error. Pure. */
export function validationOf({ state, status, output }: Answer, path: string): Validation {
  if (state !== 'ended') {
    return { state, problems: [], missing: [] };
  }
  const all = [...new Set(output.split('\n').map((line) => line.trim()))].filter((line) => line !== '');
  const lines = all.filter((line) => !NO_FOLDER.test(line));
  const missing = lines.flatMap((line) => MISSING.exec(line)?.[1] ?? []);
  const problems = [
    ...new Set(
      lines.filter((line) => !MISSING.test(line) && line !== MISSING_SUMMARY).map((line) => placed(line, path)),
    ),
  ];
  const isExplained = missing.length > 0 || lines.length < all.length;
  const isRefused = status !== 0 && (problems.length > 0 || !isExplained);
  return {
    state: isRefused ? 'refused' : 'valid',
    problems:
      isRefused && problems.length === 0 ? [`it ended with status ${status}`] : problems.slice(0, MOST_PROBLEMS),
    missing: [...new Set(missing)],
  };
}

/** "(/tmp/x/keepalived.conf: Line 14) Unknown keyword 'x'" → "line 14: Unknown keyword 'x'" */
function placed(line: string, path: string): string {
  return line.replace(`(${path}: Line `, '(Line ').replace(/^\(Line (\d+)\) /, 'line $1: ');
}
