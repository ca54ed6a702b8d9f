/** Real servers that lost the VIP and forward what is for it, as a router does. */

import { familyOf, type IpAddress } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { DirectorFacts, Outcome, RealServerProbe } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { Use } from '../../who.js';
import { few, listOf, outcomeText } from '../../words.js';

export const realServerForwardsVip: Check = {
  name: 'real-server-forwards-vip',
  about: 'real servers that forward packets for the VIP instead of taking them',
  reads: ['network', 'probes'],
  find: ({ director, probes }) => {
    const use = new Use(director);
    const told = toldByChecks(director);
    const seen = (probes?.realServers ?? []).flatMap((each) => {
      const finding = findingOf(each, use, told.get(each.address));
      told.delete(each.address);
      return finding;
    });
    const checked = probes === undefined ? [...told].map(([address, words]) => ofChecks(address, words, use)) : [];
    return few([...seen, ...checked], 'real servers');
  },
};

function isExpired(outcome: Outcome | undefined): boolean {
  return outcome?.kind === 'icmp' && outcome.expired;
}

function findingOf({ address, macs, vips }: RealServerProbe, use: Use, told: string | undefined): Finding[] {
  const forwarded = vips.flatMap(({ vip, ping, ports }) => {
    const outcome = [ping, ...ports.map(({ byVip }) => byVip)].find(isExpired);
    return outcome === undefined ? [] : [{ vip, outcome }];
  });
  const [first] = forwarded;
  if (first === undefined) {
    return [];
  }
  const evidence = [
    `a packet for ${first.vip} to ${macs[0]} with a TTL of 1: ${outcomeText(first.outcome)}`,
    ...(told === undefined ? [] : [told]),
  ];
  return [
    of(
      address,
      forwarded.map(({ vip }) => vip),
      evidence,
      use,
    ),
  ];
}

function ofChecks(address: IpAddress, words: string, use: Use): Finding {
  return of(address, [], [words], use);
}

function of(address: IpAddress, vips: readonly IpAddress[], evidence: readonly string[], use: Use): Finding {
  const which = vips.length === 0 ? 'the VIP' : `the VIP${vips.length > 1 ? 's' : ''} ${listOf(vips)}`;
  const forwarding = familyOf(address) === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding';
  return {
    check: 'real-server-forwards-vip',
    severity: use.severityOf(address),
    subject: address,
    text: `real server ${address} does not have ${which}, and forwards what is for it`,
    evidence,
    why: 'It sends each packet back to the director, or elsewhere: a loop that ends with the TTL, and no answer.',
    mend: [
      {
        ...({ on: 'real server', host: address } as const),
        command: `beeline realserver setup --vip ${vips.length === 0 ? 'VIP' : vips.join(' ')} --persist auto`,
      },
      { on: 'real server', host: address, command: `sysctl -w ${forwarding}=0, if it is no router` },
    ],
  };
}

/** What health checks found, by real server: they know a forwarded packet by the same ICMP error. */
function toldByChecks({ checks = [] }: DirectorFacts): Map<IpAddress, string> {
  return new Map(
    checks.flatMap(({ service, realServers }) =>
      realServers.flatMap(({ address, checks: made }) =>
        made.flatMap(({ check, last }): [IpAddress, string][] =>
          last?.passed === false && last.layer === 'L3' && last.words.includes('forwards what is for it')
            ? [[address, `check ${check} of ${service}: ${last.words}`]]
            : [],
        ),
      ),
    ),
  );
}
