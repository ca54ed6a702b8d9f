/** Finds what configures the network of this host. */

import { BeelineError } from '../../model/index.js';
import type { AddressWay } from '../boot-file.js';
import type { Machine } from './host.js';
import { readNetplan } from './netplan.js';
import { placeFor, type PlaceRequest } from './places.js';

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

/** An interface that something configures at each boot. */
export type WayRequest = Omit<PlaceRequest, 'way'>;

/**
 * Returns what configures an interface of this host: of several programs, the first that can bring VIPs on it back.
 *
 * @throws BeelineError `USAGE` if that cannot be told, or none can
 */
export async function wayInUse(host: Machine, request: WayRequest): Promise<AddressWay> {
  let first: BeelineError | undefined;
  for (const way of ORDER.filter((each) => isInUse(host, each))) {
    try {
      placeFor(host, { ...request, way });
      if (way === 'networkmanager' && request.device === 'lo') {
        await requireLoopbackProfiles(host);
      }
      return way;
    } catch (error) {
      if (!(error instanceof BeelineError)) {
        throw error;
      }
      first ??= error;
    }
  }
  throw (
    first ??
    new BeelineError('USAGE', 'what configures the network of this host is none that Beeline knows', {
      hint: 'Name it by --persist, or put the commands that "--dry-run" shows into what runs at each boot.',
    })
  );
}

/**
 * netplan has the interfaces of the next two. NetworkManager knows as its own what systemd-networkd configured, and its script
 * would not run when that configures the interface anew.
 */
const ORDER: readonly AddressWay[] = ['netplan', 'systemd-networkd', 'networkmanager', 'ifupdown'];

function isInUse(host: Machine, way: AddressWay): boolean {
  switch (way) {
    case 'netplan':
      return readNetplan(host).hasFiles;
    // Where netplan only hands over to NetworkManager, that has what netplan lacks: lo, and cards without a definition.
    case 'networkmanager':
      return host.exists('/run/NetworkManager') || readNetplan(host).renderer === 'NetworkManager';
    // Its package makes the folder at each boot, whether it runs or not; the file is its own.
    case 'systemd-networkd':
      return host.exists('/run/systemd/netif/state');
    case 'ifupdown':
      return host.exists('/etc/network/interfaces');
  }
}

/** Returns what people should know of a program that will not read a file of ours as things are; undefined: it will. */
export function noteOnWay(host: Machine, way: AddressWay): string | undefined {
  // netplan has systemd start what it writes files for.
  const runs = way === 'netplan' || isInUse(host, way);
  return runs ? undefined : `${way} does not run on this host: its file brings nothing back until it does at each boot`;
}
