/** Has VIPs, real servers and their neighbours asked: on which interfaces, and from which addresses. */

import { familyOf, type IpAddress, type Model } from '../../model/index.js';
import type { Network } from '../../net/index.js';
import type { Facts, NetworkFacts, ProbeFacts } from '../facts.js';
import { probe, type ProbeRequest } from '../probe/prober.js';
import { targetsOf, vipsOf } from '../probe/targets.js';

/** @throws KernelError `EPERM` without CAP_NET_RAW */
export async function gatherProbes(
  network: Network,
  model: Model,
  facts: NetworkFacts,
  listenMs: number,
): Promise<{ probes: ProbeFacts; notLookedAt: Facts['notLookedAt'] }> {
  const known = network.neighbours().flatMap(({ ifindex, address, mac }) => {
    const name = network.linkByIndex(ifindex)?.name;
    return name === undefined || mac === undefined ? [] : [{ address, interface: name, mac }];
  });
  const targets = targetsOf(model, facts, known);
  const names = new Set([
    ...model.interfaces,
    ...targets.vips.flatMap(({ interfaces }) => interfaces),
    ...targets.realServers.map((each) => each.interface),
  ]);
  const vips = new Set(vipsOf(model));
  const interfaces = [...names].flatMap((name): ProbeRequest['interfaces'] => {
    const link = network.link(name);
    if (link?.up !== true) {
      return [];
    }
    const { ifindex, mac, mtu } = link;
    const sources = network.sourcesOn(ifindex).filter((each) => !vips.has(each));
    return [{ name, ifindex, mac, mtu, sources: { ...sourceOf(4, sources), ...sourceOf(6, sources) } }];
  });
  const ownMacs = [...new Set(network.links().map(({ mac }) => mac))];
  const probes = await probe({ targets, interfaces, ownMacs, listenMs });
  return { probes, notLookedAt: targets.notLookedAt };
}

/** The address that questions come from: a global one rather than one of the link alone. */
function sourceOf(family: 4 | 6, addresses: readonly IpAddress[]): Partial<Record<4 | 6, IpAddress>> {
  const own = addresses.filter((each) => familyOf(each) === family);
  const source = own.find((each) => !each.startsWith('fe80:')) ?? own[0];
  return source === undefined ? {} : { [family]: source };
}
