/** The directors that `beeline bench forward` compares, and how each is set up on a separate cable. */

import { attach, DIRECTOR_OBJECT, MapSet, Publisher } from '../../dataplane/index.js';
import { compile } from '../../image/index.js';
import { run } from '../../lab/index.js';
import type { XdpMode } from '../../libbpf/index.js';
import { type Interface, type IpAddress, type Resolution, type Service, ip } from '../../model/index.js';
import { attachIpvs } from './ipvs.js';
import { type Cable, stationMac, type Target, type Wire } from './wire.js';

/** The directors' names in the order of the report. */
export const DIRECTORS = [
  'drop',
  'mac-rewrite',
  'beeline',
  'beeline-moved',
  'beeline-generic',
  'nftables',
  'kernel',
  'ipvs',
  'ipvs-uml',
] as const;
export type DirectorName = (typeof DIRECTORS)[number];

/** The real servers: stations 1 and 2. */
export const REAL_SERVERS: readonly IpAddress[] = [ip('10.9.0.31'), ip('10.9.0.32')];

/** A director that is ready for packets. */
export interface Contender extends Target {
  readonly director: DirectorName;
  /** The interface that packets are sent into. */
  readonly far: Interface;
  /** The stations that must have received packets: the director itself where it only counts them. */
  readonly stations: readonly number[];
  /**
   * For a director that is a process and takes packets from a queue. It competes with the client for the CPU, and packets
   * that overflow the queue are lost. Its cost is the CPU time that it had for each packet that it forwarded.
   */
  readonly isProcess?: true;
  readonly close?: () => void | Promise<void>;
}

/** Prepares the network namespace for all directors. */
export async function prepareNamespace(): Promise<void> {
  const set = (name: string, value: number): Promise<string> =>
    run('sh', ['-c', `printf ${value} > /proc/sys/net/${name}`]);
  for (const scope of ['all', 'default']) {
    // Only the bench's packets on the wire, and they arrive and leave by the same interface.
    await set(`ipv6/conf/${scope}/disable_ipv6`, 1);
    await set(`ipv4/conf/${scope}/send_redirects`, 0);
    await set(`ipv4/conf/${scope}/rp_filter`, 0);
  }
  await set('ipv4/ip_forward', 1);
  await run('ip', ['link', 'set', 'lo', 'up']);
}

/** Functions that set up each director. */
export const CONTENDERS: Readonly<Record<Exclude<DirectorName, 'ipvs-uml'>, (wire: Wire) => Promise<Contender>>> = {
  // The harness alone: client, cable and counting. The real servers are where the director would be.
  drop: async (wire) => {
    const cable = await wire.cable('drop');
    wire.attach('count', cable.near);
    return contender('drop', cable, 100, [0]);
  },
  'mac-rewrite': async (wire) => {
    const cable = await wire.cable('mac');
    wire.attach('rewrite_macs', cable.near);
    return contender('mac-rewrite', cable, 100, [1]);
  },
  beeline: (wire) => beeline(wire, 'beeline', 'native', 'all'),
  'beeline-moved': (wire) => beeline(wire, 'beeline-moved', 'native', 'moved'),
  'beeline-generic': (wire) => beeline(wire, 'beeline-generic', 'generic', 'all'),
  nftables: async (wire) => {
    const cable = await wire.cable('nft');
    await behaveAsCard(cable);
    await run('nft', ['-f', '-'], { input: nftablesRules(cable, ip('10.9.0.102')) });
    return contender('nftables', cable, 102);
  },
  // One next hop for the VIP: a router without services, the least that the kernel can do.
  kernel: async (wire) => {
    const cable = await wire.cable('kernel');
    await behaveAsCard(cable);
    const { name } = cable.near;
    await run('ip', ['route', 'add', '10.9.0.103/32', 'via', REAL_SERVERS[0]!, 'dev', name, 'onlink']);
    await run('ip', ['neigh', 'add', REAL_SERVERS[0]!, 'lladdr', stationMac(1), 'dev', name, 'nud', 'permanent']);
    return contender('kernel', cable, 103, [1]);
  },
  ipvs: async (wire) => {
    const cable = await wire.cable('ipvs');
    await behaveAsCard(cable);
    await attachIpvs(cable.near.name, ip('10.9.0.104'), REAL_SERVERS);
    return contender('ipvs', cable, 104);
  },
};

function contender(director: DirectorName, { far }: Cable, vip: number, stations = [1, 2]): Contender {
  return { director, far, mac: stationMac(0), vip: ip(`10.9.0.${vip}`), stations };
}

/** Sets up Beeline's program and tables with one service. */
async function beeline(
  wire: Wire,
  director: DirectorName,
  mode: XdpMode,
  track: NonNullable<Service['track']>,
): Promise<Contender> {
  const cable = await wire.cable(`${mode.slice(0, 3)}-${track.slice(0, 3)}`);
  if (mode === 'generic') {
    await behaveAsCard(cable);
  }
  const made = contender(director, cable, 101);
  const publisher = new Publisher({
    create: (geometry, features, before) => MapSet.create(DIRECTOR_OBJECT, geometry, features, before),
    reload: (from, features) => MapSet.reload(DIRECTOR_OBJECT, from, features),
    install: () => undefined,
  });
  const services: Service[] = [
    {
      address: made.vip,
      port: 80,
      protocol: 'udp',
      scheduler: 'maglev',
      track,
      destinations: REAL_SERVERS.map((address) => ({ address, weight: 1 })),
    },
  ];
  const { ifindex } = cable.near;
  const resolution = (i: number): Resolution => ({ state: 'resolved', mac: stationMac(i + 1), ifindex });
  await publisher.publish(
    compile(
      { services },
      {
        interfaces: [cable.near],
        resolutions: new Map(REAL_SERVERS.map((address, i) => [address, resolution(i)])),
      },
    ),
  );
  const { link } = attach(publisher.set!.program, cable.near, { mode, replace: false });
  return {
    ...made,
    close: () => {
      link.close();
      publisher.close();
    },
  };
}

/** Turns on GRO, so that a veth polls as a network card does. An XDP program on it implies that. */
async function behaveAsCard({ near }: Cable): Promise<void> {
  await run('ethtool', ['-K', near.name, 'gro', 'on']);
}

/**
 * Returns rules for direct routing as nftables load balancers do it (nftlb's "dsr" farms): at the ingress hook, before the
 * network stack, with the real server chosen by a hash of the client's address and port.
 */
export function nftablesRules({ near }: Cable, vip: IpAddress): string {
  const macs = REAL_SERVERS.map((_, i) => `${i} : ${stationMac(i + 1)}`).join(', ');
  return `table netdev bench {
  chain ingress {
    type filter hook ingress device "${near.name}" priority 0;
    ip daddr ${vip} udp dport 80 ether saddr set ${near.mac} ether daddr set jhash ip saddr . udp sport mod ${REAL_SERVERS.length} map { ${macs} } fwd to "${near.name}"
  }
}
`;
}
