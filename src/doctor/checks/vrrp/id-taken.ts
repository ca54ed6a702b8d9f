/** Strangers that use a virtual router's id on the same network. */

import { familyOf, virtualMac } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';
import { advertisementText, lastOf, rivalsOf } from '../../vrrp.js';

const NAME = 'vrrp-id-taken';

export const vrrpIdTaken: Check = {
  name: NAME,
  about: 'strangers that advertise a virtual router with the same id on the same network',
  reads: ['network', 'probes'],
  find: (facts) =>
    rivalsOf(facts).flatMap(({ router, strangers }) =>
      strangers.map((sender): Finding => {
        const { name, id } = router;
        const { addresses, source } = lastOf(sender);
        return {
          check: NAME,
          severity: 'error',
          subject: name,
          text: `${source} (${sender.mac}) advertises another virtual router with the id ${id} of vrrp ${name} on ${sender.interface}`,
          evidence: [
            advertisementText(sender),
            `the configuration has ${router.addresses.join(', ')} under the id ${id}`,
          ],
          why:
            `Each drops what the other one advertises, so that both are masters and logs fill up; with virtual MACs both have ` +
            `${virtualMac(id, familyOf(addresses[0]!))}, and switches send the packets of both to one of them.`,
          mend: [
            {
              on: 'configuration',
              command: `give vrrp ${name} an "id" that nobody on ${sender.interface} has, on all directors, then "beeline keepalived write"`,
            },
          ],
        };
      }),
    ),
};
