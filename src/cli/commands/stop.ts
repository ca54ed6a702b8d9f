/** `beeline stop`: end the daemon, and the data path if asked. */

import { Command } from 'commander';

import { BeelineError } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { ask } from '../daemon.js';
import { instanceFor, withInstance } from '../instance.js';
import { jsonOption, printResult } from '../terminal/print.js';

export function stopCommand(): Command {
  const stop = withInstance(new Command('stop'))
    .summary('end the daemon; packets are forwarded still')
    .description('End the daemon. Packets are forwarded as before unless --detach is given.')
    .option('--detach', 'take the XDP program off its interfaces and remove all maps; works without a daemon too')
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
    ['beeline stop', 'end the daemon, for an upgrade for example'],
    ['beeline stop --detach', 'end forwarding too'],
  );
}

/** @param report without a pid where there was no daemon, and its data path may have been there */
export function formatStop({ pid, detached }: { pid?: number; detached: boolean }): string {
  if (pid === undefined) {
    return detached ? 'no daemon is running; detached\n' : 'no daemon is running, and nothing is attached\n';
  }
  return `stopped the daemon (pid ${pid}); ${detached ? 'detached' : 'packets are forwarded still'}\n`;
}
