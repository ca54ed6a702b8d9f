/** Virtual routers of which no director is master. */

import type { IpAddress } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { type Rivals, rivalsOf } from '../../vrrp.js';

const NAME = 'vrrp-no-owner';

export const vrrpNoOwner: Check = {
  name: NAME,
  about: 'virtual routers without a master: nobody advertises, and no host has the VIPs',
  reads: ['network', 'probes'],
  find: (facts) => rivalsOf(facts).flatMap((each) => findingsOf(each, facts)),
};

/** The VIPs of the virtual routers without a master: other checks need not say so of each. */
export function vipsWithoutOwner(facts: Facts): ReadonlySet<IpAddress> {
  const told = rivalsOf(facts).filter((each) => findingsOf(each, facts).length > 0);
  return new Set(told.flatMap(({ router }) => router.addresses));
}

/** A master that is there is heard within this many intervals. */
const INTERVALS = 2.5;

function findingsOf({ router, directors }: Rivals, { director, network, probes }: Facts): Finding[] {
  const { name, id, addresses, interval } = router;
  const isListening = probes?.interfaces.some((each) => each.name === router.interface) === true;
  if (network === undefined || !isListening || probes.ms < interval * INTERVALS * 1000) {
    return [];
  }
  const isHere = network.addresses.some(({ address }) => addresses.includes(address));
  const asked = probes.vips.filter(({ vip }) => addresses.includes(vip));
  // Unicast advertisements may go to others alone: the answers for the VIPs tell then.
  const isElsewhere = directors.length > 0 || asked.length === 0 || asked.some(({ answers }) => answers.length > 0);
  if (isHere || isElsewhere || addresses.length === 0) {
    return [];
  }
  const { vrrp } = director.status ?? {};
  const heard = `no advertisement for id ${id} on ${router.interface} in ${(probes.ms / 1000).toFixed(1)} s, with an interval of ${interval} s`;
  return [
    {
      check: NAME,
      severity: 'error',
      subject: name,
      text: `vrrp ${name} (id ${id}) has no master: no host has ${addresses.join(', ')}`,
      evidence: [
        heard,
        ...asked.map(({ vip, asked: times }) => `${vip}: asked for ${times} times, no answer`),
        ...(vrrp === undefined ? [] : [`keepalived of this host: ${vrrp.keepalived}`]),
        ...(vrrp?.reasons ?? []).map((reason) => `this director may not be master: ${reason}`),
      ],
      why: 'Nobody answers for the VIPs: no client is served.',
      mend: [
        vrrp?.mayBeMaster === false
          ? { on: 'director', command: 'mend what keeps this director from being master, see "beeline status"' }
          : { on: 'director', command: 'systemctl restart keepalived' },
      ],
    },
  ];
}
