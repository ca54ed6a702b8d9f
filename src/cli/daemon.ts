/** The way to the daemon: every command asks it through here. */

import { existsSync } from 'node:fs';

import type { Command } from 'commander';

import type { Method, Parameters, RequestOptions, Results } from '../control/index.js';
import type { Unattended } from '../director/offline.js';
import { BeelineError } from '../model/index.js';
import { ExitStatus } from './exit-status.js';
import { instanceFor } from './instance.js';
import { formatAbsence } from './terminal/format.js';
import { printNote } from './terminal/print.js';

/**
 * Asks the daemon of the command's director.
 *
 * @throws BeelineError what `request` throws. `NOT_RUNNING` says so if packets are still forwarded without the daemon
 */
export async function ask<Name extends Method>(
  command: Command,
  method: Name,
  parameters: Parameters[Name],
  options?: RequestOptions,
): Promise<Results[Name]> {
  const { socketPath, pinDirectory } = instanceFor(command);
  // Loaded here because commands such as check and --help need no daemon, and must start fast.
  const { request } = await import('../control/index.js');
  try {
    return await request(socketPath, method, parameters, options);
  } catch (error) {
    if (error instanceof BeelineError && error.code === 'NOT_RUNNING' && existsSync(pinDirectory)) {
      const hint = `${error.hint ?? ''} Its packets are still forwarded.`.trim();
      throw new BeelineError('NOT_RUNNING', error.message, { hint, cause: error });
    }
    throw error;
  }
}

/**
 * Asks the daemon, or, while none listens, reads from the pinned maps what packets follow. The exit status is that of a
 * missing daemon then.
 *
 * @throws BeelineError what `ask` throws, also if there are no such maps
 */
export async function askOrRead<Name extends 'list' | 'stats' | 'status', Left>(
  command: Command,
  method: Name,
  read: (left: Unattended) => Left | Promise<Left>,
): Promise<Results[Name] | Left> {
  try {
    return await ask(command, method, {});
  } catch (error) {
    if (!(error instanceof BeelineError) || error.code !== 'NOT_RUNNING') {
      throw error;
    }
    const { Unattended: Reader } = await import('../director/offline.js');
    using left = Reader.open(instanceFor(command));
    if (left === undefined) {
      throw error;
    }
    process.exitCode = ExitStatus.notRunning;
    return await read(left);
  }
}

/** Says on standard error that what follows comes from the pinned maps. */
export function noteUnattended({ since }: Unattended): void {
  const absence = formatAbsence(since.toISOString(), Date.now());
  printNote(`beeline: ${absence}: this is what packets follow now, by the pinned maps\n`);
}
