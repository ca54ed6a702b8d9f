/** `beeline run`: the daemon. */

import { resolve } from 'node:path';

import { Command, Option } from 'commander';

import { DEFAULT_CONFIG_PATH } from '../config/path.js';
import { wantsColours } from './colour.js';
import { instanceFor, withInstance } from './context.js';

interface Options {
  replace?: true;
  logLevel: string;
  logFormat?: 'text' | 'json';
}

export function runCommand(version: string): Command {
  return withInstance(new Command('run'))
    .summary('run the director until it is stopped')
    .description(
      'Run the director in the foreground. When it ends, by SIGTERM or by a crash, packets are forwarded as before; ' +
        '"beeline stop --detach" ends that too. SIGHUP reloads the configuration.',
    )
    .argument('[config]', 'configuration file', DEFAULT_CONFIG_PATH)
    .option('--replace', 'take the interface over when another XDP program is attached to it')
    .addOption(
      new Option('--log-level <level>', 'how much to log').choices(['error', 'warn', 'info', 'debug']).default('info'),
    )
    .addOption(
      new Option('--log-format <format>', 'lines for people or JSON (default: text on a terminal, else json)').choices([
        'text',
        'json',
      ]),
    )
    .action(async (config: string, { replace, logLevel, logFormat }: Options, command: Command) => {
      const [{ runDaemon }, { createLog }] = await Promise.all([
        import('../director/daemon.js'),
        import('../director/log.js'),
      ]);
      await runDaemon({
        instance: instanceFor(command),
        configPath: resolve(config),
        replace: replace === true,
        version,
        log: createLog(logLevel, logFormat ?? (process.stderr.isTTY ? 'text' : 'json'), wantsColours(process.stderr)),
      });
    });
}
