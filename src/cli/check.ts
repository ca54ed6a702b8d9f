/** `beeline check`: is a configuration file right? Needs no daemon and no root. */

import { Command } from 'commander';

import { DEFAULT_CONFIG_PATH } from '../config/path.js';
import { print } from './context.js';
import { formatQuantity } from './format.js';

export function checkCommand(): Command {
  return new Command('check')
    .summary('check a configuration file')
    .description('Check a configuration file and print every problem with its line and column. Changes nothing.')
    .argument('[config]', 'configuration file', DEFAULT_CONFIG_PATH)
    .action(async (config: string) => {
      const { readConfig } = await import('../config/index.js');
      const { services } = readConfig(config);
      const destinations = services.reduce((sum, service) => sum + service.destinations.length, 0);
      const what = `${formatQuantity(services.length, 'service')}, ${formatQuantity(destinations, 'real server')}`;
      print(`${config}: ${what}: no problems\n`);
    });
}
