/** What a daemon that is gone left in its maps, for whoever clears up after it. */

import type { IpAddress } from '../model/index.js';
import { MapSet } from './map-set.js';
import { listSets, setPath } from './pins.js';

/**
 * The real servers that pinned maps name: those that packets went to last. Maps of another version cannot be read and
 * name none.
 *
 * @param directory the director's own folder in the BPF file system
 */
export function pinnedDestinations(directory: string): Set<IpAddress> {
  const addresses = new Set<IpAddress>();
  for (const number of listSets(directory)) {
    const found = MapSet.open(setPath(directory, number));
    if (typeof found === 'string') {
      continue;
    }
    using set = found;
    for (const { destinations } of set.readNumbering().values()) {
      for (const address of destinations.keys()) {
        addresses.add(address);
      }
    }
  }
  return addresses;
}
