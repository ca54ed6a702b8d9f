/** A daemon without a data path, which always gives the same answers. */

import { type RealServerReport, type ExplainReport, type ServiceReport } from '../../src/control/index.js';
import { ControlServer } from '../../src/control/server.js';
import { instanceOf, ip, type IpAddress, mac } from '../../src/model/index.js';
import { ETHER_TYPE, etherTypeOf } from '../../src/packet/index.js';

function destination(address: IpAddress, state: RealServerReport['state']): RealServerReport {
  const none = { packets: 0, bytes: 0, flows: 0, active: 0, inactive: 0, persistent: 0 };
  return { address, weight: state === 'drained' ? 0 : 1, state, share: 0.5, ...none };
}

const common = { scheduler: 'maglev', slots: 1024, verdicts: {} } as const;

export const SERVICES: readonly ServiceReport[] = [
  {
    ...common,
    protocol: 'tcp',
    address: ip('192.168.1.100'),
    port: 80,
    realServers: [destination(ip('192.168.1.31'), 'up'), destination(ip('192.168.1.32'), 'drained')],
  },
  {
    ...common,
    protocol: 'udp',
    address: ip('fd00::100'),
    port: 53,
    realServers: [destination(ip('fd00::31'), 'unresolved')],
  },
];

/** The report on every packet. */
export const EXPLAINED: ExplainReport = {
  packet: {
    interface: 'ens3',
    bytes: 60,
    destinationMac: mac('00:50:00:00:04:00'),
    sourceMac: mac('02:00:00:00:00:01'),
    vlans: [],
    source: ip('192.168.1.12'),
    destination: ip('192.168.1.100'),
    protocol: 'tcp',
    sourcePort: 40_000,
    destinationPort: 80,
    flags: ['SYN'],
    plain: true,
  },
  service: { name: 'tcp 192.168.1.100:80', scheduler: 'maglev', realServers: 2, wildcard: false, remembers: 'all' },
  flow: {
    protocol: 'tcp',
    client: ip('192.168.1.12'),
    clientPort: 40_000,
    port: 80,
    event: 'syn',
    sought: true,
    noRoom: false,
    crowded: false,
  },
  slot: { index: 517, of: 1024, realServer: ip('192.168.1.32'), full: false, lookedOn: 0, moved: false },
  realServer: {
    address: ip('192.168.1.32'),
    number: 2,
    weight: 1,
    local: false,
    mac: mac('00:50:00:00:02:00'),
    by: 'slot',
  },
  sent: {
    interface: 'ens3',
    sourceMac: mac('00:50:00:00:04:00'),
    destinationMac: mac('00:50:00:00:02:00'),
    vlans: [],
  },
  counted: { bytes: 40, opensFlow: true },
  verdict: 'forwarded',
  reason: 'sent back out of the interface it came by',
  oracle: { agrees: true, verdict: 'forwarded', realServer: ip('192.168.1.32'), differences: [] },
};

/** The same, but program and oracle disagree. */
export const DISAGREEING: ExplainReport = {
  ...EXPLAINED,
  oracle: {
    agrees: false,
    verdict: 'no-flow',
    differences: [{ what: 'verdict', program: 'forwarded', oracle: 'no-flow' }],
  },
};

/** Listens as the daemon of an instance; needs root, as the daemon does. */
export function fakeDaemon(instance: string): Promise<ControlServer> {
  const unused = (): never => {
    throw new Error('the fake daemon does not know how');
  };
  const flow = {
    protocol: 'tcp',
    client: ip('192.168.1.12'),
    clientPort: 41_852,
    service: 'tcp 192.168.1.100:80',
  } as const;
  const rest = {
    vip: ip('192.168.1.100'),
    port: 80,
    realServer: ip('192.168.1.31'),
    idleSeconds: 3,
    expiresSeconds: 897,
  } as const;
  return ControlServer.listen({
    path: instanceOf(instance).socketPath,
    handlers: {
      list: () => [...SERVICES],
      stats: () => ({ services: [], noService: {} }),
      forwarded: unused,
      edit: unused,
      edits: unused,
      zero: unused,
      disable: unused,
      failover: unused,
      checks: unused,
      checkServer: unused,
      enable: unused,
      table: unused,
      flows: ({ limit }) => ({
        flows: Array.from({ length: limit }, () => ({ ...flow, ...rest, state: 'ESTABLISHED' })),
      }),
      flowSummary: () => ({
        states: { ESTABLISHED: 1 },
        topClients: [{ client: ip('192.168.1.12'), flows: 1 }],
        tables: [],
        stored: 1,
        evicted: 0,
        refused: 0,
      }),
      status: () => ({
        version: '0',
        pid: 1,
        startedAt: '2026-11-21T10:00:00.000Z',
        configPath: '/etc/beeline/beeline.yaml',
        interfaces: [{ name: 'ens3', state: 'missing', mac: mac('00:50:00:00:04:00') }],
        generation: 1,
        services: 2,
        realServers: 3,
        unresolved: 1,
        packets: 0,
        bytes: 0,
        verdicts: {},
        problems: [],
      }),
      plan: unused,
      apply: unused,
      model: unused,
      saved: unused,
      reload: () => ({ services: 2, realServers: 3, added: [], removed: [], changed: [] }),
      drain: unused,
      drainState: unused,
      stop: unused,
      // For frames with a VLAN tag, program and oracle disagree.
      explain: ({ frames }) =>
        frames.map((frame) => (etherTypeOf(frame) === ETHER_TYPE.vlan ? DISAGREEING : EXPLAINED)),
    },
    onError: (error) => {
      throw error;
    },
  });
}
