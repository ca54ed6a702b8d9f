/** Removing the data path that a daemon left behind. */

import { existsSync } from 'node:fs';

import { hasHostPrograms, pinnedDestinations, removePins } from '../dataplane/index.js';
import type { Instance, IpAddress } from '../model/index.js';
import { Network } from '../net/index.js';
import { removeFile } from '../store/index.js';
import { removeHostLinks } from './host-clients.js';
import { InstanceLock } from './lock.js';
import { preflight } from './preflight.js';

/**
 * Takes the program off its interfaces, removes its maps, and ends the kernel's resolving of its real servers. Returns
 * false if there was nothing.
 *
 * @throws BeelineError `ALREADY_RUNNING` if a daemon has started meanwhile
 */
export async function detachDataPath(instance: Instance): Promise<boolean> {
  preflight();
  using lock = new InstanceLock(instance);
  if (existsSync(instance.pinDirectory)) {
    lock.lockPins();
  }
  const realServers = pinnedDestinations(instance.pinDirectory);
  const hadHostClients = hasHostPrograms(instance.pinDirectory);
  const removed = removePins(instance.pinDirectory);
  await removeFile(instance.runningPath);
  await stopResolving(realServers);
  if (hadHostClients) {
    using network = await Network.open(() => undefined);
    await removeHostLinks(network, instance.name);
  }
  return removed;
}

/** Without this the kernel would look for the real servers until the next boot. */
async function stopResolving(realServers: ReadonlySet<IpAddress>): Promise<void> {
  if (realServers.size === 0) {
    return;
  }
  using network = await Network.open(() => undefined);
  for (const { address, ifindex } of network.managedNeighbours()) {
    if (realServers.has(address)) {
      await network.manageNeighbour(ifindex, address, false);
    }
  }
}
