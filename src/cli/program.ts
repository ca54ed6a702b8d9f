/** The list of all commands. `--help`, the manual and shell completion are made from it. */

import { readFileSync } from 'node:fs';

import { Command } from 'commander';

import { applyCommand } from './commands/apply.js';
import { benchCommand } from './commands/bench/bench.js';
import { checkCommand } from './commands/check.js';
import { completionCommand } from './commands/completion.js';
import { diffCommand } from './commands/diff.js';
import { drainCommand } from './commands/drain.js';
import { explainCommand } from './commands/explain/explain.js';
import { flowsCommand } from './commands/flows.js';
import { importCommand } from './commands/import.js';
import { ipvsadmCommands } from './commands/ipvsadm/ipvsadm.js';
import { labCommand } from './commands/lab.js';
import { listCommand } from './commands/list.js';
import { manualCommand } from './commands/manual.js';
import { mapCommand } from './commands/map/map.js';
import { markCommand } from './commands/mark.js';
import { planCommand } from './commands/plan.js';
import { reloadCommand } from './commands/reload.js';
import { runCommand } from './commands/run.js';
import { saveCommand } from './commands/save.js';
import { schemaCommand } from './commands/schema.js';
import { statsCommand } from './commands/stats.js';
import { statusCommand } from './commands/status.js';
import { stopCommand } from './commands/stop.js';
import { withInstance } from './instance.js';

/** Builds all commands. Each loads what it needs when it runs. */
export function beeline(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = withInstance(new Command('beeline'))
    .description('An LVS-DR director at the speed of the network card.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(...HELP_COMMAND)
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError('See "beeline --help".');
  const commands = [
    runCommand(version),
    checkCommand(),
    reloadCommand(),
    diffCommand(),
    saveCommand(),
    planCommand(),
    applyCommand(),
    statusCommand(),
    listCommand(),
    statsCommand(),
    flowsCommand(),
    explainCommand(),
    drainCommand(),
    markCommand(),
    mapCommand(),
    ...ipvsadmCommands(),
    importCommand(),
    stopCommand(),
    schemaCommand(),
    manualCommand(version, beeline),
    completionCommand(),
    labCommand(),
    benchCommand(),
  ];
  for (const command of commands) {
    program.addCommand(inherit(command, program));
  }
  return program;
}

/** Commander's own command, in the words of the others. */
const HELP_COMMAND = ['help [command]', 'show help for a command'] as const;

/** Copies the parent's error handling to a command and its subcommands: commander does so only for those it creates. */
function inherit(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  if (command.commands.length > 0) {
    command.helpCommand(...HELP_COMMAND);
  }
  command.commands.forEach((each) => inherit(each, command));
  return command;
}
