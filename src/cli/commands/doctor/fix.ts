/** `beeline doctor --fix`: runs the commands that mend this host, each after it was shown and asked for. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { type Finding, PROGRAM_PATH } from '../../../doctor/index.js';
import { BeelineError } from '../../../model/index.js';
import { canAsk, confirm } from '../../terminal/confirm.js';
import { print, printNote } from '../../terminal/print.js';

export interface FixOptions {
  readonly yes?: true;
  /** Standard output is for the result alone. */
  readonly json?: true;
}

export interface Fixed {
  /** How many commands were run. */
  readonly ran: number;
  /** Those of them that failed. */
  readonly failed: readonly string[];
}

/** Before anything is looked at. @throws BeelineError `USAGE` if nobody can be asked */
export function requireConsent({ yes }: FixOptions): void {
  if (yes !== true && !canAsk()) {
    throw new BeelineError('USAGE', '--fix asks before each command, and nobody can answer here', {
      hint: 'Add --yes to run them all.',
    });
  }
}

export async function fix(findings: readonly Finding[], { yes, json }: FixOptions): Promise<Fixed> {
  const say = json === true ? printNote : print;
  const wanted = new Map(
    findings.flatMap(({ mend }) =>
      mend.flatMap(({ command, fix: words }) => (words === undefined ? [] : [[command, words] as const])),
    ),
  );
  if (wanted.size === 0) {
    say('there is nothing that the doctor may mend on this host\n');
  }
  let ran = 0;
  const failed: string[] = [];
  for (const [command, words] of wanted) {
    say(`${command}\n`);
    if (yes === true || (await confirm('run it?'))) {
      ran += 1;
      if (!(await succeeds(words, json === true))) {
        failed.push(command);
      }
    }
  }
  return { ran, failed };
}

/** @throws BeelineError `DOCTOR_FIX` if a command failed */
export function requireFixed({ failed }: Fixed): void {
  if (failed.length > 0) {
    throw new BeelineError('DOCTOR_FIX', `failed: ${failed.join('; ')}`, { hint: 'Its own message is above.' });
  }
}

async function succeeds([program = '', ...words]: readonly string[], isQuiet: boolean): Promise<boolean> {
  // This very program, whether or not it is in the path.
  const [file, before] = program === 'beeline' ? [process.execPath, [process.argv[1]!]] : [program, []];
  const child = spawn(file, [...before, ...words], {
    stdio: ['inherit', isQuiet ? process.stderr : 'inherit', 'inherit'],
    env: { ...process.env, PATH: PROGRAM_PATH },
  });
  try {
    const [status] = (await once(child, 'exit')) as [number | null];
    return status === 0;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    printNote(`${code === 'ENOENT' ? `${program} is not installed` : message}\n`);
    return false;
  }
}
