/** `beeline run`: runs the daemon. */

import { resolve } from 'node:path';

import { Command, Option } from 'commander';

import { withExamples } from '../../usage/index.js';
import { configArgument } from '../arguments.js';
import { instanceFor, instanceOption } from '../instance.js';
import { inspectorWasOpen } from '../no-inspector.js';
import { wantsColours } from '../terminal/colour.js';

interface Options {
  replace?: true;
  setOffloads?: true;
  logLevel: string;
  logFormat?: 'text' | 'json';
}

export function runCommand(version: string): Command {
  const run = new Command('run')
    .summary('run the director in the foreground')
    .description(
      'Run the director in the foreground. Packets are still forwarded after it ends by SIGTERM or by a crash; "beeline ' +
        'stop --detach" ends forwarding too. SIGHUP reloads the configuration, SIGUSR1 writes a report of the state to the ' +
        'log, and SIGUSR2 the statistics. An interface that is missing is waited for. Changes by commands, and drains, go on ' +
        'after a restart as long as the file means the same; a file that was changed replaces them, and the log says so.',
    )
    .addArgument(configArgument())
    .addOption(instanceOption())
    .option('--replace', 'replace another XDP program that is attached to the interface')
    .option(
      '--set-offloads',
      'switch off what network cards do that hurts the director (rxvlan, and in generic mode gro and lro), and leave it off',
    )
    .addOption(
      new Option('--log-level <level>', 'least severe messages to log')
        .choices(['error', 'warn', 'info', 'debug'])
        .default('info'),
    )
    .addOption(
      new Option(
        '--log-format <format>',
        "format of the log (default: text on a terminal and in systemd's journal, else json)",
      ).choices(['text', 'json']),
    )
    .action(async (config: string, { replace, setOffloads, logLevel, logFormat }: Options, command: Command) => {
      const { createLog, leadsToJournal, runDaemon } = await import('../../director/index.js');
      const toJournal = leadsToJournal(process.env);
      const { logger: log, sink } = createLog(
        logLevel,
        logFormat ?? (process.stderr.isTTY || toJournal ? 'text' : 'json'),
        toJournal ? 'journal' : wantsColours(process.stderr) ? 'coloured' : 'plain',
      );
      if (inspectorWasOpen) {
        log.warn(
          "closed Node.js's inspector, which a flag or NODE_OPTIONS had opened: it would run code for every local user",
        );
      }
      await runDaemon({
        instance: instanceFor(command),
        configPath: resolve(config),
        replace: replace === true,
        setOffloads: setOffloads === true,
        version,
        log,
        logProblem: () => sink.problem,
      });
    });
  return withExamples(
    run,
    ['beeline run', 'run with /etc/beeline/beeline.yaml'],
    [
      'beeline run --instance test --log-level debug test.yaml',
      'run a second director, with a configuration for another interface',
    ],
  );
}
