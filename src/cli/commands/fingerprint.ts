/** `beeline fingerprint`: what packets follow, in a form that another director's can be compared with. */

import { createHash } from 'node:crypto';

import { Command } from 'commander';

import { type Forwarded, type ForwardedService, markMatchName } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { withInstance } from '../instance.js';
import { formatTable } from '../terminal/format.js';
import { printResult } from '../terminal/print.js';

export function fingerprintCommand(): Command {
  const fingerprint = withInstance(new Command('fingerprint'))
    .summary('show what packets follow, to compare directors')
    .description(
      'Show a fingerprint of what the packets of each service follow: its rules, the weights of its real servers as health, ' +
        'maintenance and drains make them, and which real server each slot of its table leads to. Two directors with the ' +
        'same fingerprint send the same flow of a hashing scheduler to the same real server. "beeline diff --peer HOST" ' +
        'compares two directors and says where they differ.',
    )
    .addOption(jsonOption())
    .action(async (options: { json?: true }, command: Command) => {
      const forwarded = await ask(command, 'forwarded', {});
      printResult(forwarded, options, () => formatForwarded(forwarded));
    });
  return withExamples(fingerprint, ['beeline fingerprint', 'show a fingerprint of each service, and of all']);
}

export function formatForwarded(forwarded: Forwarded): string {
  const { services, timeouts, markRules } = forwarded;
  const rows = services.map((service) => {
    const taking = service.realServers.filter(({ weight, reachable = true }) => weight > 0 && reachable).length;
    return [service.service, `${taking} of ${service.realServers.length}`, fingerprintOf(service)];
  });
  const rules = markRules.map(({ mark, match }) => `${mark} ${markMatchName(match)}`).sort();
  const all = digest([Object.entries(timeouts).sort(), rules, services.map(fingerprintOf)]);
  return formatTable(
    [{ title: 'SERVICE' }, { title: 'TAKE FLOWS', align: 'right' }, { title: 'FINGERPRINT' }],
    [...rows, ['all of it', '', all]],
  );
}

/** Without reasons, which two directors may say in other words. */
function fingerprintOf({ service, policy, table, realServers }: ForwardedService): string {
  return digest([
    service,
    Object.entries(policy).sort(),
    table,
    realServers.map(({ reason: _reason, ...server }) => server),
  ]);
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12);
}
