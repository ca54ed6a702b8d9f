/** Real servers that are there, and do not take packets for the VIP. */

import type { IpAddress } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Outcome, RealServerProbe, RealServerVipProbe } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { Use } from '../../who.js';
import { few, listOf, outcomeText } from '../../words.js';

export const realServerWithoutVip: Check = {
  name: 'real-server-without-vip',
  about: 'real servers that answer for their own address and not for the VIP',
  reads: ['network', 'probes'],
  find: ({ director, probes }) => {
    const use = new Use(director);
    return few(probes?.realServers.flatMap((each) => findingOf(each, use)) ?? [], 'real servers');
  },
};

/** Whether the host spoke, by whatever answer or refusal. */
function isHeard(outcome: Outcome | undefined): boolean {
  return outcome !== undefined && outcome.kind !== 'silent';
}

/** `sure`: the same port answers for the address, and not for the VIP. A ping alone is also lost where ports are redirected. */
function lackOf({ ping }: RealServerProbe, vip: RealServerVipProbe): 'sure' | 'maybe' | undefined {
  const asked = vip.ports.filter(({ byVip }) => byVip !== undefined);
  if (vip.ping === undefined || isHeard(vip.ping) || asked.some(({ byVip }) => isHeard(byVip))) {
    return undefined;
  }
  return asked.some(({ byRip }) => isHeard(byRip)) ? 'sure' : isHeard(ping) ? 'maybe' : undefined;
}

function findingOf(probe: RealServerProbe, use: Use): Finding[] {
  const lacks = probe.vips.flatMap((each) => {
    const lack = lackOf(probe, each);
    return lack === undefined ? [] : [{ ...each, lack }];
  });
  const [first] = lacks;
  if (first === undefined) {
    return [];
  }
  const isSure = lacks.some(({ lack }) => lack === 'sure');
  const vips: IpAddress[] = lacks.map(({ vip }) => vip);
  const { address, macs } = probe;
  const shown = lacks.find(({ lack }) => lack === 'sure') ?? first;
  return [
    {
      check: 'real-server-without-vip',
      severity: isSure ? use.severityOf(address) : 'warning',
      subject: address,
      text: `real server ${address} ${isSure ? 'does' : 'may'} not have the VIP${vips.length > 1 ? 's' : ''} ${listOf(vips)}`,
      evidence: [
        `ping to ${address} by ${macs[0]}: ${outcomeText(probe.ping)}`,
        `ping to ${shown.vip} by ${macs[0]}: ${outcomeText(shown.ping)}`,
        ...shown.ports
          .filter(({ byVip }) => byVip !== undefined)
          .slice(0, 2)
          .map(
            ({ port, byVip, byRip }) =>
              `SYN to port ${port}: of ${address}, ${outcomeText(byRip)}; of ${shown.vip}, ${outcomeText(byVip)}`,
          ),
      ],
      why: 'It drops what the director sends it for the VIP: its share of the clients waits in vain.',
      mend: [
        {
          on: 'real server',
          host: address,
          command: `beeline realserver setup --vip ${vips.join(' ')} --persist auto`,
        },
        {
          ...({ on: 'real server', host: address } as const),
          command: `beeline realserver check --vip ${shown.vip}, which also looks for filters and rp_filter`,
        },
      ],
    },
  ];
}
