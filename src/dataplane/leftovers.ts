/** Reads the maps of a daemon that no longer runs, for the command that cleans up after it. */

import type { IpAddress } from '../model/index.js';
import { MapSet } from './maps/map-set.js';
import { readNumbering } from './maps/numbers.js';
import { listSets, setPath } from './pins.js';

/**
 * Returns the real servers in the pinned maps, to which packets went last. Maps of another version cannot be read.
 *
 * @param directory the director's folder in the BPF file system
 */
export function pinnedDestinations(directory: string): Set<IpAddress> {
  const addresses = new Set<IpAddress>();
  for (const number of listSets(directory)) {
    const found = MapSet.open(setPath(directory, number));
    if (typeof found === 'string') {
      continue;
    }
    using set = found;
    for (const { destinations } of readNumbering(set.memory).values()) {
      for (const address of destinations.keys()) {
        addresses.add(address);
      }
    }
  }
  return addresses;
}
