/** `beeline stop`: ends the daemon and, with --detach, the data path. */

import { Command } from 'commander';

import { BeelineError } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { instanceFor, withInstance } from '../instance.js';
import { canAsk, confirm } from '../terminal/confirm.js';
import { printResult } from '../terminal/print.js';

export function stopCommand(): Command {
  const stop = withInstance(new Command('stop'))
    .summary('stop the daemon; packets are still forwarded')
    .description('Stop the daemon. Packets are still forwarded unless --detach is given.')
    .option('--detach', 'also detach the XDP program and remove all maps; works without a daemon too')
    .option('--force', 'with --detach: also if no other director takes the VIPs over ("vrrp")')
    .addOption(jsonOption())
    .action(async (options: { detach?: true; force?: true; json?: true }, command: Command) => {
      const { detach = false, force = false } = options;
      const report = await stopOrAsk(command, detach, detach && force);
      printResult(report, options, () => formatStop(report));
    });
  return withExamples(
    stop,
    ['beeline stop', 'stop the daemon, for example for an upgrade'],
    ['beeline stop --detach', 'stop the daemon and forwarding'],
  );
}

type Stopped = Parameters<typeof formatStop>[0];

/** Before it detaches although nobody takes the VIPs over, it asks. */
async function stopOrAsk(command: Command, detach: boolean, force: boolean): Promise<Stopped> {
  try {
    return await stopOnce(command, detach, force);
  } catch (error) {
    if (!(error instanceof BeelineError) || error.code !== 'NOBODY_TOOK_OVER' || !canAsk()) {
      throw error;
    }
    if (!(await confirm(`${error.message}. Detach all the same?`))) {
      throw error;
    }
    return stopOnce(command, detach, true);
  }
}

async function stopOnce(command: Command, detach: boolean, force: boolean): Promise<Stopped> {
  try {
    return await ask(command, 'stop', { detach, ...(force && { force }) }, { untilEnd: true });
  } catch (error) {
    if (!detach || !(error instanceof BeelineError) || error.code !== 'NOT_RUNNING') {
      throw error;
    }
    const { detachDataPath } = await import('../../director/detach.js');
    return { detached: await detachDataPath(instanceFor(command), force) };
  }
}

/** @param report without a pid if no daemon was running */
export function formatStop({
  pid,
  detached,
  endsWithNamespace = false,
}: {
  pid?: number;
  detached: boolean;
  endsWithNamespace?: boolean | undefined;
}): string {
  if (pid === undefined) {
    return detached ? 'no daemon is running; detached\n' : 'no daemon is running, and nothing is attached\n';
  }
  const after = detached
    ? 'detached'
    : endsWithNamespace
      ? 'forwarding ends with its mount namespace, which has the BPF file system with the pins'
      : 'packets are still forwarded';
  return `stopped the daemon (pid ${pid}); ${after}\n`;
}
