/** Finds what configures the network of this host. */

import { BeelineError } from '../../model/index.js';
import type { AddressWay } from '../boot-file.js';
import type { Machine } from './host.js';
import { readNetplan } from './netplan.js';

/**
 * NetworkManager has profiles of lo since 1.42: an older one would pass over the file.
 *
 * @throws BeelineError `USAGE`
 */
export async function requireLoopbackProfiles(host: Machine): Promise<void> {
  const version = (await host.listing('NetworkManager', '--version'))?.trim() ?? '';
  const [, major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  if (major === 1 && minor < 42) {
    throw new BeelineError('USAGE', `NetworkManager ${version} has no profiles of lo: they came with 1.42`, {
      hint: 'Choose another way by --persist, or put the commands that "--dry-run" shows into what runs at each boot.',
    });
  }
}

/** Returns what configures this host's network. @throws BeelineError `USAGE` if that cannot be told */
export function wayInUse(host: Machine): AddressWay {
  const hasNetplan = host.names('/etc/netplan').some((name) => name.endsWith('.yaml') && !name.includes('beeline'));
  const ways: readonly (readonly [AddressWay, boolean])[] = [
    ['netplan', hasNetplan && readNetplan(host).renderer === 'networkd'],
    // Where netplan only hands over to NetworkManager, that has what netplan lacks: lo, and cards without a definition.
    ['networkmanager', hasNetplan || host.exists('/run/NetworkManager')],
    ['systemd-networkd', host.exists('/run/systemd/netif')],
    ['ifupdown', host.exists('/etc/network/interfaces')],
  ];
  const found = ways.find(([, isUsed]) => isUsed)?.[0];
  if (found === undefined) {
    throw new BeelineError('USAGE', 'what configures the network of this host is none that Beeline knows', {
      hint: 'Name it by --persist, or put the commands that "--dry-run" shows into what runs at each boot.',
    });
  }
  return found;
}
