/** VIPs that stand for a whole network on the director. */

import { addressBits, familyOf, vipsOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { HostAddress } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { few } from '../../words.js';

export const vipPrefix: Check = {
  name: 'vip-prefix',
  about: 'VIPs with another prefix than /32 or /128 on this host',
  find: ({ director: { model }, network }) => {
    const vips = new Set<string>(vipsOf(model));
    const addresses = network?.addresses ?? [];
    const wide = addresses.filter(
      ({ address, prefixLength }) => vips.has(address) && prefixLength < addressBits(familyOf(address)),
    );
    return few(
      wide.map((each) => findingOf(each, addresses)),
      'VIPs',
    );
  },
};

function findingOf({ interface: name, address, prefixLength }: HostAddress, all: readonly HostAddress[]): Finding {
  const full = addressBits(familyOf(address));
  const others = all.filter(
    (each) =>
      each.interface === name &&
      each.address !== address &&
      familyOf(each.address) === familyOf(address) &&
      each.scope !== 'link' &&
      each.prefixLength < full,
  );
  const isOnLo = name === 'lo';
  return {
    check: 'vip-prefix',
    severity: isOnLo ? 'error' : 'warning',
    subject: address,
    text: `the VIP ${address} is on ${name} as /${prefixLength}, and not as /${full}`,
    evidence: [
      `${name} has ${address}/${prefixLength}`,
      ...(isOnLo || others.length > 0 ? [] : [`${name} has no other address of this family with a network`]),
    ],
    why: isOnLo
      ? "On lo, such a prefix makes every address of that network this host's own: nobody there can be reached."
      : "This host's own connections to that network may come from the VIP. Real servers have the VIP too, and never answer those.",
    mend: [
      ...(isOnLo || others.length > 0
        ? []
        : [{ on: 'director', command: `give ${name} an address of its own first, or it leaves the network` } as const]),
      {
        on: 'director',
        command: `ip addr add ${address}/${full} dev ${name} && ip addr del ${address}/${prefixLength} dev ${name}`,
      },
    ],
  };
}
