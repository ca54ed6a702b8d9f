/** `beeline doctor --fix`: runs the commands that mend this host, each after it was shown and asked for. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';

import type { Finding } from '../../../doctor/index.js';
import { BeelineError } from '../../../model/index.js';
import { canAsk, confirm } from '../../terminal/confirm.js';
import { print } from '../../terminal/print.js';

/** @throws BeelineError `USAGE` if nobody can be asked, `DOCTOR_FIX` if a command failed */
export async function fix(findings: readonly Finding[], isAgreed: boolean): Promise<void> {
  const wanted = new Map(
    findings.flatMap(({ mend }) =>
      mend.flatMap(({ command, fix: words }) => (words === undefined ? [] : [[command, words]])),
    ),
  );
  if (wanted.size === 0) {
    print('nothing to mend on this host\n');
    return;
  }
  if (!isAgreed && !canAsk()) {
    throw new BeelineError('USAGE', '--fix asks before each command, and nobody can answer here', {
      hint: 'Add --yes to run them all.',
    });
  }
  const failed: string[] = [];
  for (const [command, words] of wanted) {
    print(`${command}\n`);
    if ((isAgreed || (await confirm('run it?'))) && !(await succeeds(words))) {
      failed.push(command);
    }
  }
  if (failed.length > 0) {
    throw new BeelineError('DOCTOR_FIX', `failed: ${failed.join('; ')}`, { hint: 'Its own message is above.' });
  }
}

async function succeeds([program = '', ...words]: readonly string[]): Promise<boolean> {
  // This very program, whether or not it is in the path.
  const [file, before] = program === 'beeline' ? [process.execPath, [process.argv[1]!]] : [program, []];
  const child = spawn(file, [...before, ...words], { stdio: 'inherit' });
  try {
    const [status] = (await once(child, 'exit')) as [number | null];
    return status === 0;
  } catch (error) {
    print(`${error instanceof Error ? error.message : String(error)}\n`);
    return false;
  }
}
