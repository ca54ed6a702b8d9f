/** The director is on a bridge, and br_netfilter sends all frames of bridges through iptables. */

import type { Check } from '../../check.js';
import { mendSettings } from './mends.js';

const KEYS = ['net/bridge/bridge-nf-call-iptables', 'net/bridge/bridge-nf-call-ip6tables'] as const;

export const bridgeFiltered: Check = {
  name: 'bridge-filtered',
  about: 'br_netfilter on a bridge of the director: iptables and connection tracking see the packets before it',
  reads: ['network', 'host'],
  find: ({ director, network, host }) => {
    const on = KEYS.filter((key) => host?.sysctls[key] === '1');
    const bridges = (network?.links ?? []).filter(
      ({ name, kind }) => kind === 'bridge' && director.model.interfaces.includes(name),
    );
    return on.length === 0
      ? []
      : bridges.map(({ name }) => ({
          check: 'bridge-filtered',
          severity: 'warning' as const,
          subject: name,
          text: `what comes by the bridge ${name} goes through iptables and connection tracking before the director sees it`,
          evidence: [`${name} is a bridge`, ...on.map((key) => `/proc/sys/${key}: 1`)],
          why:
            'With direct routing answers do not come back this way, so that connection tracking takes packets for invalid ' +
            'ones: rules drop them, and its table fills. Each packet costs several times as much.',
          mend: mendSettings(Object.fromEntries(on.map((key) => [key, 0]))),
        }));
  },
};
