/** `beeline stop`: ends the daemon and, with --detach, the data path. */

import { Command } from 'commander';

import { BeelineError } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { instanceFor, withInstance } from '../instance.js';
import { printResult } from '../terminal/print.js';

export function stopCommand(): Command {
  const stop = withInstance(new Command('stop'))
    .summary('stop the daemon; packets are still forwarded')
    .description('Stop the daemon. Packets are still forwarded unless --detach is given.')
    .option('--detach', 'also detach the XDP program and remove all maps; works without a daemon too')
    .addOption(jsonOption())
    .action(async (options: { detach?: true; json?: true }, command: Command) => {
      const { detach = false } = options;
      try {
        const report = await ask(command, 'stop', { detach });
        printResult(report, options, () => formatStop(report));
      } catch (error) {
        if (!detach || !(error instanceof BeelineError) || error.code !== 'NOT_RUNNING') {
          throw error;
        }
        const { detachDataPath } = await import('../../director/detach.js');
        const report = { detached: await detachDataPath(instanceFor(command)) };
        printResult(report, options, () => formatStop(report));
      }
    });
  return withExamples(
    stop,
    ['beeline stop', 'stop the daemon, for example for an upgrade'],
    ['beeline stop --detach', 'stop the daemon and forwarding'],
  );
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
