/** What every command shares: global options, the way to the daemon, exit statuses. */

import { existsSync } from 'node:fs';

import type { Command } from 'commander';

import { request } from '../control/client.js';
import type { Method, Parameters, Results } from '../control/protocol.js';
import { DEFAULT_INSTANCE, instanceOf, type Instance } from '../director/instance.js';
import { BeelineError, type ErrorCode } from '../model/index.js';

/** docs/exit-status.md */
export const ExitStatus = {
  ok: 0,
  failed: 1,
  /** The command line or the configuration is wrong, or asks for too much: nothing was done. */
  usage: 2,
  notRunning: 3,
  interrupted: 130,
} as const;

const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  USAGE: ExitStatus.usage,
  CONFIG_INVALID: ExitStatus.usage,
  CONFIG_UNREADABLE: ExitStatus.usage,
  BENCH_DEVICE: ExitStatus.usage,
  BENCH_TOO_LARGE: ExitStatus.usage,
  INTERFACE_MISSING: ExitStatus.usage,
  OUT_OF_MEMORY: ExitStatus.usage,
  INTERRUPTED: ExitStatus.interrupted,
  MAP_KEY: ExitStatus.usage,
  MAP_NO_ENTRY: ExitStatus.usage,
  MAP_UNKNOWN: ExitStatus.usage,
  MAP_VALUE: ExitStatus.usage,
  NOT_FOUND: ExitStatus.usage,
  NOT_RUNNING: ExitStatus.notRunning,
};

export function exitStatusOf(code: ErrorCode): number {
  return STATUS_OF_CODE[code] ?? ExitStatus.failed;
}

/** `--instance`, which stands before a subcommand or after it. */
export function withInstance(command: Command): Command {
  return command.option(
    '--instance <name>',
    'which director, where several run on one host (default: $BEELINE_INSTANCE, or "default")',
  );
}

/** The director that a command is for: --instance, else BEELINE_INSTANCE, else the default one. */
export function instanceFor(command: Command): Instance {
  const { instance } = command.optsWithGlobals<{ instance?: string }>();
  return instanceOf(instance ?? process.env['BEELINE_INSTANCE'] ?? DEFAULT_INSTANCE);
}

/**
 * How somebody at a terminal would run this command again, from the same folder: "sudo scripts/beeline" in a checkout.
 *
 * @param environment BEELINE_COMMAND, which scripts/beeline sets, and SUDO_USER
 */
export function invocation(environment: Readonly<Record<string, string | undefined>> = {}): string {
  const { BEELINE_COMMAND: command = 'beeline', SUDO_USER: user } = { ...process.env, ...environment };
  return user === undefined ? command : `sudo ${command}`;
}

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

export function print(text: string): void {
  process.stdout.write(text);
}

export function printJson(value: unknown): void {
  print(`${JSON.stringify(value, undefined, 2)}\n`);
}
