/** `beeline check-server`: makes the checks of a real server now, and tells each step. */

import { Command } from 'commander';

import { serviceName } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { ExitStatus } from '../exit-status.js';
import { withInstance } from '../instance.js';
import {
  existingService,
  requireWords,
  serverArgument,
  serversIn,
  serviceArgument,
  type ServiceOptions,
  withServiceOptions,
} from '../services.js';
import { formatRuns } from '../terminal/checks.js';
import { printResult } from '../terminal/print.js';

interface Options extends ServiceOptions {
  readonly json?: true;
}

export function checkServerCommand(): Command {
  const command = withInstance(new Command('check-server'))
    .summary('make the health checks of a real server now')
    .description(
      'Make all checks that a service has for a real server, once, and show each step: connections, bytes, times, and what ' +
        'decided. The state that packets follow does not change. The exit status is 0 if all pass, and 1 if one fails or ' +
        'cannot be made.',
    )
    .usage('[options] <service> <server>')
    .addArgument(serviceArgument())
    .addArgument(serverArgument())
    .addOption(jsonOption())
    .action(async (first: string | undefined, second: string | undefined, options: Options, self: Command) => {
      const { service, rest } = requireWords([first, second], options, self, 1);
      const [realServer] = serversIn(rest);
      const key = await existingService(self, service);
      const runs = await ask(self, 'checkServer', { service: serviceName(key), realServer: realServer! });
      printResult(runs, options, (paint) => formatRuns(runs, paint));
      if (runs.some(({ result, trouble }) => result?.passed === false || trouble !== undefined)) {
        process.exitCode = ExitStatus.failed;
      }
    });
  return withExamples(
    withServiceOptions(command),
    ['beeline check-server 192.168.1.100:80 192.168.1.31', 'see why a real server is down'],
    ['beeline check-server -u 192.168.1.100:53 192.168.1.31 --json', 'the same of a UDP service, as JSON for programs'],
  );
}
