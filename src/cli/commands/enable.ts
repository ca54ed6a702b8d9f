/** `beeline enable`: brings a real server back that "beeline disable" took out. */

import { Command } from 'commander';

import { serviceName } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { ask } from '../daemon.js';
import { withInstance } from '../instance.js';
import {
  serverArgument,
  serviceOrAllArgument,
  type ServiceOptions,
  takeServiceOrAll,
  withServiceOptions,
} from '../services.js';
import { print, printNote } from '../terminal/print.js';

export function enableCommand(): Command {
  const enable = withInstance(new Command('enable'))
    .summary('bring a real server back that was disabled')
    .description(
      'End what "beeline disable" began: the real server takes new flows again, if it passes its checks, and by and by if its ' +
        'service has a slow start.',
    )
    .usage('[options] <service|all> <server>')
    .addArgument(serviceOrAllArgument())
    .addArgument(serverArgument())
    .action(
      async (first: string | undefined, second: string | undefined, options: ServiceOptions, command: Command) => {
        const { service, realServer } = await takeServiceOrAll([first, second], options, command);
        const name = service && serviceName(service);
        const { warnings } = await ask(command, 'enable', { ...(name !== undefined && { service: name }), realServer });
        warnings.forEach((warning) => {
          printNote(`beeline: warning: ${warning}\n`);
        });
        print(`enabled: ${realServer} of ${name ?? 'all services'}\n`);
      },
    );
  return withExamples(
    withServiceOptions(enable),
    [
      'beeline enable all 192.168.1.31',
      'bring a machine back in all services, also where it was disabled in one alone',
    ],
    ['beeline enable 192.168.1.100:80 192.168.1.31', 'bring it back in one service'],
  );
}
