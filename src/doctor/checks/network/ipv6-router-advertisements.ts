/** Real servers and directors that tell the network to be gateways of IPv6. */

import { parseRouterAdvertisement, type RouterAdvertisement } from '../../../packet/index.js';
import type { Check } from '../../check.js';
import type { Facts } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { type Who, whoIs } from '../../who.js';
import { few } from '../../words.js';

export const ipv6RouterAdvertisements: Check = {
  name: 'ipv6-router-advertisements',
  about: 'real servers and other directors that advertise themselves as gateways of IPv6',
  reads: ['network', 'probes'],
  find: (facts) => {
    const heard = (facts.probes?.routerAdvertisements ?? []).flatMap(({ interface: name, bytes }) => {
      const said = parseRouterAdvertisement(bytes);
      return said === undefined || said.lifetime === 0 ? [] : [{ ...said, name }];
    });
    const each = new Map(heard.map((said) => [`${said.name} ${said.sourceMac}`, said]));
    return few(
      [...each.values()].flatMap((said) => findingOf(said, facts)),
      'hosts',
    );
  },
};

function findingOf(said: RouterAdvertisement & { readonly name: string }, facts: Facts): Finding[] {
  const who = whoIs(said.sourceMac, facts);
  return who.kind === 'real server' || who.kind === 'director' ? [of(said, who)] : [];
}

function of({ source, sourceMac, lifetime, name }: RouterAdvertisement & { readonly name: string }, who: Who): Finding {
  const isReal = who.kind === 'real server';
  return {
    check: 'ipv6-router-advertisements',
    severity: 'warning',
    subject: who.address ?? sourceMac,
    text: `${who.text} advertises itself as a gateway of IPv6 on ${name}`,
    evidence: [`${sourceMac} > all nodes, router advertisement from ${source}, lifetime ${lifetime} s`],
    why:
      'Clients, real servers and this host take it as their default gateway: packets go through it, and nowhere once it is ' +
      'down. Answers of real servers that go through a director are lost.',
    mend: [
      {
        on: isReal ? 'real server' : 'director',
        ...(who.address !== undefined && { host: who.address }),
        command: 'systemctl disable --now radvd, or dnsmasq without enable-ra: whatever advertises there',
      },
    ],
  };
}
