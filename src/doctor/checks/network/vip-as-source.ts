/** VIPs of IPv6 from which this host's own packets to real servers come. */

import { familyOf, type IpAddress, vipsOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { HostAddress } from '../../facts.js';
import { type Finding, fixBy } from '../../finding.js';
import { few, listOf } from '../../words.js';

const FULL = 128;

export const vipAsSource: Check = {
  name: 'vip-as-source',
  about: "IPv6 VIPs from which this host's own packets to real servers come, so that they are never answered",
  reads: ['network'],
  find: ({ director: { model }, network }) => {
    const vips = new Set<IpAddress>(vipsOf(model));
    // Another prefix is vip-prefix.
    const places = (network?.addresses ?? []).filter(
      ({ address, prefixLength }) => vips.has(address) && familyOf(address) === 6 && prefixLength === FULL,
    );
    return few(
      places.flatMap((place) => {
        const meant = [...(network?.sources ?? [])].filter(([, source]) => source === place.address);
        return meant.length === 0
          ? []
          : [
              findingOf(
                place,
                meant.map(([realServer]) => realServer),
              ),
            ];
      }),
      'VIPs',
    );
  },
};

function findingOf({ interface: name, address: vip }: HostAddress, realServers: readonly IpAddress[]): Finding {
  return {
    check: 'vip-as-source',
    severity: 'warning',
    subject: vip,
    text: `this host's own packets to real server${realServers.length === 1 ? '' : 's'} ${listOf(realServers)} come from the VIP ${vip}`,
    evidence: [`ip -6 route get ${realServers[0]!}: src ${vip}`],
    why:
      'Real servers have the VIP too, and keep what answers it: SSH, backups and other programs of this host do not reach ' +
      'them by IPv6. Health checks take another address.',
    mend: [fixBy('ip', 'addr', 'change', `${vip}/${FULL}`, 'dev', name, 'preferred_lft', '0')],
  };
}
