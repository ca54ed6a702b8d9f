/** Removing the data path that a daemon left behind. */

import { existsSync } from 'node:fs';

import { hasHostPrograms, pinnedDestinations, removePins } from '../dataplane/index.js';
import { type Instance, type IpAddress, virtualRouters } from '../model/index.js';
import { Network } from '../net/index.js';
import { readStored, removeFile } from '../store/index.js';
import { moment } from './clock.js';
import { removeHostLinks } from './host-clients.js';
import { InstanceLock } from './lock.js';
import { areTaken, leaveVips, nobodyTookOver } from './mastership/leave.js';
import { readMayBeMaster, writeMayBeMaster } from './mastership/track-file.js';
import { preflight } from './preflight.js';
import { runningFormat } from './running-file.js';

/**
 * Takes the program off its interfaces, removes its maps, and ends the kernel's resolving of its real servers. Returns
 * false if there was nothing. Before that, another director takes the VIPs over.
 *
 * @param force also if none does
 * @throws BeelineError `ALREADY_RUNNING` if a daemon has started meanwhile; `NOBODY_TOOK_OVER`
 */
export async function detachDataPath(instance: Instance, force: boolean): Promise<boolean> {
  preflight();
  using lock = new InstanceLock(instance);
  if (existsSync(instance.pinDirectory)) {
    lock.lockPins();
  }
  await giveMastershipUp(instance, force);
  const realServers = pinnedDestinations(instance.pinDirectory);
  const hadHostClients = hasHostPrograms(instance.pinDirectory);
  const removed = removePins(instance.pinDirectory);
  await removeFile(instance.runningPath);
  await removeFile(instance.mastershipPath);
  await stopResolving(realServers);
  if (hadHostClients) {
    using network = await Network.open(() => undefined);
    await removeHostLinks(network, instance.name);
  }
  return removed;
}

/** As a daemon does. What keepalived is told says that packets are not forwarded, and stays. */
async function giveMastershipUp(instance: Instance, force: boolean): Promise<void> {
  const running = readStored(instance.runningPath, runningFormat, moment());
  if (running?.model.vrrp === undefined || readMayBeMaster(instance.forwardsPath) !== true) {
    return;
  }
  const routers = virtualRouters(running.model);
  using network = await Network.open(() => undefined);
  const links = network.linksByAddress();
  const isMaster = routers.some(({ addresses }) => addresses.some((address) => links.has(address)));
  writeMayBeMaster(instance.forwardsPath, false);
  const vips = isMaster ? await leaveVips(network, routers) : [];
  if (!force && !areTaken(vips)) {
    writeMayBeMaster(instance.forwardsPath, true);
    throw nobodyTookOver(vips);
  }
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
