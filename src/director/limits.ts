/** The limits of the data path's tables, for a configuration that no daemon runs: "beeline check". */

import { valueSizesFor } from '../dataplane/index.js';
import { compile, NO_NUMBERS, renumber, requiredGeometry } from '../image/index.js';
import { BeelineError, type IpAddress, mac, type Model, type Resolution } from '../model/index.js';

const ANY_MAC = mac('02:00:00:00:00:01');

/**
 * Returns what "beeline run" would refuse because a table has no room; undefined if all fits. All real servers count as
 * answering. What this host has memory for is not looked at: the configuration may be for another one.
 */
export function limitProblem(model: Model): BeelineError | undefined {
  const addresses = [...model.services, ...(model.markServices ?? [])].flatMap(({ destinations }) =>
    destinations.map(({ address }) => address),
  );
  const resolution: Resolution = { state: 'resolved', mac: ANY_MAC, ifindex: 1 };
  const resolutions = new Map(addresses.map((address): [IpAddress, Resolution] => [address, resolution]));
  const interfaces = [{ name: model.interfaces[0] ?? '', ifindex: 1, mac: ANY_MAC, up: true, mtu: 1500, group: 1 }];
  try {
    const image = compile(model, { interfaces, resolutions });
    const { numbering } = renumber(new Map(), image, NO_NUMBERS);
    valueSizesFor(requiredGeometry(image, numbering));
    return undefined;
  } catch (error) {
    if (error instanceof BeelineError && error.code === 'TABLE_FULL') {
      return error;
    }
    throw error;
  }
}
