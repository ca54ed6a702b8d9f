/** All commands and their options: what `--help`, the manual and shells' completion are made from. */

import { readFileSync } from 'node:fs';

import { Command } from 'commander';

import { applyCommand } from './apply.js';
import { benchCommand } from './bench.js';
import { checkCommand } from './check.js';
import { completionCommand } from './completion.js';
import { withInstance } from './context.js';
import { diffCommand } from './diff.js';
import { drainCommand } from './drain.js';
import { explainCommand } from './explain.js';
import { flowsCommand } from './flows.js';
import { importCommand } from './import.js';
import { ipvsadmCommands } from './ipvsadm.js';
import { labCommand } from './lab.js';
import { listCommand } from './list.js';
import { manualCommand } from './manual.js';
import { mapCommand } from './map.js';
import { markCommand } from './mark.js';
import { planCommand } from './plan.js';
import { reloadCommand } from './reload.js';
import { runCommand } from './run.js';
import { saveCommand } from './save.js';
import { schemaCommand } from './schema.js';
import { statsCommand } from './stats.js';
import { statusCommand } from './status.js';
import { stopCommand } from './stop.js';

/** Builds the commands anew, each loading what it needs when it is run. */
export function beeline(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = withInstance(new Command('beeline'))
    .description('An LVS-DR director at the speed of the network card.')
    .version(version, '-V, --version')
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

/** Gives a command and its subcommands the parent's ways of failing; commander does so only for those that it makes. */
function inherit(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  command.commands.forEach((each) => inherit(each, command));
  return command;
}
