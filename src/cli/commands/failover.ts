/** `beeline failover`: gives mastership up on purpose, or asks for it back. */

import { Command } from 'commander';

import type { FailoverReport } from '../../control/index.js';
import { BeelineError } from '../../model/index.js';
import { withExamples, withSection } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { withInstance } from '../instance.js';
import { canAsk, confirm } from '../terminal/confirm.js';
import { printResult } from '../terminal/print.js';

interface Options {
  readonly take?: true;
  readonly force?: true;
  readonly json?: true;
}

export function failoverCommand(): Command {
  const failover = withInstance(new Command('failover'))
    .summary('give the VIPs to another director, or take them back')
    .description(
      'Give mastership up, wait until keepalived has taken the VIPs off this host, and say who answers for them. If nobody ' +
        'does, mastership is taken back; on a terminal, ask before. Packets that still arrive are forwarded.',
    )
    .option('--take', 'ask for mastership again: keepalived takes it by its priorities and "preempt"')
    .option('--force', 'give it up although no other director takes over: nobody has the VIPs then')
    .addOption(jsonOption())
    .action(async (options: Options, command: Command) => {
      const { take = false, force = false } = options;
      const first = await ask(command, 'failover', { take, force: force && !take });
      const report = first.takenBack === true ? await askAgain(first, command) : first;
      printResult(report, options, () => formatFailover(report, take));
    });
  return withExamples(
    withSection(failover, 'What lasts', [
      ['over a restart of the daemon', 'mastership stays given up'],
      ['over a boot', 'it does not: mastership follows forwarding again'],
      ['until', '"beeline failover --take"'],
    ]),
    ['beeline failover', 'give the VIPs to the other director, for work on this one'],
    ['beeline failover --take', 'end that'],
  );
}

/** Nobody took over. @throws BeelineError `NOBODY_TOOK_OVER` unless the user wants it all the same */
async function askAgain(first: FailoverReport, command: Command): Promise<FailoverReport> {
  const lack = first.vips
    .filter(({ owner }) => owner === undefined)
    .map(({ address, here }) => (here ? `${address} stayed on this host` : `nobody answered for ${address}`))
    .join(', ');
  if (canAsk() && (await confirm(`No other director took over: ${lack}. Give mastership up all the same?`))) {
    return ask(command, 'failover', { take: false, force: true });
  }
  throw new BeelineError(
    'NOBODY_TOOK_OVER',
    `no other director took over, and this one took mastership back: ${lack}`,
    {
      hint: 'See whether the other director runs and may be master ("beeline status" there), or use --force.',
    },
  );
}

export function formatFailover({ mayBeMaster, reasons, vips }: FailoverReport, take: boolean): string {
  if (take) {
    return mayBeMaster
      ? 'this director may be master again; keepalived decides by priorities whether it is\n'
      : `this director may not be master yet: ${reasons.join('; ')}\n`;
  }
  const places = vips.map(({ address, here, owner }) =>
    here
      ? `${address} is on this host still: keepalived does not follow\n`
      : `${address} is ${owner === undefined ? 'nowhere: nobody answers for it' : `at ${owner}`}\n`,
  );
  return `mastership is given up; "beeline failover --take" asks for it back\n${places.join('')}`;
}
