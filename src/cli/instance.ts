/** The option --instance, and the director that it names. */

import { Option, type Command } from 'commander';

import { DEFAULT_INSTANCE, type Instance, instanceOf } from '../model/index.js';
import { completes, exitsWith } from '../usage/index.js';
import { instances } from './candidates.js';
import { ExitStatus } from './exit-status.js';

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
