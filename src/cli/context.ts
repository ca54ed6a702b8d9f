/** What every command shares: global options, the way to the daemon, exit statuses. */

import { existsSync } from 'node:fs';

import { Option, type Command } from 'commander';

import type { Method, Parameters, Results } from '../control/index.js';
import { BeelineError, DEFAULT_INSTANCE, type ErrorCode, type Instance, instanceOf } from '../model/index.js';
import { completes, exitsWith } from '../usage/index.js';
import { instances } from './candidates.js';
import { coloured, type Paint, plain, wantsColours } from './terminal/colour.js';

export const ExitStatus = {
  ok: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
  changes: 4,
  refused: 5,
  interrupted: 130,
} as const;

/** docs/exit-status.md and the manual say so. */
export const EXIT_MEANINGS: Readonly<Record<keyof typeof ExitStatus, string>> = {
  ok: 'Done.',
  failed: 'Refused or failed; the message says why and what to do.',
  usage: 'The command line or the configuration is wrong, or asks for what the machine has not. Nothing was changed.',
  notRunning: 'No daemon is running. Packets that were forwarded are forwarded still.',
  changes: 'There are changes ("beeline plan", "beeline diff").',
  refused: 'More flows would move than "--max-moved" allows. Nothing was changed.',
  interrupted: 'Interrupted ("beeline bench", "scripts/demo").',
};

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
  MAX_MOVED: ExitStatus.refused,
  NOT_FOUND: ExitStatus.usage,
  NOT_RUNNING: ExitStatus.notRunning,
};

export function exitStatusOf(code: ErrorCode): number {
  return STATUS_OF_CODE[code] ?? ExitStatus.failed;
}

/** `--instance`, which stands before a subcommand or after it. */
export function instanceOption(): Option {
  const option = new Option(
    '--instance <name>',
    'which director, where several run on one host (default: $BEELINE_INSTANCE, or "default")',
  );
  return completes(option, instances);
}

/** For commands that talk to a director's daemon. */
export function withInstance(command: Command): Command {
  return exitsWith(command.addOption(instanceOption()), ExitStatus.notRunning);
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
  // Most commands' lives are short: what only some need is loaded by those.
  const { request } = await import('../control/client.js');
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

/** Colours for standard output, where it takes them. */
export function stdoutPaint(): Paint {
  return wantsColours(process.stdout) ? coloured : plain;
}

export function print(text: string): void {
  process.stdout.write(text);
}

export function printJson(value: unknown): void {
  print(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** `--json`, said alike by all commands that have it; docs/json.md has the shapes. */
export function jsonOption(when = ''): Option {
  return new Option('--json', `print JSON${when}`);
}

/** Prints a result as it was asked for: as JSON for programs, else as the text that it takes to tell people. */
export function printResult(value: unknown, { json }: { readonly json?: true }, text: (paint: Paint) => string): void {
  if (json === true) {
    printJson(value);
  } else {
    print(text(stdoutPaint()));
  }
}

/** Prints a list that comes in pieces and need not be in memory as a whole, an item a line. */
export async function printJsonList(pages: AsyncIterable<readonly unknown[]>): Promise<void> {
  let printed = 0;
  for await (const page of pages) {
    for (const item of page) {
      print(`${printed === 0 ? '[\n' : ',\n'}  ${JSON.stringify(item)}`);
      printed += 1;
    }
  }
  print(printed === 0 ? '[]\n' : '\n]\n');
}
