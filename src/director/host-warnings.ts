/** What a daemon would warn of on this host, for a configuration that none runs: "beeline check". */

import type { Model, Warning } from '../model/index.js';
import { Network } from '../net/index.js';
import { Offloads } from './offloads.js';

/** Returns the warnings about the network cards of a configuration that this host has. */
export async function hostWarnings({ interfaces, mode }: Model): Promise<Warning[]> {
  using network = await Network.open(() => undefined);
  return await new Offloads({ network, setOffloads: false }).warnings(interfaces.map((name) => ({ name, mode })));
}
