/** `beeline drain`: waits until a real server has no flows left, then removes it. */

import { setTimeout as sleep } from 'node:timers/promises';

import { Command } from 'commander';

import type { DrainReport } from '../../control/index.js';
import { type IpAddress, serviceName } from '../../model/index.js';
import { withExamples, withSection } from '../../usage/index.js';
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
import { formatDrain } from '../terminal/drains.js';
import { print, printNote, printResult } from '../terminal/print.js';

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
        'continues if this command is interrupted. Another drain of the same real server changes its deadline.',
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
    withSection(withServiceOptions(drain), 'A drain is a change', [
      [
        'its parts',
        'weight 0 at once, and the removal at the end: changes of the running configuration like those of "beeline ' +
          'weight" and "beeline remove". If the first cannot be published, nothing is drained',
      ],
      [
        'shown',
        'by "beeline status" while it runs, and by "beeline diff" and "beeline status" as long as the file differs',
      ],
      ['kept', 'over a restart of the daemon or of the machine, with its deadline'],
      ['saved', 'by "beeline save": as weight 0 while it runs, as a removal after that'],
      [
        'ended',
        'by any other change of the real server, for example "beeline weight"; and by "beeline reload", "beeline apply" ' +
          'and a restart with a changed file, which put back what the file has, and say so',
      ],
    ]),
    [
      'beeline drain 192.168.1.100:80 192.168.1.31 --deadline 10m',
      'wait at most ten minutes, then remove the real server',
    ],
    ['beeline drain -u [fd00::100]:53 fd00::31 --no-wait', 'start draining and return at once'],
    [
      'beeline weight 192.168.1.100:80 192.168.1.31 1',
      'end a drain that runs, and give the real server new flows again',
    ],
  );
}

async function drainUntilRemoved(
  place: { readonly service: string; readonly realServer: IpAddress },
  { deadline, wait, json }: Options,
  command: Command,
): Promise<void> {
  const { warnings, ...started } = await ask(command, 'drain', { ...place, deadlineMs: deadline });
  // Daemons of earlier versions send none.
  (warnings as readonly string[] | undefined)?.forEach((warning) => {
    printNote(`beeline: warning: ${warning}\n`);
  });
  let report: DrainReport = started;
  let printed = '';
  while (wait && !report.removed) {
    const line = `${formatDrain(report, Date.now())}\n`;
    if (json !== true && line !== printed) {
      print(line);
      printed = line;
    }
    await sleep(POLL_MS);
    report = await ask(command, 'drainState', place);
  }
  printResult(report, { ...(json && { json }) }, () => `${formatDrain(report, Date.now())}\n`);
}
