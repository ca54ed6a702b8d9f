/** What "beeline realserver" makes of a host, for what brings it there. Pure. */

import { BeelineError } from '../model/index.js';
import { type Facts, prefixOf, type Purpose } from '../steps/index.js';
import { AUTHOR } from './author.js';
import { planOf } from './plan.js';
import { isWish, NOTHING, type Wish } from './wish.js';

export const PURPOSE: Purpose<Wish> = {
  ...AUTHOR,
  recordPath: '/var/lib/beeline/realserver.json',
  shows: 'beeline realserver check',
  nothing: NOTHING,
  isWish,
  isNothing: ({ vips }) => vips.length === 0,
  planOf,
  refuse: refuseTaken,
};

/** @throws BeelineError `REALSERVER_TAKEN` if the VIP is where the host answers for it */
function refuseTaken({ vips }: Wish, { addresses, links }: Facts): void {
  for (const { vip } of vips) {
    const bad = addresses.find(
      ({ address, device, prefix }) => address === vip && (device !== 'lo' || prefix !== prefixOf(vip)),
    );
    if (bad === undefined) {
      continue;
    }
    const why =
      bad.device === 'lo'
        ? `is on lo as /${bad.prefix}: this host takes the whole network for its own`
        : links.some(({ device, arp }) => device === bad.device && arp)
          ? `is on ${bad.device}, where this host answers for it`
          : `is on ${bad.device} already: something else set this host up`;
    throw new BeelineError('REALSERVER_TAKEN', `${vip} ${why}; nothing was changed`, {
      hint: `If it is the VIP: ip address del ${vip}/${bad.prefix} dev ${bad.device}, also in what sets it at a boot. Then run this again.`,
    });
  }
}
