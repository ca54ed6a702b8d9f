/** `beeline check`: checks a configuration file. Needs no daemon and no root. */

import { Command } from 'commander';

import type { PlacedProblem } from '../../config/index.js';
import { withExamples } from '../../usage/index.js';
import { configArgument, jsonOption } from '../arguments.js';
import { exitStatusOf } from '../exit-status.js';
import { printJson, printResult } from '../terminal/print.js';
import { formatQuantity } from '../terminal/format.js';

export function checkCommand(): Command {
  const check = new Command('check')
    .summary('check a configuration file')
    .description('Check a configuration file and print every problem with its line and column. Changes nothing.')
    .addArgument(configArgument())
    .addOption(jsonOption(', with all problems'))
    .action(async (config: string, options: { json?: true }) => {
      const { ConfigError, readConfig } = await import('../../config/index.js');
      try {
        const { services } = readConfig(config);
        const realServers = services.reduce((sum, service) => sum + service.destinations.length, 0);
        const report = { config, services: services.length, realServers, problems: [] };
        printResult(report, options, () => formatCheck(report));
      } catch (error) {
        if (options.json !== true || !(error instanceof ConfigError)) {
          throw error;
        }
        printJson({ config, problems: error.problems.map(placed) });
        process.exitCode = exitStatusOf(error.code);
      }
    });
  return withExamples(
    check,
    ['beeline check', 'check the default configuration file'],
    [
      'beeline check new.yaml && cp new.yaml /etc/beeline/beeline.yaml && beeline reload',
      'install a changed file and load it',
    ],
    ['beeline check --json new.yaml | jq .problems', 'print every problem as JSON'],
  );
}

function placed({ line, column, path, message }: PlacedProblem): PlacedProblem {
  return { line, column, path, message };
}

function formatCheck({
  config,
  services,
  realServers,
}: Record<'services' | 'realServers', number> & { config: string }): string {
  const what = `${formatQuantity(services, 'service')}, ${formatQuantity(realServers, 'real server')}`;
  return `${config}: ${what}: no problems\n`;
}
