#!/usr/bin/env node
/** The command `beeline`: one file a subcommand, each loading what it needs when it is run. */

import { readFileSync } from 'node:fs';

import { Command, CommanderError } from 'commander';

import { BeelineError } from '../model/index.js';
import { benchCommand } from './bench.js';
import { checkCommand } from './check.js';
import { ExitStatus, exitStatusOf, withInstance } from './context.js';
import { drainCommand } from './drain.js';
import { flowsCommand } from './flows.js';
import { labCommand } from './lab.js';
import { listCommand } from './list.js';
import { mapCommand } from './map.js';
import { reloadCommand } from './reload.js';
import { runCommand } from './run.js';
import { schemaCommand } from './schema.js';
import { statsCommand } from './stats.js';
import { statusCommand } from './status.js';
import { stopCommand } from './stop.js';

function beeline(): Command {
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
    statusCommand(),
    listCommand(),
    statsCommand(),
    flowsCommand(),
    drainCommand(),
    mapCommand(),
    stopCommand(),
    schemaCommand(),
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

/** Errors that a user can mend are two sentences; everything else is a defect, and shows where. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Help and version are no errors; what is one has been printed.
    return error.exitCode === 0 ? ExitStatus.ok : ExitStatus.usage;
  }
  if (error instanceof BeelineError) {
    process.stderr.write(`beeline: ${error.message}\n${error.hint === undefined ? '' : `${error.hint}\n`}`);
    return exitStatusOf(error.code);
  }
  throw error;
}

// Whoever reads our output may stop reading, "beeline list | head", or have no room for it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') {
    process.exit();
  }
  process.stderr.write(`beeline: cannot write to standard output: ${error.message}\n`);
  process.exit(ExitStatus.failed);
});

try {
  await beeline().parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
