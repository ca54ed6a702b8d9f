/** `beeline drain`: lets a real server's flows end, and then removes it. */

import { setTimeout as sleep } from 'node:timers/promises';

import { Command } from 'commander';

import type { DrainReport } from '../../control/index.js';
import type { IpAddress } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { duration, serverArgument, serviceArgument } from '../arguments.js';
import { ask } from '../daemon.js';
import { withInstance } from '../instance.js';
import { jsonOption, print, printResult } from '../terminal/print.js';
import { formatDuration, formatQuantity } from '../terminal/format.js';

/** How often to ask how many flows are left. */
const POLL_MS = 1_000;

export function drainCommand(): Command {
  const drain = withInstance(new Command('drain'))
    .summary("let a real server's flows end, then remove it")
    .description(
      'Give a real server no new flows, wait for those that it has, and then remove it from its service. Ending this ' +
        'command does not end the draining. The configuration file stays as it is: take the real server out of it too, or ' +
        'the next reload brings it back.',
    )
    .addArgument(serviceArgument())
    .addArgument(serverArgument())
    .option('--deadline <time>', 'remove it after so long, whatever flows it has: 90s, 10m, 2h', duration)
    .option('--no-wait', 'begin, and do not wait')
    .addOption(jsonOption(', when it is over'))
    .action(
      async (
        name: string,
        server: IpAddress,
        options: { deadline?: number; wait: boolean; json?: true },
        command: Command,
      ) => {
        const { deadline, wait, json } = options;
        let report = await ask(command, 'drain', { service: name, address: server, deadlineMs: deadline });
        let said = '';
        while (wait && !report.removed) {
          const line = formatDrain(report, Date.now());
          if (json !== true && line !== said) {
            print(line);
            said = line;
          }
          await sleep(POLL_MS);
          report = await ask(command, 'drainState', { service: name, address: server });
        }
        printResult(report, options, () => formatDrain(report, Date.now()));
      },
    );
  return withExamples(
    drain,
    [
      'beeline drain 192.168.1.100:80 192.168.1.31 --deadline 10m',
      'wait ten minutes at the most, then remove the real server',
    ],
    ['beeline drain udp/[fd00::100]:53 fd00::31 --no-wait', 'begin, and come back at once'],
  );
}

export function formatDrain(
  { service: name, address: server, flows, uncertain, removed, deadline }: DrainReport,
  now: number,
): string {
  if (removed) {
    return `${server} is out of ${name}${flows > 0 ? `; ${formatQuantity(flows, 'flow')} went to others` : ''}\n`;
  }
  const limit = deadline === undefined ? '' : `, out in ${formatDuration(deadline - now)} at the latest`;
  const silent = uncertain ? ', and those that have been silent since it began' : '';
  return `${server} of ${name}: ${formatQuantity(flows, 'flow')} left${silent}${limit}\n`;
}
