/** `beeline push`: offers the running configuration to another director. */

import { Argument, Command } from 'commander';

import { BeelineError } from '../../model/index.js';
import { exitsWith, withExamples } from '../../usage/index.js';
import { maxMovedOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { ExitStatus } from '../exit-status.js';
import { withInstance } from '../instance.js';
import { askPeer, type PeerOptions, requireDone, withPeerOptions } from '../peer.js';
import { canAsk, confirm } from '../terminal/confirm.js';
import { print } from '../terminal/print.js';

interface Options extends PeerOptions {
  readonly yes?: true;
  readonly save?: true;
  readonly maxMoved?: number;
}

export function pushCommand(): Command {
  const push = withInstance(new Command('push'))
    .summary('give another director the running configuration')
    .description(
      'Show what the running configuration of this director would change on another one, and after a question make it run ' +
        "there too. What is that host's own stays as it is: interfaces, mode, vlans, directors, vrrp and flowHandOver; so does what is " +
        'beside the configuration, such as maintenance. It goes over SSH, as "beeline plan --keep-host -" and "beeline ' +
        'apply --keep-host -" there.',
    )
    .addArgument(new Argument('<host>', "the other director's host, as for ssh"))
    .option('--yes', 'do not ask')
    .option('--save', "write it to the other director's file too")
    .addOption(maxMovedOption());
  return withExamples(
    exitsWith(withPeerOptions(push), ExitStatus.changes, ExitStatus.refused).action(pushTo),
    ['beeline push lb2', 'show what would change on lb2, and ask'],
    ['beeline push --yes --save lb2', 'change it, and its file'],
  );
}

async function pushTo(host: string, options: Options, command: Command): Promise<void> {
  const [{ model }, { formatConfig }] = await Promise.all([ask(command, 'model', {}), import('../../config/index.js')]);
  const text = formatConfig(model);
  const limit = options.maxMoved === undefined ? [] : ['--max-moved', `${100 * options.maxMoved}%`];
  const planned = await askPeer(host, ['plan', '--keep-host', ...limit, '-'], options, text);
  requireDone(host, planned, [ExitStatus.ok, ExitStatus.changes]);
  if (planned.status === ExitStatus.ok) {
    print(`${host}: ${planned.output}`);
  } else {
    print(planned.output);
    if (!(await isWanted(host, options))) {
      process.exitCode = ExitStatus.changes;
      return;
    }
    const applied = await askPeer(host, ['apply', '--keep-host', ...limit, '-'], options, text);
    requireDone(host, applied, [ExitStatus.ok]);
    print(`${host}: ${applied.output.trimEnd().split('\n').at(-1)!}\n`);
  }
  if (options.save === true) {
    const saved = await askPeer(host, ['save'], options);
    requireDone(host, saved, [ExitStatus.ok]);
    print(`${host}: ${saved.output}`);
  }
}

/** @throws BeelineError `USAGE` if there is nobody to ask */
async function isWanted(host: string, { yes }: Options): Promise<boolean> {
  if (yes === true) {
    return true;
  }
  if (!canAsk()) {
    throw new BeelineError('USAGE', `nothing was changed on ${host}: there is no terminal to ask on`, {
      hint: 'Repeat it with --yes.',
    });
  }
  return confirm(`Change this on ${host}?`);
}
