/** `beeline remove`: removes a service, or real servers from one. */

import { Argument, Command } from 'commander';

import { serviceName } from '../../model/index.js';
import { completes, withExamples } from '../../usage/index.js';
import { realServers } from '../candidates.js';
import { makeEdit } from '../edits.js';
import { withInstance } from '../instance.js';
import {
  existingService,
  requireService,
  serviceArgument,
  type ServiceOptions,
  serversIn,
  withServiceOptions,
} from '../services.js';
import { print } from '../terminal/print.js';
import { inFull } from '../wanted.js';

export function removeCommand(): Command {
  const remove = withInstance(new Command('remove'))
    .summary('remove a service, or real servers from one')
    .description(
      'Remove real servers from a service at once, or the whole service if no real server is named; its port must be given ' +
        'then. Flows to a removed real server go to the others; "beeline drain" lets them end first. The change survives a ' +
        'restart; "beeline save" writes it to the file.',
    )
    .usage('[options] <service> [servers...]')
    .addArgument(serviceArgument())
    .addArgument(completes(new Argument('[servers...]', 'addresses of real servers'), realServers))
    .action(async (name: string | undefined, words: readonly string[], options: ServiceOptions, command: Command) => {
      const { service: named, rest } = requireService([name, ...words], options, command);
      const servers = serversIn(rest);
      if (servers.length === 0) {
        const service = inFull(named);
        await makeEdit(command, { kind: 'delete-service', service });
        print(`removed the service ${serviceName(service)}\n`);
        return;
      }
      const service = await existingService(command, named);
      for (const address of servers) {
        await makeEdit(command, { kind: 'delete-destination', service, address });
        print(`removed ${address} from ${serviceName(service)}\n`);
      }
    });
  return withExamples(
    withServiceOptions(remove),
    ['beeline remove 192.168.1.100:80 192.168.1.31', 'remove a real server'],
    ['beeline remove 192.168.1.100:80', 'remove a service with all its real servers'],
  );
}
