/** An interface that the director does not use answers for a VIP: Linux answers ARP for all addresses of a host by all of its interfaces. */

import { addressBits, familyOf, type IpAddress, isInNetwork, vipsOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { HostAddress, NetworkFacts } from '../../facts.js';
import type { HostFacts } from '../../facts-host.js';
import type { Finding } from '../../finding.js';
import { listOf } from '../../words.js';
import { brokenInterfaces } from '../network/interface-down.js';
import { answers, arpIgnore } from './arp-silent.js';
import { mendSettings } from './mends.js';

const NAME = 'other-interface-answers';

export const otherInterfaceAnswers: Check = {
  name: NAME,
  about: 'interfaces of this host that the director does not use, and that answer for a VIP on its network',
  reads: ['network', 'host'],
  find: ({ director: { model }, network, host }) =>
    // A wrong name in the configuration is told as such.
    network === undefined || host === undefined || brokenInterfaces(model, network).length > 0
      ? []
      : othersBeside(model.interfaces, network).flatMap((place) => {
          const vips = vipsOf(model).filter((vip) => isAnsweredAt(place, vip, network, host));
          return vips.length === 0 ? [] : [findingOf(place, vips, model.interfaces, host)];
        }),
};

/** The networks of interfaces that are neither the director's nor above or below one of those. */
function othersBeside(own: readonly string[], { links, addresses }: NetworkFacts): HostAddress[] {
  const isOther = (name: string): boolean => {
    const link = links.find((each) => each.name === name);
    return link?.up === true && name !== 'lo' && ![name, ...(link.leaves ?? [])].some((each) => own.includes(each));
  };
  const found = addresses.filter(
    ({ interface: name, address, prefixLength }) => prefixLength < addressBits(familyOf(address)) && isOther(name),
  );
  return [...new Map(found.map((each) => [`${each.interface} ${familyOf(each.address)}`, each])).values()];
}

function isAnsweredAt(
  { interface: name, address, prefixLength }: HostAddress,
  vip: IpAddress,
  { addresses, links }: NetworkFacts,
  { sysctls }: HostFacts,
): boolean {
  const has = addresses.filter((each) => each.address === vip && links.some((link) => link.name === each.interface));
  if (has.length === 0 || !isInNetwork(vip, address, prefixLength)) {
    return false;
  }
  // Neighbour discovery answers where the address is; with arp_filter ARP does only where the way back leads.
  const isFiltered = ['all', name].some((each) => sysctls[`net/ipv4/conf/${each}/arp_filter`] === '1');
  return familyOf(vip) === 6
    ? has.some((each) => each.interface === name)
    : !isFiltered && answers(name, has, arpIgnore(name, sysctls));
}

function findingOf(
  { interface: name, address, prefixLength }: HostAddress,
  vips: readonly IpAddress[],
  own: readonly string[],
  { sysctls }: HostFacts,
): Finding {
  const keys = ['all', name].map((each) => `net/ipv4/conf/${each}/arp_ignore`);
  const isArp = vips.some((vip) => familyOf(vip) === 4);
  return {
    check: NAME,
    severity: 'warning',
    subject: name,
    text: `${name} answers for the VIP${vips.length > 1 ? 's' : ''} ${listOf(vips)}, and the director does not use it`,
    evidence: [
      `${name} has ${address}/${prefixLength}; the director's interfaces: ${own.join(', ')}`,
      ...(isArp ? keys.map((key) => `/proc/sys/${key}: ${sysctls[key] ?? '0'}`) : []),
    ],
    why: 'Clients that take its answer send there: their packets pass the director by, and this host refuses them.',
    mend: [
      ...(isArp ? mendSettings({ [`net/ipv4/conf/${name}/arp_ignore`]: 1 }) : []),
      { on: 'configuration', command: `interfaces: [${[...own, name].join(', ')}], so that the director has it too` },
    ],
  };
}
