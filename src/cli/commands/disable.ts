/** `beeline disable`: takes a real server out of a service for a time. */

import { Command } from 'commander';

import { BeelineError, printableName, serviceName } from '../../model/index.js';
import { withExamples, withSection } from '../../usage/index.js';
import { duration, jsonOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { withInstance } from '../instance.js';
import {
  serverArgument,
  serviceOrAllArgument,
  type ServiceOptions,
  takeServiceOrAll,
  withServiceOptions,
} from '../services.js';
import { formatMaintenance } from '../terminal/maintenance.js';
import { printNote, printResult } from '../terminal/print.js';

interface Options extends ServiceOptions {
  readonly for?: number;
  readonly reason?: string;
  readonly moveFlows?: true;
  readonly json?: true;
}

export function disableCommand(): Command {
  const disable = withInstance(new Command('disable'))
    .summary('take a real server out for a time')
    .description(
      'Give a real server no new flows until "beeline enable", or for a time. It stays in the configuration and in ' +
        'every list, its checks go on, and the flows that it has stay, unless --move-flows gives them to others. Repeated for ' +
        'the same real server, it replaces time and reason.',
    )
    .usage('[options] <service|all> <server>')
    .addArgument(serviceOrAllArgument())
    .addArgument(serverArgument())
    .option('--for <time>', 'end it by itself after this time: 90s, 10m, 2h', duration)
    .option('--reason <text>', 'why, for those who see it in "beeline status" and "beeline list"')
    .option('--move-flows', 'its flows go to others at once: no packet goes there any more')
    .addOption(jsonOption())
    .action(async (first: string | undefined, second: string | undefined, options: Options, command: Command) => {
      const { service, realServer } = await takeServiceOrAll([first, second], options, command);
      if (options.for === 0) {
        throw new BeelineError('USAGE', '--for must be longer than nothing');
      }
      const { warnings, ...report } = await ask(command, 'disable', {
        ...(service !== undefined && { service: serviceName(service) }),
        realServer,
        ...(options.for !== undefined && { forMs: options.for }),
        ...(options.reason !== undefined && { reason: printableName(options.reason) }),
        moves: options.moveFlows === true,
      });
      warnings.forEach((warning) => {
        printNote(`beeline: warning: ${warning}\n`);
      });
      printResult(report, options, () => `disabled: ${formatMaintenance(report, Date.now())}\n`);
    });
  return withExamples(
    withSection(withServiceOptions(disable), 'Maintenance is beside the configuration', [
      [
        'kept',
        'over restarts of the daemon and of the machine, and over "beeline reload", "beeline apply" and a changed file',
      ],
      [
        'shown',
        'by "beeline status", "beeline list" and "beeline explain"; it is no change of the configuration: not in "beeline diff", not saved',
      ],
      ['ended', 'by "beeline enable", or when its time is over'],
      ['beside', 'weight 0 ("beeline weight") and "beeline drain", which are changes of the configuration'],
    ]),
    [
      'beeline disable all 192.168.1.31 --for 2h --reason "new disks"',
      'take a machine out of all services for two hours',
    ],
    ['beeline disable 192.168.1.100:80 192.168.1.31 --move-flows', 'send no packet of one service there any more'],
  );
}
