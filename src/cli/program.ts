/** The list of all commands. `--help`, the manual and shell completion are made from it. */

import { readFileSync } from 'node:fs';

import { Command } from 'commander';

import { firstWord } from './commands/ipvsadm/call.js';
import { withInstance } from './instance.js';
import { wordsFor } from './mistakes.js';

/**
 * Every command by its name, in the order of help. A command's file is loaded only when it is needed: loading all of them
 * takes `beeline status` 40 % more CPU time.
 */
const COMMANDS: Readonly<Record<string, (version: string) => Promise<Command>>> = {
  run: async (version) => (await import('./commands/run.js')).runCommand(version),
  check: async () => (await import('./commands/check.js')).checkCommand(),
  reload: async () => (await import('./commands/reload.js')).reloadCommand(),
  diff: async () => (await import('./commands/diff.js')).diffCommand(),
  fingerprint: async () => (await import('./commands/fingerprint.js')).fingerprintCommand(),
  push: async () => (await import('./commands/push.js')).pushCommand(),
  save: async () => (await import('./commands/save.js')).saveCommand(),
  plan: async () => (await import('./commands/plan.js')).planCommand(),
  apply: async () => (await import('./commands/apply.js')).applyCommand(),
  status: async () => (await import('./commands/status.js')).statusCommand(),
  list: async () => (await import('./commands/list.js')).listCommand(),
  doctor: async () => (await import('./commands/doctor/doctor.js')).doctorCommand(),
  'check-server': async () => (await import('./commands/check-server.js')).checkServerCommand(),
  stats: async () => (await import('./commands/stats.js')).statsCommand(),
  flows: async () => (await import('./commands/flows.js')).flowsCommand(),
  explain: async () => (await import('./commands/explain/explain.js')).explainCommand(),
  add: async () => (await import('./commands/add.js')).addCommand(),
  remove: async () => (await import('./commands/remove.js')).removeCommand(),
  weight: async () => (await import('./commands/weight.js')).weightCommand(),
  drain: async () => (await import('./commands/drain.js')).drainCommand(),
  failover: async () => (await import('./commands/failover.js')).failoverCommand(),
  disable: async () => (await import('./commands/disable.js')).disableCommand(),
  enable: async () => (await import('./commands/enable.js')).enableCommand(),
  mark: async () => (await import('./commands/mark.js')).markCommand(),
  map: async () => (await import('./commands/map/map.js')).mapCommand(),
  ipvsadm: async () => (await import('./commands/ipvsadm/ipvsadm.js')).ipvsadmCommand('ipvsadm'),
  'ipvsadm-save': async () => (await import('./commands/ipvsadm/ipvsadm.js')).ipvsadmCommand('ipvsadm-save'),
  'ipvsadm-restore': async () => (await import('./commands/ipvsadm/ipvsadm.js')).ipvsadmCommand('ipvsadm-restore'),
  import: async () => (await import('./commands/import.js')).importCommand(),
  stop: async () => (await import('./commands/stop.js')).stopCommand(),
  keepalived: async () => (await import('./commands/keepalived.js')).keepalivedCommand(),
  realserver: async () => (await import('./commands/realserver.js')).realserverCommand(),
  vip: async () => (await import('./commands/vip.js')).vipCommand(),
  init: async () => (await import('./commands/init.js')).initCommand(),
  schema: async () => (await import('./commands/schema.js')).schemaCommand(),
  manual: async (version) => (await import('./commands/manual.js')).manualCommand(version, beeline),
  completion: async () => (await import('./commands/completion.js')).completionCommand(),
  lab: async () => (await import('./commands/lab.js')).labCommand(),
  bench: async () => (await import('./commands/bench/bench.js')).benchCommand(),
};

/**
 * Builds the program.
 *
 * @param words the command line. If it begins with a command's name, only that command is built; else all commands are
 */
export async function beeline(words: readonly string[] = []): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = withInstance(new Command('beeline'))
    .description('An LVS-DR director at the speed of the network card.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(...HELP_COMMAND)
    .enablePositionalOptions()
    .exitOverride();
  const name = firstWord(words).word ?? '';
  const makers = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]!] : Object.values(COMMANDS);
  for (const command of await Promise.all(makers.map((make) => make(version)))) {
    program.addCommand(inherit(command, program));
  }
  return speak(program);
}

/** Commander's own command, in the words of the others. */
const HELP_COMMAND = ['help [command]', 'show help for a command'] as const;

/** Makes a command report mistakes in Beeline's words, and name its own help. */
function speak(command: Command): Command {
  return command.showSuggestionAfterError(false).configureOutput({
    outputError: (message, write) => {
      write(wordsFor(message, command));
    },
  });
}

/** Copies the parent's error handling to a command and its subcommands: commander does so only for those it creates. */
function inherit(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  if (command.commands.length > 0) {
    command.helpCommand(...HELP_COMMAND);
  }
  command.commands.forEach((each) => inherit(each, command));
  return speak(command);
}
