/** Real servers that nobody answers for. */

import { familyOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, RealServerProbe } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { Use } from '../../who.js';
import { few } from '../../words.js';

export const realServerUnreachable: Check = {
  name: 'real-server-unreachable',
  about: 'real servers whose MAC nobody tells: nothing answers ARP or neighbour discovery for them',
  find: (facts) => {
    const use = new Use(facts.director);
    const silent = facts.probes?.realServers.filter(({ macs }) => macs.length === 0) ?? [];
    return few(
      silent.map((each) => findingOf(each, facts, use)),
      'real servers',
    );
  },
};

function findingOf({ address, interface: name }: RealServerProbe, { director, network }: Facts, use: Use): Finding {
  const link = network?.links.find((each) => each.name === name);
  const hasNoCarrier = link?.carrier === false;
  const states = (director.services ?? []).flatMap(({ realServers }) =>
    realServers.filter((each) => each.address === address).map(({ state }) => state),
  );
  return {
    check: 'real-server-unreachable',
    severity: use.severityOf(address),
    subject: address,
    text: `nobody answers for real server ${address} on ${name}${hasNoCarrier ? ', which has no carrier' : ''}`,
    evidence: [
      `no answer to 2 ${familyOf(address) === 4 ? 'ARP requests' : 'neighbour solicitations'} on ${name}`,
      ...(states.length === 0 ? [] : [`the director says: ${[...new Set(states)].join(', ')}`]),
    ],
    why: 'Without its MAC no packet can be sent to it.',
    mend: hasNoCarrier
      ? [{ on: 'director', command: `look at the cable and the switch port of ${name}` }]
      : [
          {
            on: 'real server',
            host: address,
            command: 'bring it up: is it running, and is its address there (ip addr)?',
          },
          { on: 'director', command: `ipvsadm -d … -r ${address}, or weight: 0, until it is there` },
        ],
  };
}
