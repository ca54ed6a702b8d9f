/** `beeline weight`: changes the weight of a real server. */

import { Argument, Command } from 'commander';

import { type AnyServiceKey, type IpAddress, serviceName } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { weight } from '../arguments.js';
import { ask } from '../daemon.js';
import { makeEdit } from '../edits.js';
import { withInstance } from '../instance.js';
import {
  existingService,
  parsed,
  requireWords,
  serverArgument,
  serversIn,
  serviceArgument,
  type ServiceOptions,
  withServiceOptions,
} from '../services.js';
import { print } from '../terminal/print.js';

export function weightCommand(): Command {
  const command = withInstance(new Command('weight'))
    .summary('change the weight of a real server')
    .description(
      'Change the weight of a real server: its part of the new flows, beside the weights of the others. With weight 0 it ' +
        'keeps its flows and takes no new ones; "beeline drain" removes it afterwards, and a drain that runs is ended by this ' +
        'command. The change survives a restart; "beeline save" writes it to the file.',
    )
    .usage('[options] <service> <server> <weight>')
    .addArgument(serviceArgument())
    .addArgument(serverArgument())
    .addArgument(new Argument('[weight]', 'whole number from 0'))
    .action(async (...given: [string?, string?, string?, ServiceOptions?, Command?]) => {
      const [first, second, third, options = {}, self = command] = given;
      const { service: named, rest } = requireWords([first, second, third], options, self, 2);
      const [server] = serversIn(rest.slice(0, 1));
      const value = parsed(rest[1]!, '<weight>', weight);
      await changeWeight(self, await existingService(self, named), server!, value);
    });
  return withExamples(
    withServiceOptions(command),
    ['beeline weight 192.168.1.100:80 192.168.1.31 0', 'give a real server no new flows'],
    ['beeline weight -t 192.168.1.100:80 192.168.1.31 3', 'give it three times the part of one with weight 1'],
  );
}

async function changeWeight(self: Command, service: AnyServiceKey, address: IpAddress, value: number): Promise<void> {
  const { services, markServices } = await ask(self, 'table', {});
  const name = serviceName(service);
  const before = [...services, ...markServices]
    .find((each) => serviceName(each) === name)
    ?.destinations.find((each) => each.address === address);
  if (before === undefined) {
    // The daemon says whether the service or the real server is missing.
    await makeEdit(self, { kind: 'edit-destination', service, destination: { address, weight: value } });
    return;
  }
  const { upperThreshold, lowerThreshold } = before;
  const thresholds = {
    ...(upperThreshold !== undefined && { upperThreshold }),
    ...(lowerThreshold !== undefined && { lowerThreshold }),
  };
  await makeEdit(self, { kind: 'edit-destination', service, destination: { address, weight: value, ...thresholds } });
  print(`${address} of ${name}: weight ${before.asked ?? before.weight} -> ${value}\n`);
}
