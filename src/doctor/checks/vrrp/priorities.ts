/** Directors that have the same priority in one virtual router. */

import { type VirtualRouter, virtualRouters } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { advertisementText, lastOf, rivalsOf } from '../../vrrp.js';

const NAME = 'vrrp-priorities';

export const vrrpPriorities: Check = {
  name: NAME,
  about: 'directors with the same priority in one virtual router',
  reads: ['network', 'probes'],
  find: (facts) => {
    const rivals = rivalsOf(facts);
    return virtualRouters(facts.director.model).flatMap((router): Finding[] => {
      const heard = (rivals.find((each) => each.router.name === router.name)?.directors ?? [])
        .filter((sender) => lastOf(sender).priority === router.priority)
        .map(advertisementText);
      const evidence = [...heard, ...fromHosts(router, facts)];
      return evidence.length === 0
        ? []
        : [
            {
              check: NAME,
              severity: 'warning',
              subject: router.name,
              text: `vrrp ${router.name}: another director has the priority ${router.priority} too`,
              evidence,
              why:
                'If both start at once, both become master, until the one with the lower address gives up: nobody says which ' +
                'director it is to be.',
              mend: [
                {
                  on: 'configuration',
                  command: `give each director another "priority", such as ${router.priority} and ${router.priority > 10 ? router.priority - 10 : router.priority + 10}, then "beeline keepalived write"`,
                },
              ],
            },
          ];
    });
  },
};

/** The other hosts of the one file that have this priority. */
function fromHosts({ name, priority }: VirtualRouter, { director }: Facts): string[] {
  return (director.hosts ?? []).flatMap(({ host, model }) =>
    virtualRouters(model).some((each) => each.name === name && each.priority === priority)
      ? [`${director.configPath}: ${host} has the priority ${priority} in ${name}`]
      : [],
  );
}
