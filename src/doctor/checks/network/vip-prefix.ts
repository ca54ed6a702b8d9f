/** VIPs that stand for a whole network on the director. */

import { addressBits, familyOf, isInNetwork, vipsOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { HostAddress } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { few } from '../../words.js';
import { sysctlName } from '../host/mends.js';
import { addAnew } from './mends.js';

export const vipPrefix: Check = {
  name: 'vip-prefix',
  about: 'VIPs with another prefix than /32 or /128 on this host',
  reads: ['network'],
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

function findingOf(vip: HostAddress, all: readonly HostAddress[]): Finding {
  const { interface: name, address, prefixLength } = vip;
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
  const isAlone = !isOnLo && others.length === 0;
  return {
    check: 'vip-prefix',
    severity: isOnLo ? 'error' : 'warning',
    subject: address,
    text: `the VIP ${address} is on ${name} as /${prefixLength}, and not as /${full}`,
    evidence: [
      `${name} has ${address}/${prefixLength}`,
      ...(isAlone ? [`${name} has no other address of this family with a network`] : []),
    ],
    why: whyOf(vip),
    mend: [
      ...(isAlone
        ? [{ on: 'director', command: `give ${name} an address of its own first, or it leaves the network` } as const]
        : []),
      { on: 'director', command: commandFor(vip, all) },
    ],
  };
}

function whyOf({ interface: name, address }: HostAddress): string {
  if (name !== 'lo') {
    return "This host's own connections to that network may come from the VIP. Real servers have the VIP too, and never answer those.";
  }
  return familyOf(address) === 4
    ? "On lo, such a prefix makes every address of that network this host's own: nobody there can be reached."
    : 'On lo, such a prefix is a second route to that network, which leads nowhere: if it comes first, nobody there can be reached.';
}

/** IPv4 takes the same address twice, with two prefixes, so that it is never missing; IPv6 does not. */
function commandFor(vip: HostAddress, all: readonly HostAddress[]): string {
  const { interface: name, address, prefixLength } = vip;
  if (familyOf(address) === 6) {
    return addAnew(vip);
  }
  // The kernel takes the other addresses of a network away with the first one, unless one of them may follow it.
  const [first, ...more] = all.filter(
    (each) =>
      each.interface === name && each.prefixLength === prefixLength && isInNetwork(each.address, address, prefixLength),
  );
  const keep =
    first?.address === address && more.length > 0
      ? [`sysctl -w ${sysctlName(`net/ipv4/conf/${name}/promote_secondaries`)}=1`]
      : [];
  return [...keep, `ip addr add ${address}/32 dev ${name}`, `ip addr del ${address}/${prefixLength} dev ${name}`].join(
    ' && ',
  );
}
