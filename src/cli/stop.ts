/** `beeline stop`: end the daemon, and the data path if asked. */

import { Command } from 'commander';

import type { Instance } from '../director/instance.js';
import { BeelineError } from '../model/index.js';
import { ask, instanceFor, print, withInstance } from './context.js';

export function stopCommand(): Command {
  return withInstance(new Command('stop'))
    .summary('end the daemon; packets are forwarded still')
    .description('End the daemon. Packets are forwarded as before unless --detach is given.')
    .option('--detach', 'take the XDP program off its interfaces and remove all maps; works without a daemon too')
    .action(async ({ detach = false }: { detach?: boolean }, command: Command) => {
      const instance = instanceFor(command);
      try {
        const { pid, detached } = await ask(command, 'stop', { detach });
        print(`stopped the daemon (pid ${pid}); ${detached ? 'detached' : 'packets are forwarded still'}\n`);
      } catch (error) {
        if (!detach || !(error instanceof BeelineError) || error.code !== 'NOT_RUNNING') {
          throw error;
        }
        await detachAlone(instance);
      }
    });
}

/** The daemon is gone and its data path is there. */
async function detachAlone(instance: Instance): Promise<void> {
  const { detachDataPath } = await import('../director/detach.js');
  print(
    (await detachDataPath(instance))
      ? 'no daemon is running; detached\n'
      : 'no daemon is running, and nothing is attached\n',
  );
}
