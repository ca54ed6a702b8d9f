/** Real servers that direct routing cannot reach: behind a router, or by an interface that is not the director's. */

import { allServices, type IpAddress, isSelf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, HostRoute, NetworkFacts } from '../../facts.js';
import type { Finding, Mend } from '../../finding.js';
import { Use } from '../../who.js';
import { few } from '../../words.js';
import { brokenInterfaces } from './interface-down.js';

export const realServerOffLink: Check = {
  name: 'real-server-off-link',
  about: 'real servers behind a router, without a route, or by an interface that the director does not use',
  reads: ['network'],
  find: (facts) => {
    const { network, director } = facts;
    return network === undefined ? [] : few(findingsOf(network, director), 'real servers');
  },
};

function findingsOf(network: NetworkFacts, director: Facts['director']): Finding[] {
  const { model } = director;
  const use = new Use(director);
  // What follows from an interface that is missing or down is told there.
  const isWhole = brokenInterfaces(model, network).length === 0;
  // Where a MAC is configured no route is asked for, and on a VLAN of the director's tags neither.
  const routed = allServices(model).flatMap(({ destinations }) =>
    destinations.flatMap(({ address, mac, vlan }) =>
      isSelf(address) || mac !== undefined || vlan !== undefined ? [] : [address],
    ),
  );
  return [...new Set(routed)].flatMap((address) => {
    const fault = faultOf(network.routes.get(address), network, model.interfaces);
    return fault === undefined || (!isWhole && fault.isByInterface)
      ? []
      : [findingOf(address, fault, model.interfaces, use)];
  });
}

/** Whether direct routing cannot reach a real server, by its route. */
export function isOffLink(address: IpAddress, { director: { model }, network }: Facts): boolean {
  return network !== undefined && faultOf(network.routes.get(address), network, model.interfaces) !== undefined;
}

interface Fault {
  readonly text: string;
  readonly evidence: string;
  /** Of an interface: it is not there, or not the director's. */
  readonly isByInterface: boolean;
  readonly mend: Mend;
}

function faultOf(
  route: HostRoute | undefined,
  network: NetworkFacts,
  interfaces: readonly string[],
): Fault | undefined {
  if (route?.kind === 'local') {
    return undefined;
  }
  if (route?.kind !== 'unicast') {
    return {
      ...{ text: 'has no route', evidence: 'this host has no route to it', isByInterface: true },
      mend: { on: 'director', command: `give ${interfaces[0] ?? 'it'} an address on its network: ip addr add` },
    };
  }
  const { interface: name, gateway } = route;
  if (gateway !== undefined) {
    return {
      ...{ text: `is behind the router ${gateway}`, evidence: `the route to it leads to ${gateway} by ${name}` },
      isByInterface: false,
      mend: { on: 'real server', command: 'give it an address on a network of the director, and use that one' },
    };
  }
  const link = network.links.find((each) => each.name === name);
  if ([name, ...(link?.egresses ?? [])].some((each) => interfaces.includes(each))) {
    return undefined;
  }
  const under = (link?.leaves ?? []).filter((each) => interfaces.includes(each));
  const wanted = [...interfaces.filter((each) => !under.includes(each)), name].join(', ');
  return {
    text: `is on ${name}, which the director does not use`,
    evidence:
      `the route to it leads out by ${name}` + (under.length === 0 ? '' : `, a ${link?.kind} over ${under.join(', ')}`),
    isByInterface: true,
    mend: {
      on: 'configuration',
      // The drivers of such devices have no native mode.
      command: `interfaces: [${wanted}]${under.length === 0 ? '' : ', with mode: generic'}`,
    },
  };
}

function findingOf(address: IpAddress, fault: Fault, interfaces: readonly string[], use: Use): Finding {
  const { text, evidence, mend } = fault;
  return {
    check: 'real-server-off-link',
    severity: use.severityOf(address),
    subject: address,
    text: `real server ${address} ${text}`,
    evidence: [evidence, `the director's interfaces: ${interfaces.join(', ')}`],
    why: 'With direct routing, the packet reaches the real server by its MAC, so that both must be on one network: it gets nothing.',
    mend: [mend.on === 'real server' ? { ...mend, host: address } : mend],
  };
}
