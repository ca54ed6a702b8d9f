/** From a wish to the steps that fulfil it: the addresses, then the files for the next boot. Pure. */

import { BeelineError, familyOf } from '../../model/index.js';
import {
  addressFiles,
  type AddressStep,
  type Entry,
  type Facts,
  prefixOf,
  type Purpose,
  type Step,
} from '../../steps/index.js';
import { AUTHOR } from './author.js';
import { isWish, NOTHING, type VipWish, type Wish } from './wish.js';

export const PURPOSE: Purpose<Wish> = {
  ...AUTHOR,
  recordPath: '/var/lib/beeline/vips.json',
  shows: 'beeline vip list',
  nothing: NOTHING,
  isWish,
  isNothing: ({ vips }) => vips.length === 0,
  planOf,
  refuse: refuseElsewhere,
};

export function planOf({ vips }: Wish): Step[] {
  const steps = vips.map((wish) => ({ place: wish.place, step: addressStep(wish) }));
  return [...steps.map(({ step }) => step), ...addressFiles(AUTHOR, steps)];
}

function addressStep({ vip, device }: VipWish): AddressStep {
  const why =
    device === 'lo'
      ? 'packets for the VIP that a router sends here are for this host'
      : familyOf(vip) === 4
        ? 'this host answers for the VIP; /32, since the VIP is no network of its own'
        : 'this host answers for the VIP; nodad, since its duplicates are looked for before; no source of its own packets';
  return { kind: 'address', id: `address ${vip} on ${device}`, device, address: vip, prefix: prefixOf(vip), why };
}

/** @throws BeelineError `VIP_TAKEN` if this host has a VIP elsewhere, otherwise, or as a duplicate */
function refuseElsewhere({ vips }: Wish, { addresses }: Facts, entries: readonly Entry[]): void {
  for (const { vip, device } of vips) {
    for (const found of addresses.filter(({ address }) => address === vip)) {
      const isOwn = entries.some(
        ({ step }) => step.kind === 'address' && step.address === vip && step.device === found.device,
      );
      const isAsWished = found.device === device && found.prefix === prefixOf(vip);
      if (isAsWished && found.dad === 'failed') {
        throw new BeelineError('VIP_TAKEN', `${vip} is on ${device}, but the kernel found another host that has it`, {
          hint: `See who answers ("ip -6 neigh show ${vip}" on a client), end that, and run: ip address del ${vip}/128 dev ${device}`,
        });
      }
      if (!isAsWished && !isOwn) {
        throw elsewhere(found, device);
      }
    }
  }
}

function elsewhere({ address, device, prefix }: Facts['addresses'][number], wanted: string): BeelineError {
  const full = prefixOf(address as VipWish['vip']);
  return device === wanted
    ? new BeelineError('VIP_TAKEN', `${address} is on ${device} as /${prefix}, not as /${full}; nothing was changed`, {
        hint:
          `If this host is reached by it, leave it: it works as a VIP. Otherwise: ip address del ${address}/${prefix} dev ` +
          `${device}, also in what sets it at a boot. Then run this again.`,
      })
    : new BeelineError('VIP_TAKEN', `${address} is on ${device} already, as /${prefix}; nothing was changed`, {
        hint: `Leave it there ("--interface ${device}"), or: ip address del ${address}/${prefix} dev ${device}`,
      });
}
