/** Real servers whose answers to clients come back to the director. */

import type { Check } from '../../check.js';
import type { RealServerProbe } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { few, outcomeText } from '../../words.js';

export const realServerGatewayIsDirector: Check = {
  name: 'real-server-gateway-is-director',
  about: 'real servers whose default gateway is this host: it does not send on answers that come from its own VIP',
  find: ({ probes }) => few(probes?.realServers.flatMap(findingOf) ?? [], 'real servers'),
};

function findingOf({ address, offLink, vips }: RealServerProbe): Finding[] {
  const byVip = vips.find((each) => each.offLink?.kind === 'answer');
  // By its own address alone: its answers for the VIP may have a route of their own, if they can be seen.
  const isByRip =
    offLink?.kind === 'answer' && !vips.some((each) => each.ping?.kind === 'answer' && each.offLink !== undefined);
  if (byVip === undefined && !isByRip) {
    return [];
  }
  return [
    {
      check: 'real-server-gateway-is-director',
      severity: byVip === undefined ? 'warning' : 'error',
      subject: address,
      text: `the default gateway of real server ${address} is this director`,
      evidence: [
        ...(byVip === undefined
          ? []
          : [`ping to ${byVip.vip} from an address beyond this network: ${outcomeText(byVip.offLink)}, to this host`]),
        ...(offLink?.kind === 'answer'
          ? [`ping to ${address} from an address beyond this network: ${outcomeText(offLink)}, to this host`]
          : []),
      ],
      why:
        'With direct routing, real servers answer clients past the director. Linux drops what comes from a VIP of its own, ' +
        'so that clients of other networks get no answer.',
      mend: [
        {
          on: 'real server',
          host: address,
          command: 'ip route replace default via ROUTER, the gateway of the clients, and keep it',
        },
      ],
    },
  ];
}
