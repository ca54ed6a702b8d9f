/** From the output of the look to what is wrong on the host. */

import type { IpAddress } from '../../model/index.js';
import type { Finding, VipPorts } from '../check/finding.js';
import { checkHost } from '../shell/check.js';
import { partsOf } from './parse.js';
import { Snapshot } from './snapshot.js';

/** Returns the host; undefined: the output was cut off, or it is not the look's. */
export function readLook(output: string): Snapshot | undefined {
  const parts = partsOf(output);
  return parts === undefined ? undefined : new Snapshot(parts);
}

/**
 * Returns what "beeline realserver check" would find on the host.
 *
 * @throws BeelineError what checkHost() throws, for a record that is damaged
 */
export async function checkSnapshot(
  host: Snapshot,
  portsOf: ReadonlyMap<IpAddress, VipPorts>,
): Promise<readonly Finding[]> {
  return (await checkHost(host, { vips: [...portsOf.keys()], method: undefined, ports: [], portsOf })) ?? [];
}
