/** IPv6 is off where VIPs need it, or its routers are not listened to. */

import { familyOf, vipsOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import { addressesOfRealServers } from '../../probe/targets.js';
import { mendSettings } from './mends.js';

export const ipv6Off: Check = {
  name: 'ipv6-off',
  about: 'interfaces without IPv6 although there are VIPs of it',
  reads: ['network', 'host'],
  find: ({ director: { model }, network, host }) => {
    const wanted = [...vipsOf(model), ...addressesOfRealServers(model)].find((each) => familyOf(each) === 6);
    const has = (network?.addresses ?? []).some((each) => familyOf(each.address) === 6 && each.interface !== 'lo');
    // An interface under another one, of a bond or a bridge, has no IPv6 itself: then that one has an address.
    return wanted === undefined || has
      ? []
      : model.interfaces
          .map((name) => ({ name, key: `net/ipv6/conf/${name}/disable_ipv6` }))
          .filter(({ key }) => host?.sysctls[key] === '1')
          .map(({ name, key }) => ({
            check: 'ipv6-off',
            severity: 'error' as const,
            subject: name,
            text: `IPv6 is off on ${name}, and the configuration needs it for ${wanted}`,
            evidence: [`/proc/sys/${key}: 1`],
            why: 'The kernel answers no neighbour solicitations there, and finds no real servers by IPv6.',
            mend: mendSettings({ [key]: 0 }),
          }));
  },
};

export const routerAdvertisementsIgnored: Check = {
  name: 'router-advertisements-ignored',
  about: 'a host that forwards IPv6, and so ignores the router that it gets its routes from',
  reads: ['host', 'network', 'probes'],
  find: ({ director: { model }, host, probes }) => {
    const heard = new Set((probes?.routerAdvertisements ?? []).map((each) => each.interface));
    return host === undefined || host.defaultRoutes[6].length > 0
      ? []
      : model.interfaces
          .filter(
            (name) =>
              heard.has(name) &&
              host.sysctls[`net/ipv6/conf/${name}/forwarding`] === '1' &&
              host.sysctls[`net/ipv6/conf/${name}/accept_ra`] === '1',
          )
          .map((name) => ({
            check: 'router-advertisements-ignored',
            severity: 'warning' as const,
            subject: name,
            text: `${name} ignores its IPv6 router, because this host forwards`,
            evidence: [
              `/proc/sys/net/ipv6/conf/${name}/forwarding: 1`,
              `/proc/sys/net/ipv6/conf/${name}/accept_ra: 1`,
              `a router advertised itself on ${name}, and there is no default route`,
            ],
            why: 'This host has no way beyond its network by IPv6: what it answers to clients there itself is lost.',
            mend: mendSettings({ [`net/ipv6/conf/${name}/accept_ra`]: 2 }),
          }));
  },
};
