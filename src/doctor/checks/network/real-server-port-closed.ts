/** Real servers that have the VIP, but no server for its port. */

import { serviceName } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { DirectorFacts, Outcome, PortProbe, RealServerProbe, RealServerVipProbe } from '../../facts.js';
import type { Finding, Severity } from '../../finding.js';
import { few, outcomeText } from '../../words.js';

export const realServerPortClosed: Check = {
  name: 'real-server-port-closed',
  about: 'real servers that refuse or drop connections to the VIP and the port of a service',
  reads: ['network', 'probes'],
  find: ({ director, probes }) => {
    const severityOf = severities(director);
    const found = (probes?.realServers ?? []).flatMap((probe) =>
      probe.vips.flatMap((vip) =>
        vip.ports.flatMap((port) => {
          const fault = faultOf(vip, port);
          const severity = severityOf(probe, port);
          return fault === undefined ? [] : [findingOf(probe, vip, port, fault, severity)];
        }),
      ),
    );
    return few(found, 'ports');
  },
};

interface Fault {
  readonly text: string;
  /** It may answer clients, and filter this host alone. */
  readonly maybe?: true;
  readonly mend: string;
}

function isRefused(outcome: Outcome | undefined): boolean {
  return outcome?.kind === 'refused' || (outcome?.kind === 'icmp' && !outcome.expired);
}

function faultOf({ vip, ping }: RealServerVipProbe, { port, byVip, byRip }: PortProbe): Fault | undefined {
  if (isRefused(byVip)) {
    return byRip?.kind === 'answer'
      ? {
          text: `refuses connections to ${vip} port ${port}: its server listens on its own address alone`,
          mend: `let the server listen on ${vip}, or on all addresses`,
        }
      : { text: `refuses connections to ${vip} port ${port}`, mend: `start the server of port ${port}: ss -ltn` };
  }
  // Whether the VIP is there at all is another question.
  if (byVip?.kind !== 'silent' || ping?.kind !== 'answer') {
    return undefined;
  }
  const mend = `look for rules that drop port ${port}: nft list ruleset, iptables -S`;
  return byRip?.kind === 'answer'
    ? { text: `drops connections to ${vip} port ${port}, and takes those to its own address`, mend }
    : { text: `does not answer connections from this host to ${vip} port ${port}`, maybe: true, mend };
}

function findingOf(
  { address, macs }: RealServerProbe,
  { vip }: RealServerVipProbe,
  { service, port, byVip, byRip }: PortProbe,
  { text, maybe, mend }: Fault,
  severity: Severity,
): Finding {
  return {
    check: 'real-server-port-closed',
    severity: maybe === true ? 'warning' : severity,
    subject: `${address} ${service}`,
    text: `real server ${address} ${text}`,
    evidence: [
      `SYN to ${vip} port ${port} by ${macs[0]}: ${outcomeText(byVip)}`,
      `SYN to ${address} port ${port}: ${outcomeText(byRip)}`,
    ],
    why: 'Its share of the clients of this service is turned away.',
    mend: [{ on: 'real server', host: address, command: mend }],
  };
}

/** Where health checks took a real server out already, nobody is turned away. */
function severities({ model, services }: DirectorFacts): (probe: RealServerProbe, port: PortProbe) => Severity {
  const taking = new Set<string>();
  if (services === undefined) {
    [...model.services, ...(model.markServices ?? [])].forEach(({ destinations }) => {
      destinations.filter(({ weight }) => weight > 0).forEach(({ address }) => taking.add(address));
    });
    return ({ address }) => (taking.has(address) ? 'error' : 'warning');
  }
  const reports = new Map(services.map((each) => [serviceName(each), each]));
  return ({ address }, { service }) => {
    const state = reports.get(service)?.realServers.find((each) => each.address === address)?.state;
    return state === undefined || ['up', 'ramping', 'panic', 'fallback', 'advised'].includes(state)
      ? 'error'
      : 'warning';
  };
}
