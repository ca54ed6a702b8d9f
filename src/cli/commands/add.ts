/** `beeline add`: adds a service, or real servers to one. */

import { Argument, Command, Option } from 'commander';

import type { IpAddress, Scheduler } from '../../model/index.js';
import { type AnyServiceKey, BeelineError, SCHEDULERS, serviceName } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { weight } from '../arguments.js';
import { ask } from '../daemon.js';
import { makeEdit } from '../edits.js';
import { withInstance } from '../instance.js';
import { requireService, serviceArgument, type ServiceOptions, serversIn, withServiceOptions } from '../services.js';
import { print } from '../terminal/print.js';
import { inFull, isMark, matching, onlyMatch } from '../wanted.js';

interface Options extends ServiceOptions {
  readonly scheduler?: Scheduler;
  readonly weight: number;
}

export function addCommand(): Command {
  const add = withInstance(new Command('add'))
    .summary('add a service, or real servers to one')
    .description(
      'Add real servers to a service, and the service first if it does not exist yet. The change survives a restart; ' +
        '"beeline save" writes it to the file. A service has more settings in the file: see beeline.yaml(5).',
    )
    .usage('[options] <service> [servers...]')
    .addArgument(serviceArgument())
    .addArgument(new Argument('[servers...]', 'addresses of real servers'))
    .addOption(
      new Option('--scheduler <name>', 'rule by which a new service chooses real servers (default: maglev)').choices(
        SCHEDULERS,
      ),
    )
    .option('--weight <n>', 'weight of the real servers: their part of the new flows', weight, 1)
    .action(async (name: string | undefined, words: readonly string[], options: Options, command: Command) => {
      const { service: named, rest } = requireService([name, ...words], options, command);
      const servers = serversIn(rest);
      const all = await ask(command, 'list', {});
      const isThere = matching(named, all).length > 0 || (!isMark(named) && named.port === undefined);
      const service = isThere && rest.length > 0 ? onlyMatch(named, all) : inFull(named);
      if (!isThere || rest.length === 0) {
        await addService(command, service, options.scheduler);
      } else if (options.scheduler !== undefined) {
        throw new BeelineError('SERVICE_EXISTS', `there is a service ${serviceName(service)} already`, {
          hint: 'Leave --scheduler out; "beeline ipvsadm -E" changes the scheduler.',
        });
      }
      await addServers(command, service, servers, options.weight);
    });
  return withExamples(
    withServiceOptions(add),
    ['beeline add 192.168.1.100:80 192.168.1.31 192.168.1.32', 'add a service with two real servers'],
    ['beeline add 192.168.1.100:80 192.168.1.33 --weight 2', 'add a real server that takes twice as many flows'],
    ['beeline add -u 192.168.1.100:53 --scheduler rr', 'add a service of UDP without real servers'],
  );
}

async function addService(self: Command, service: AnyServiceKey, scheduler: Scheduler = 'maglev'): Promise<void> {
  await makeEdit(self, { kind: 'add-service', service, policy: { scheduler } });
  print(`added the service ${serviceName(service)}, ${scheduler}\n`);
}

async function addServers(
  self: Command,
  service: AnyServiceKey,
  servers: readonly IpAddress[],
  asked: number,
): Promise<void> {
  for (const server of servers) {
    await makeEdit(self, { kind: 'add-destination', service, destination: { address: server, weight: asked } });
    print(`added ${server} to ${serviceName(service)}, weight ${asked}\n`);
  }
}
