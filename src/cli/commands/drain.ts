/** `beeline drain`: waits until a real server has no flows left, then removes it. */

import { setTimeout as sleep } from 'node:timers/promises';

import { Command } from 'commander';

import type { DrainReport } from '../../control/index.js';
import { type IpAddress, serviceName } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { duration, jsonOption } from '../arguments.js';
import { ask } from '../daemon.js';
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
import { print, printResult } from '../terminal/print.js';
import { formatDuration, formatQuantity } from '../terminal/format.js';

/** How often to ask the daemon how many flows are left. */
const POLL_MS = 1_000;

interface Options extends ServiceOptions {
  readonly deadline?: number;
  readonly wait: boolean;
  readonly json?: true;
}

export function drainCommand(): Command {
  const drain = withInstance(new Command('drain'))
    .summary('remove a real server once its flows have ended')
    .description(
      'Give a real server no new flows, wait until its flows have ended, and remove it from its service. Draining ' +
        'continues if this command is interrupted. The configuration file stays unchanged: remove the real server there ' +
        'too, or the next reload brings it back.',
    )
    .usage('[options] <service> <server>')
    .addArgument(serviceArgument())
    .addArgument(serverArgument())
    .option('--deadline <time>', 'remove it after this time even if it has flows: 90s, 10m, 2h', duration)
    .option('--no-wait', 'start draining and return at once')
    .addOption(jsonOption(' at the end'))
    .action(async (first: string | undefined, second: string | undefined, options: Options, command: Command) => {
      const { service, rest } = requireWords([first, second], options, command, 1);
      const [realServer] = serversIn(rest);
      const key = await existingService(command, service);
      await drainUntilRemoved({ service: serviceName(key), realServer: realServer! }, options, command);
    });
  return withExamples(
    withServiceOptions(drain),
    [
      'beeline drain 192.168.1.100:80 192.168.1.31 --deadline 10m',
      'wait at most ten minutes, then remove the real server',
    ],
    ['beeline drain -u [fd00::100]:53 fd00::31 --no-wait', 'start draining and return at once'],
  );
}

async function drainUntilRemoved(
  place: { readonly service: string; readonly realServer: IpAddress },
  { deadline, wait, json }: Options,
  command: Command,
): Promise<void> {
  let report = await ask(command, 'drain', { ...place, deadlineMs: deadline });
  let printed = '';
  while (wait && !report.removed) {
    const line = formatDrain(report, Date.now());
    if (json !== true && line !== printed) {
      print(line);
      printed = line;
    }
    await sleep(POLL_MS);
    report = await ask(command, 'drainState', place);
  }
  printResult(report, { ...(json && { json }) }, () => formatDrain(report, Date.now()));
}

export function formatDrain(
  { service: name, realServer: server, flows, uncertain, removed, deadline }: DrainReport,
  now: number,
): string {
  if (removed) {
    return `${server} was removed from ${name}${flows > 0 ? `; ${formatQuantity(flows, 'flow')} moved to other real servers` : ''}\n`;
  }
  const limit = deadline === undefined ? '' : `, removed in ${formatDuration(deadline - now)} at the latest`;
  const silent = uncertain ? ', and those that have been silent since the drain began' : '';
  return `${server} of ${name}: ${formatQuantity(flows, 'flow')} left${silent}${limit}\n`;
}
