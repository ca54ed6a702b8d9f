/** The option --instance, and the director that it names. */

import { Option, type Command } from 'commander';

import { DEFAULT_INSTANCE, type Instance, instanceOf } from '../model/index.js';
import { completes, exitsWith } from '../usage/index.js';
import { instances } from './candidates.js';
import { ExitStatus } from './exit-status.js';

/** `--instance`, which may stand before a subcommand or after it. */
export function instanceOption(): Option {
  const option = new Option(
    '--instance <name>',
    'name of the director, if several run on this machine (default: $BEELINE_INSTANCE, or "default")',
  );
  return completes(option, instances);
}

/** Adds --instance to a command that talks to a daemon, and its exit status without one. */
export function withInstance(command: Command): Command {
  return exitsWith(command.addOption(instanceOption()), ExitStatus.notRunning);
}

/** Returns the director that a command is for: that of --instance, else of BEELINE_INSTANCE, else the default. */
export function instanceFor(command: Command): Instance {
  const { instance } = command.optsWithGlobals<{ instance?: string }>();
  return instanceOf(instance ?? process.env['BEELINE_INSTANCE'] ?? DEFAULT_INSTANCE);
}
