/** The way to the daemon: every command asks it through here. */

import { existsSync } from 'node:fs';

import type { Command } from 'commander';

import type { Method, Parameters, Results } from '../control/index.js';
import { BeelineError } from '../model/index.js';
import { instanceFor } from './instance.js';

/**
 * Asks the daemon of the command's director.
 *
 * @throws BeelineError what `request` throws. `NOT_RUNNING` says so if packets are still forwarded without the daemon
 */
export async function ask<Name extends Method>(
  command: Command,
  method: Name,
  parameters: Parameters[Name],
): Promise<Results[Name]> {
  const { socketPath, pinDirectory } = instanceFor(command);
  // Loaded here because commands such as check and --help need no daemon, and must start fast.
  const { request } = await import('../control/index.js');
  try {
    return await request(socketPath, method, parameters);
  } catch (error) {
    if (error instanceof BeelineError && error.code === 'NOT_RUNNING' && existsSync(pinDirectory)) {
      const hint = `${error.hint ?? ''} Its packets are still forwarded.`.trim();
      throw new BeelineError('NOT_RUNNING', error.message, { hint, cause: error });
    }
    throw error;
  }
}
