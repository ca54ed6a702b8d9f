/** Has VIPs, real servers and their neighbours asked: on which interfaces, and from which addresses. */

import { familyOf, type IpAddress, isLinkLocal, type Model, vipsOf } from '../../model/index.js';
import { KernelError } from '../../native/index.js';
import type { Network } from '../../net/index.js';
import type { Facts, NetworkFacts, ProbeFacts } from '../facts.js';
import { probe, type ProbeRequest } from '../probe/prober.js';
import { type Targets, targetsOf } from '../probe/targets.js';
import { ownMacs } from '../vrrp.js';

/** @throws Error without CAP_NET_RAW */
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
    // Where directors hear each other may be a cable of their own.
    ...(model.vrrp?.instances ?? []).map((each) => each.interface),
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
  const { lost, ...probes } = await asRoot(probe({ targets, interfaces, ownMacs: ownMacs(facts), listenMs }));
  return {
    probes,
    notLookedAt: [
      ...absentOf(model, facts),
      ...targets.notLookedAt,
      ...gapsIn(probes, lost),
      ...withoutSource(targets, interfaces),
    ],
  };
}

/** Says what is missing in the user's words. */
async function asRoot<Result>(probing: Promise<Result>): Promise<Result> {
  try {
    return await probing;
  } catch (error) {
    if (error instanceof KernelError && error.code === 'EPERM') {
      throw new Error('only root may send and hear frames (CAP_NET_RAW): use sudo', { cause: error });
    }
    throw error;
  }
}

/** Interfaces by which nobody can be asked. */
function absentOf({ interfaces }: Model, { links }: NetworkFacts): Facts['notLookedAt'] {
  return interfaces.flatMap((name) => {
    const link = links.find((each) => each.name === name);
    const why = link === undefined ? 'there is no such interface' : link.up ? undefined : 'it is down';
    return why === undefined ? [] : [{ what: `hosts on ${name}`, why }];
  });
}

/** What may be silent for a reason of this host. */
function gapsIn({ dropped }: ProbeFacts, lost: readonly string[]): Facts['notLookedAt'] {
  return [
    ...lost.map((name) => ({ what: `what comes by ${name}`, why: 'it went down meanwhile' })),
    ...(dropped === 0
      ? []
      : [{ what: `${dropped} frames`, why: 'they came faster than they were read: who is silent may have answered' }]),
  ];
}

/** Real servers that only ARP and neighbour discovery can ask: an answer needs an address of this host to go to. */
function withoutSource({ realServers }: Targets, interfaces: ProbeRequest['interfaces']): Facts['notLookedAt'] {
  const sources = new Map(interfaces.map(({ name, sources: of }) => [name, of]));
  const without = realServers.filter((each) => sources.get(each.interface)?.[familyOf(each.address)] === undefined);
  const places = new Set(without.map((each) => `IPv${familyOf(each.address)} real servers on ${each.interface}`));
  return [...places].map((what) => ({
    what,
    why: 'this host has no address there but VIPs, to which they could answer',
  }));
}

/** The address that questions come from: a global one rather than one of the link alone. */
function sourceOf(family: 4 | 6, addresses: readonly IpAddress[]): Partial<Record<4 | 6, IpAddress>> {
  const own = addresses.filter((each) => familyOf(each) === family);
  const source = own.find((each) => !isLinkLocal(each)) ?? own[0];
  return source === undefined ? {} : { [family]: source };
}
