/** Where the program that configures the network has an interface. Pure. */

import type { AddressWay } from './boot-file.js';

/** A place to which a file of ours adds addresses, so that it replaces nothing. */
export type Place =
  /** `network`: the file of systemd-networkd that the interface follows; none: a file of ours is that, of lo alone. */
  | { readonly way: 'systemd-networkd'; readonly network?: string }
  /** The definition that the interface has: its section ("ethernets") and its id. */
  | { readonly way: 'netplan'; readonly section: string; readonly id: string }
  | { readonly way: 'ifupdown' }
  | { readonly way: 'networkmanager' };

/** The place of lo where nothing else configures it. */
export function placeOfLo(way: AddressWay): Place {
  return way === 'netplan' ? { way, section: 'ethernets', id: 'lo' } : { way };
}
