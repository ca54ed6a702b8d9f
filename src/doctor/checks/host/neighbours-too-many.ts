/** The kernel's table of neighbours is too small for the real servers. */

import { allServices, type Family, familyOf, type Model } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { NetworkFacts } from '../../facts.js';
import type { HostFacts } from '../../facts-host.js';
import type { Finding } from '../../finding.js';
import { addressesOfRealServers } from '../../probe/targets.js';
import { fixSettings } from './mends.js';

/** From this part of the hard limit on. */
const NEAR = 0.9;
/** The smallest limit that is worth a change. */
const LEAST = 4096;

export const neighboursTooMany: Check = {
  name: 'neighbours-too-many',
  about: "real servers and clients beyond the limits of the kernel's neighbour table (gc_thresh)",
  reads: ['network', 'host'],
  find: ({ director: { model }, network, host }) =>
    host === undefined
      ? []
      : ([4, 6] as const).flatMap((family) => findingsOf(family, serversOf(model, family, network), host)),
};

/** How many real servers are neighbours. Behind a router none is, and with a MAC of their own they need no entry. */
function serversOf(model: Model, family: Family, network: NetworkFacts | undefined): number {
  const known = new Set(
    allServices(model).flatMap(({ destinations }) =>
      destinations.flatMap(({ address, mac }) => (mac === undefined ? [] : [address])),
    ),
  );
  return addressesOfRealServers(model).filter(
    (each) => familyOf(each) === family && !known.has(each) && network?.routes.get(each)?.gateway === undefined,
  ).length;
}

function findingsOf(family: Family, servers: number, { sysctls, neighbourTables }: HostFacts): Finding[] {
  const keyOf = (number: number): string => `net/ipv${family}/neigh/default/gc_thresh${number}`;
  const [first, second, third] = [1, 2, 3].map((each) => Number(sysctls[keyOf(each)]));
  const { entries = 0, refused = 0 } = neighbourTables.find((each) => each.family === family) ?? {};
  // Network namespaces do not see them.
  if (Number.isNaN(first! + second! + third!)) {
    return [];
  }
  const isTooSmall = servers >= third!;
  if (!isTooSmall && servers < second! && entries < third! * NEAR && refused === 0) {
    return [];
  }
  const most = Math.max(LEAST, third!, 2 ** Math.ceil(Math.log2(4 * Math.max(servers, entries, 1))));
  return [
    {
      check: 'neighbours-too-many',
      severity: isTooSmall ? 'error' : 'warning',
      subject: `IPv${family}`,
      text: `the kernel remembers at most ${third} neighbours of IPv${family}, and there are ${servers} real servers`,
      evidence: [
        `gc_thresh1, 2 and 3: ${first}, ${second}, ${third}`,
        `entries now: ${entries}`,
        ...(refused === 0 ? [] : [`${refused} found no room since the machine started (table_fulls)`]),
      ],
      why: isTooSmall
        ? 'Real servers beyond the limit have no entry: their MACs are not known, and nothing is sent to them.'
        : 'From gc_thresh2 on the kernel takes entries out that are in use, so that real servers have no MAC for moments; beyond gc_thresh3 new ones find no room.',
      mend: fixSettings({
        [keyOf(1)]: Math.max(first!, most / 8),
        [keyOf(2)]: Math.max(second!, most / 2),
        [keyOf(3)]: most,
      }),
    },
  ];
}
