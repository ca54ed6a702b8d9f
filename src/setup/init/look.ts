/** Looks at the machine for what a first configuration needs to know. */

import { nativeXdp, Network } from '../../net/index.js';
import { type Machine, parseAddresses } from '../../steps/index.js';
import { parseDefaults, parseNeighbours } from './listings.js';
import { candidates, type Surroundings } from './machine.js';

/** @throws BeelineError `HOST_FAILED`, `HOST_TOOL` */
export async function lookAround(host: Machine): Promise<Surroundings> {
  using network = await Network.open(() => undefined);
  const links = network.links();
  const [addresses, neighbours, ...routes] = await Promise.all([
    host.run({ file: 'ip', args: ['-j', 'address', 'show'] }),
    host.listing('ip', '-j', 'neigh', 'show'),
    host.listing('ip', '-j', '-4', 'route', 'show', 'default'),
    host.listing('ip', '-j', '-6', 'route', 'show', 'default'),
  ]);
  const found = candidates({
    links,
    addresses: parseAddresses(addresses).addresses,
    neighbours: parseNeighbours(neighbours ?? ''),
    defaults: routes.flatMap((text) => parseDefaults(text ?? '')),
    nativeXdp: await nativeXdp(links.map(({ ifindex }) => ifindex)),
  });
  return { candidates: found, names: links.map(({ name }) => name) };
}
