/** Finds what configures the network of this host. */

import { BeelineError } from '../../model/index.js';
import type { AddressWay } from '../boot-file.js';
import type { Machine } from './host.js';

/** Returns what configures this host's network. @throws BeelineError `USAGE` if that cannot be told */
export function wayInUse(host: Machine): AddressWay {
  const ways: readonly (readonly [AddressWay, boolean])[] = [
    ['netplan', host.names('/etc/netplan').some((name) => name.endsWith('.yaml') && !name.includes('beeline'))],
    ['networkmanager', host.exists('/run/NetworkManager')],
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
