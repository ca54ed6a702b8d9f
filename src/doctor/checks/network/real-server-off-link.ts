/** Real servers that direct routing cannot reach: behind a router, or by an interface that is not the director's. */

import { allServices, type IpAddress, isSelf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, HostRoute, NetworkFacts } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { Use } from '../../who.js';
import { few } from '../../words.js';

export const realServerOffLink: Check = {
  name: 'real-server-off-link',
  about: 'real servers behind a router, without a route, or by an interface that the director does not use',
  find: (facts) => {
    const { network, director } = facts;
    return network === undefined ? [] : few(findingsOf(network, director), 'real servers');
  },
};

function findingsOf(network: NetworkFacts, director: Facts['director']): Finding[] {
  const { model } = director;
  const use = new Use(director);
  // Where a MAC is configured no route is asked for, and on a VLAN of the director's tags neither.
  const routed = allServices(model).flatMap(({ destinations }) =>
    destinations.flatMap(({ address, mac, vlan }) =>
      isSelf(address) || mac !== undefined || vlan !== undefined ? [] : [address],
    ),
  );
  return [...new Set(routed)].flatMap((address) => {
    const fault = faultOf(network.routes.get(address), network, model.interfaces);
    return fault === undefined ? [] : [findingOf(address, fault, model.interfaces, use)];
  });
}

interface Fault {
  readonly text: string;
  readonly evidence: string;
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
    return { text: 'has no route', evidence: 'this host has no route to it' };
  }
  const { interface: name, gateway } = route;
  if (gateway !== undefined) {
    return { text: `is behind the router ${gateway}`, evidence: `the route to it leads to ${gateway} by ${name}` };
  }
  const leaves = network.links.find((each) => each.name === name)?.leaves ?? [];
  return [name, ...leaves].some((each) => interfaces.includes(each))
    ? undefined
    : { text: `is on ${name}, which the director does not use`, evidence: `the route to it leads out by ${name}` };
}

function findingOf(address: IpAddress, fault: Fault, interfaces: readonly string[], use: Use): Finding {
  return {
    check: 'real-server-off-link',
    severity: use.severityOf(address),
    subject: address,
    text: `real server ${address} ${fault.text}`,
    evidence: [fault.evidence, `the director's interfaces: ${interfaces.join(', ')}`],
    why: 'With direct routing, the packet reaches the real server by its MAC, so that both must be on one network: it gets nothing.',
    mend: [
      {
        on: 'real server',
        host: address,
        command: 'give it an address on a network of the director, and use that one',
      },
      {
        on: 'configuration',
        command: 'interfaces: name the interface that leads to it, if it is on a network of this host',
      },
    ],
  };
}
