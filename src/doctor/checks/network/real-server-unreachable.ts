/** Real servers that nobody answers for, or that answer nothing else than for their address. */

import { allServices, familyOf, type IpAddress, isSelf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { DirectorFacts, Facts, Outcome, RealServerProbe } from '../../facts.js';
import type { Finding, Mend } from '../../finding.js';
import { Use } from '../../who.js';
import { few, outcomeText } from '../../words.js';
import { brokenInterfaces } from './interface-down.js';
import { isOffLink } from './real-server-off-link.js';

const NAME = 'real-server-unreachable';

export const realServerUnreachable: Check = {
  name: NAME,
  about: 'real servers that do not answer ARP or neighbour discovery, or answer nothing else',
  reads: ['network', 'probes'],
  find: (facts) => {
    const use = new Use(facts.director);
    const { realServers = [] } = facts.probes ?? {};
    return [
      realServers.filter(({ macs }) => macs.length === 0).map((each) => findingOf(each, facts, use)),
      realServers.filter((each) => isMute(each, facts.director)).map((each) => ofMute(each, use)),
      unresolved(facts).map((each) => ofUnresolved(each, facts, use)),
    ].flatMap((findings) => few(findings, 'real servers'));
  },
};

function findingOf({ address, interface: name }: RealServerProbe, { director, network }: Facts, use: Use): Finding {
  const link = network?.links.find((each) => each.name === name);
  const hasNoCarrier = link?.carrier === false;
  const states = (director.services ?? []).flatMap(({ realServers }) =>
    realServers.filter((each) => each.address === address).map(({ state }) => state),
  );
  return {
    check: NAME,
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
          withoutIt(address, director),
        ],
  };
}

/** What gives it no new flows until it is there: of a daemon by a command. */
function withoutIt(address: IpAddress, { source }: DirectorFacts): Mend {
  return source === 'daemon'
    ? {
        on: 'director',
        command: `beeline disable all ${address}, and "beeline enable all ${address}" once it is there`,
      }
    : { on: 'configuration', command: `"weight: 0" for ${address}, until it is there` };
}

/** Whether no packet that was asked for an answer had one, although the MAC is known by an answer. */
function isMute({ address, macs, ping, vips }: RealServerProbe, { model, checks = [] }: DirectorFacts): boolean {
  const asked = vips.flatMap((each) => [each.ping, ...each.ports.flatMap(({ byVip, byRip }) => [byVip, byRip])]);
  const isSilent = [ping, ...asked].every((outcome) => outcome === undefined || outcome.kind === 'silent');
  // A configured MAC is no answer: that host may be on another network, or behind tags.
  const isGiven = allServices(model).some(({ destinations }) =>
    destinations.some((each) => each.address === address && each.mac !== undefined),
  );
  const passes = checks.some(({ realServers }) =>
    realServers.some((each) => each.address === address && each.checks.some(({ last }) => last?.passed === true)),
  );
  return macs.length > 0 && ping !== undefined && isSilent && !isGiven && !passes;
}

function ofMute({ address, macs, ping, vips }: RealServerProbe, use: Use): Finding {
  const protocol = familyOf(address) === 4 ? 'ARP' : 'neighbour discovery';
  const [first] = vips;
  const port = first?.ports.find(({ byVip }) => byVip !== undefined);
  const said = (what: string, outcome: Outcome | undefined): string => `${what}: ${outcomeText(outcome)}`;
  return {
    check: NAME,
    // Pings alone are filtered in many places.
    severity: port === undefined ? 'note' : use.severityOf(address),
    subject: address,
    text: `real server ${address} answers ${protocol}, and nothing else that comes from this host`,
    evidence: [
      said(`ping to ${address} by ${macs[0]}`, ping),
      ...(first === undefined ? [] : [said(`ping to ${first.vip} by ${macs[0]}`, first.ping)]),
      ...(first === undefined || port === undefined
        ? []
        : [
            `SYN to port ${port.port}: of ${first.vip}, ${outcomeText(port.byVip)}; of ${address}, ${outcomeText(port.byRip)}`,
          ]),
    ],
    why: 'Its share of the clients waits in vain: unless it filters this host alone, it answers nobody.',
    mend: [
      {
        ...({ on: 'real server', host: address } as const),
        command:
          'ip -brief addr show dev lo: a VIP belongs there as /32 or /128; as /24 it makes all hosts of the network its own addresses',
      },
      { on: 'real server', host: address, command: 'nft list ruleset; iptables -S: rules that drop what comes in' },
    ],
  };
}

interface Unresolved {
  readonly address: IpAddress;
  readonly reason: string | undefined;
  /** Who answered for it. */
  readonly probe: RealServerProbe | undefined;
}

/** Real servers that the director has no MAC for, although it seems that it could: no other finding tells why. */
function unresolved(facts: Facts): Unresolved[] {
  const { director, network, probes } = facts;
  if (network !== undefined && brokenInterfaces(director.model, network).length > 0) {
    return [];
  }
  const found = new Map<IpAddress, string | undefined>();
  // Where they were asked, what was so before may have been of the moment.
  const reports = probes === undefined ? director.services : director.servicesAfter;
  for (const { realServers } of reports ?? []) {
    for (const { address, state, reason } of realServers) {
      if (state === 'unresolved' && !isSelf(address) && !isOffLink(address, facts)) {
        found.set(address, reason);
      }
    }
  }
  return [...found].flatMap(([address, reason]) => {
    const probe = probes?.realServers.find((each) => each.address === address);
    return probe?.macs.length === 0 ? [] : [{ address, reason, probe }];
  });
}

function ofUnresolved({ address, reason, probe }: Unresolved, { network }: Facts, use: Use): Finding {
  const name = network?.routes.get(address)?.interface ?? probe?.interface;
  const [mac] = probe?.macs ?? [];
  return {
    check: NAME,
    severity: use.severityOf(address),
    subject: address,
    text: `the director has no MAC for real server ${address}${mac === undefined ? '' : `, although ${mac} answers for it`}`,
    evidence: [`the director says: unresolved${reason === undefined ? '' : `, ${reason}`}`],
    why: 'Without its MAC no packet can be sent to it.',
    mend: [
      {
        on: 'director',
        command: `ip neigh show to ${address}${name === undefined ? '' : ` dev ${name}`}; beeline list`,
      },
    ],
  };
}
