/** Real servers whose answers to clients come back to the director. */

import { familyOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { RealServerProbe } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { few, outcomeText } from '../../words.js';

export const realServerGatewayIsDirector: Check = {
  name: 'real-server-gateway-is-director',
  about:
    'real servers whose default gateway is this host: it drops answers that come from its own VIP, or carries them all',
  reads: ['host', 'network', 'probes'],
  find: ({ probes, host }) => {
    const forwards = host?.sysctls['net/ipv6/conf/all/forwarding'] === '1';
    return few(probes?.realServers.flatMap((each) => findingOf(each, forwards)) ?? [], 'real servers');
  },
};

/** Of IPv4 the kernel drops what comes from an address of its own; of IPv6 it forwards that as all other packets. */
function findingOf({ address, offLink, vips }: RealServerProbe, forwardsIpv6: boolean): Finding[] {
  const isSentOn = forwardsIpv6 && familyOf(address) === 6;
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
      severity: byVip === undefined || isSentOn ? 'warning' : 'error',
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
        'With direct routing, real servers answer clients past the director. ' +
        (isSentOn
          ? 'This host forwards IPv6: it sends their answers on if it has a route, and carries all that clients download.'
          : familyOf(address) === 6
            ? 'This host forwards no IPv6, so that clients of other networks get no answer.'
            : 'Linux drops what comes from a VIP of its own, so that clients of other networks get no answer.'),
      mend: [
        {
          on: 'real server',
          host: address,
          command: `${familyOf(address) === 4 ? 'ip' : 'ip -6'} route replace default via ROUTER, the gateway of the clients, and keep it`,
        },
      ],
    },
  ];
}
