/** Facts of a director with nothing wrong, for tests of the doctor's checks; each test spoils what it is about. */

import type {
  DirectorFacts,
  Facts,
  NetworkFacts,
  Outcome,
  ProbeFacts,
  RealServerProbe,
} from '../../src/doctor/index.js';
import { parseConfig } from '../../src/config/index.js';
import { ip, mac, type MacAddress } from '../../src/model/index.js';
import { CARD, FIREWALL, HOST } from './facts-host.js';

export const VIP = ip('192.168.1.100');
export const VIP6 = ip('fd00::100');
export const REAL1 = { address: ip('192.168.1.31'), mac: mac('00:50:00:00:01:00') } as const;
export const REAL2 = { address: ip('192.168.1.32'), mac: mac('00:50:00:00:02:00') } as const;
export const CLIENT = { address: ip('192.168.1.12'), mac: mac('00:50:00:00:03:00') } as const;
export const DIRECTOR = { address: ip('192.168.1.21'), mac: mac('00:50:00:00:04:00') } as const;

export const CONFIG = `
interfaces: [ens3]
services:
  - address: 192.168.1.100
    port: 80
    protocol: tcp
    scheduler: wlc
    realServers: [192.168.1.31, 192.168.1.32]
`;

export const answer = (from: { readonly mac: MacAddress }, text = 'echo reply'): Outcome => ({
  kind: 'answer',
  text,
  mac: from.mac,
  ms: 0.3,
});

export const SILENT: Outcome = { kind: 'silent' };

function realServer(of: typeof REAL1 | typeof REAL2): RealServerProbe {
  return {
    address: of.address,
    interface: 'ens3',
    macs: [of.mac],
    ping: answer(of),
    longPing: answer(of),
    offLink: SILENT,
    vips: [
      {
        vip: VIP,
        ping: answer(of),
        offLink: SILENT,
        ports: [
          {
            ...{ service: 'tcp 192.168.1.100:80', protocol: 'tcp', port: 80 },
            ...{ byVip: answer(of, 'SYN-ACK'), byRip: answer(of, 'SYN-ACK') },
          },
        ],
      },
    ],
  };
}

export function directorFacts(config = CONFIG): DirectorFacts {
  return { model: parseConfig(config, 'beeline.yaml'), source: 'file', configPath: 'beeline.yaml', warnings: [] };
}

export const NETWORK: NetworkFacts = {
  links: [{ name: 'ens3', ifindex: 2, mac: DIRECTOR.mac, mtu: 1500, up: true, carrier: true, kind: '' }],
  addresses: [
    { interface: 'ens3', address: DIRECTOR.address, prefixLength: 24, duplicate: false, scope: 'global' },
    { interface: 'ens3', address: VIP, prefixLength: 32, duplicate: false, scope: 'global' },
  ],
  routes: new Map([
    [VIP, { kind: 'local', interface: 'lo', prefixLength: 32 }],
    [REAL1.address, { kind: 'unicast', interface: 'ens3', prefixLength: 24 }],
    [REAL2.address, { kind: 'unicast', interface: 'ens3', prefixLength: 24 }],
  ]),
};

export const PROBES: ProbeFacts = {
  interfaces: [{ name: 'ens3', ifindex: 2, mac: DIRECTOR.mac, mtu: 1500 }],
  ownMacs: [DIRECTOR.mac],
  vips: [{ vip: VIP, interface: 'ens3', asked: 2, answers: [] }],
  realServers: [realServer(REAL1), realServer(REAL2)],
  neighbours: [
    {
      ...{ ...CLIENT, interface: 'ens3' },
      ping: { kind: 'answer', text: 'echo reply', mac: CLIENT.mac, ms: 0.2 },
      byVip: [{ vip: VIP, ping: { kind: 'answer', text: 'echo reply', mac: CLIENT.mac, ms: 0.2 } }],
    },
  ],
  directors: [],
  proxies: [],
  announced: [],
  vrrp: [],
  routerAdvertisements: [],
  ms: 3_100,
  sent: 20,
  dropped: 0,
};

/** Nothing is wrong with these. */
export function cleanFacts(change: Partial<Facts> = {}): Facts {
  const host = { host: HOST, cards: [CARD], firewall: FIREWALL };
  return { director: directorFacts(), network: NETWORK, ...host, probes: PROBES, notLookedAt: [], ...change };
}

/** The probes with one real server's changed. */
export function probesWith(address: string, change: Partial<RealServerProbe>): ProbeFacts {
  return {
    ...PROBES,
    realServers: PROBES.realServers.map((each) => (each.address === address ? { ...each, ...change } : each)),
  };
}
