/** Real servers that are directors: they send on what they get, and it may go round. */

import type { IpAddress, MacAddress } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, RealServerProbe } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { Use } from '../../who.js';
import { few, outcomeText } from '../../words.js';

export const realServerIsDirector: Check = {
  name: 'real-server-is-director',
  about: 'real servers that have the MAC of another director, or send what is for the VIP on to another real server',
  reads: ['network', 'probes'],
  find: (facts) => {
    const use = new Use(facts.director);
    const { realServers = [] } = facts.probes ?? {};
    const owners = new Map(realServers.flatMap(({ address, macs }) => macs.map((mac) => [mac, address] as const)));
    return few(
      realServers.flatMap((each) => [...byMac(each, facts), ...byAnswer(each, owners, use)].slice(0, 1)),
      'real servers',
    );
  },
};

/** Those that the configuration names by the same address or MAC have a warning already. */
function byMac({ address, macs }: RealServerProbe, { director: { model }, probes }: Facts): Finding[] {
  const directors = (probes?.directors ?? []).filter((each) => each.address !== address);
  const named = (model.directors ?? []) as readonly string[];
  const other = directors.find((each) => each.macs.some((mac) => macs.includes(mac)));
  const mac = macs.find((each) => named.includes(each) || other?.macs.includes(each) === true);
  return mac === undefined || named.includes(address)
    ? []
    : [
        of(address, 'warning', `is the other director ${other?.address ?? mac}`, [
          `${address} is-at ${mac}`,
          `directors: ${other === undefined ? mac : `${other.address}, which is-at ${mac}`}`,
        ]),
      ];
}

/** An answer to what one real server got comes from another one. */
function byAnswer(probe: RealServerProbe, owners: ReadonlyMap<MacAddress, IpAddress>, use: Use): Finding[] {
  for (const { vip, ports } of probe.vips) {
    for (const { port, byVip } of ports) {
      const mac = byVip?.kind === 'answer' || byVip?.kind === 'refused' ? byVip.mac : undefined;
      const other = mac === undefined || probe.macs.includes(mac) ? undefined : owners.get(mac);
      if (other !== undefined && other !== probe.address) {
        return [
          of(
            probe.address,
            use.severityOf(probe.address),
            `is a director: it sends what is for ${vip} on to ${other}`,
            [`SYN to ${vip} port ${port} by ${probe.macs[0]}: ${outcomeText(byVip)}, which is ${other}`],
          ),
        ];
      }
    }
  }
  return [];
}

function of(address: IpAddress, severity: Finding['severity'], text: string, evidence: readonly string[]): Finding {
  return {
    check: 'real-server-is-director',
    severity,
    subject: address,
    text: `real server ${address} ${text}`,
    evidence,
    why: 'What two directors send each other may go round for ever, and each schedules anew what the other one scheduled.',
    mend: [
      { on: 'configuration', command: `take ${address} out of the real servers` },
      { on: 'configuration', command: `directors: [${address}], if it must be both` },
    ],
  };
}
