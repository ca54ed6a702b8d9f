/** The kernel's own ideas of routes: what it drops for them, and what it tells others. */

import { allServices, isSelf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import { mendSettings } from './mends.js';

export const reverseFilter: Check = {
  name: 'reverse-filter',
  about: 'rp_filter that drops clients of a service which the director itself answers',
  reads: ['network', 'host'],
  find: ({ director: { model }, network, host }) => {
    const own = new Set((network?.addresses ?? []).map(({ address }) => address));
    const local = allServices(model)
      .flatMap(({ destinations }) => destinations)
      .find(({ address }) => isSelf(address) || own.has(address));
    // What goes on to other real servers never meets it.
    if (host === undefined || local === undefined) {
      return [];
    }
    const ways = host.defaultRoutes[4];
    return model.interfaces
      .filter((name) => ways.length > 0 && !ways.includes(name) && valueOf(host.sysctls, name) === 1)
      .map((name) => ({
        check: 'reverse-filter',
        severity: 'warning' as const,
        subject: name,
        text: `rp_filter drops clients of other networks that come by ${name} to the real server on this host`,
        evidence: [
          `the larger of /proc/sys/net/ipv4/conf/{all,${name}}/rp_filter: 1`,
          `the default route leads to ${ways.join(', ')}`,
        ],
        why: `Their way back is another interface, so that the kernel takes their packets for forged. Only those for ${local.address}, this host, meet it.`,
        mend: mendSettings({ [`net/ipv4/conf/${name}/rp_filter`]: 2 }),
      }));
  },
};

/** Of rp_filter the larger setting holds (IN_DEV_MAXCONF). */
function valueOf(sysctls: Readonly<Record<string, string>>, name: string): number {
  return Math.max(...['all', name].map((each) => Number(sysctls[`net/ipv4/conf/${each}/rp_filter`] ?? 0)));
}

export const redirectsSent: Check = {
  name: 'redirects-sent',
  about: "ICMP redirects of a director that is its real servers' gateway",
  reads: ['host', 'network', 'probes'],
  find: ({ host, probes }) => {
    const { sysctls = {} } = host ?? {};
    if (sysctls['net/ipv4/ip_forward'] !== '1') {
      return [];
    }
    const through = (probes?.realServers ?? []).filter(
      ({ address, offLink }) => offLink?.kind === 'answer' && !address.includes(':'),
    );
    return [...new Set(through.map((each) => each.interface))].flatMap((name) => {
      // Of send_redirects either setting is enough (IN_DEV_ORCONF).
      const keys = ['all', name].map((each) => `net/ipv4/conf/${each}/send_redirects`);
      const on = keys.filter((key) => sysctls[key] === '1');
      const servers = through.filter((each) => each.interface === name).map(({ address }) => address);
      return on.length === 0
        ? []
        : [
            {
              check: 'redirects-sent',
              severity: 'warning' as const,
              subject: name,
              text: `this host is the gateway of ${servers.slice(0, 3).join(', ')}, and tells them by ICMP redirects to take another`,
              evidence: ['/proc/sys/net/ipv4/ip_forward: 1', ...on.map((key) => `/proc/sys/${key}: 1`)],
              why: 'Some real servers follow a redirect and others do not, each for some minutes: answers take ways that change.',
              mend: mendSettings(Object.fromEntries(on.map((key) => [key, 0]))),
            },
          ];
    });
  },
};
