/** The way to the daemon: every command asks it through here. */

import { existsSync } from 'node:fs';

import type { Command } from 'commander';

import type { Method, Parameters, Results } from '../control/index.js';
import { BeelineError } from '../model/index.js';
import { instanceFor } from './instance.js';

/**
 * Asks the daemon that a command is for.
 *
 * @throws BeelineError what `request` throws; `NOT_RUNNING` says so where a data path goes on without its daemon
 */
export async function ask<Name extends Method>(
  command: Command,
  method: Name,
  parameters: Parameters[Name],
): Promise<Results[Name]> {
  const { socketPath, pinDirectory } = instanceFor(command);
  // Most commands' lives are short: what only some need is loaded by those.
  const { request } = await import('../control/index.js');
  try {
    return await request(socketPath, method, parameters);
  } catch (error) {
    if (error instanceof BeelineError && error.code === 'NOT_RUNNING' && existsSync(pinDirectory)) {
      const hint = `${error.hint ?? ''} Packets that were forwarded are forwarded still.`.trim();
      throw new BeelineError('NOT_RUNNING', error.message, { hint, cause: error });
    }
    throw error;
  }
}
