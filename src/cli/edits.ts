/** Changes of the running director's services, one edit after another. */

import type { Command } from 'commander';

import type { Edit } from '../model/index.js';
import { ask } from './daemon.js';
import { printNote } from './terminal/print.js';

/** Makes an edit, and prints the daemon's warnings about it. */
export async function makeEdit(command: Command, edit: Edit): Promise<void> {
  const { warnings } = await ask(command, 'edit', { edit });
  warnings.forEach((warning) => {
    printNote(`beeline: warning: ${warning}\n`);
  });
}
