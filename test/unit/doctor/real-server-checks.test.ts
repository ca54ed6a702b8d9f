/** The doctor's checks of real servers, on facts. */

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  type Diagnosis,
  diagnose,
  type Facts,
  type NetworkFacts,
  type Outcome,
  type ProbeFacts,
  type RealServerProbe,
} from '../../../src/doctor/index.js';
import type { ServiceChecks, ServiceReport } from '../../../src/control/index.js';
import { type IpAddress, ip, type MacAddress, mac } from '../../../src/model/index.js';
import {
  answer,
  cleanFacts,
  CLIENT,
  CONFIG,
  directorFacts,
  NETWORK,
  PROBES,
  probesWith,
  REAL1,
  REAL2,
  SILENT,
  VIP,
} from '../../support/facts.js';
import { HOST } from '../../support/facts-host.js';

const find = (change: Partial<Facts>): Diagnosis => diagnose(cleanFacts(change));
const told = (change: Partial<Facts>): string[] =>
  find(change).findings.map(({ severity, check, text }) => `${severity} ${check}: ${text}`);

const [REAL] = PROBES.realServers as [RealServerProbe];
const [PAIR] = REAL.vips as [RealServerProbe['vips'][number]];
const [PORT] = PAIR.ports as [(typeof PAIR.ports)[number]];

const REFUSED: Outcome = { kind: 'refused', text: 'RST', mac: REAL1.mac, ms: 0.2 };
const EXPIRED: Outcome = {
  kind: 'icmp',
  text: 'time to live exceeded',
  from: REAL1.address,
  mac: REAL1.mac,
  expired: true,
};

/** The first real server, with its VIP's probe changed. */
const pairWith = (
  change: Partial<typeof PAIR>,
  port: Partial<typeof PORT> = {},
  real: Partial<RealServerProbe> = {},
): ProbeFacts => probesWith(REAL1.address, { ...real, vips: [{ ...PAIR, ports: [{ ...PORT, ...port }], ...change }] });

const routed = (address: IpAddress, route?: Parameters<Map<IpAddress, object>['set']>[1]): NetworkFacts => ({
  ...NETWORK,
  routes: new Map(
    [...NETWORK.routes].flatMap(([key, value]) =>
      key !== address ? [[key, value]] : route === undefined ? [] : [[key, route]],
    ) as never,
  ),
});

/** What a daemon says of the real servers. */
function reported(state: ServiceReport['realServers'][number]['state']): Facts['director'] {
  const realServers = [REAL1, REAL2].map(({ address }) => ({
    ...{ address, weight: 1, state, share: 0.5, packets: 0, bytes: 0, flows: 0, active: 0, inactive: 0, persistent: 0 },
  }));
  const key = { address: VIP, port: 80, protocol: 'tcp' } as const;
  return { ...directorFacts(), services: [{ ...key, scheduler: 'wlc', slots: 0, realServers, verdicts: {} }] };
}

test('a real server that nobody answers for is an error, and a warning where no packets go there', () => {
  const probes = probesWith(REAL1.address, { macs: [], ping: undefined, vips: [{ vip: VIP, ports: [] }] });
  const line = 'real-server-unreachable: nobody answers for real server 192.168.1.31 on ens3';
  assert.deepEqual(told({ probes }), [`error ${line}`]);
  assert.deepEqual(told({ probes, director: reported('down') }), [`warning ${line}`]);
  assert.deepEqual(told({ probes, director: reported('unresolved') }), [`error ${line}`]);
  const drained = directorFacts(CONFIG.replace('192.168.1.31,', '{ address: 192.168.1.31, weight: 0 },'));
  assert.deepEqual(told({ probes, director: drained }), [`warning ${line}`]);
  const network = { ...NETWORK, links: NETWORK.links.map((each) => ({ ...each, carrier: false })) };
  assert.deepEqual(told({ probes, network }), [
    "error interface-down: the director's interface ens3 has no carrier",
    `error ${line}, which has no carrier`,
  ]);
});

test('a real server that the director has no MAC for is told with its reason, if no other finding says why', () => {
  const { services } = reported('unresolved');
  const director = { ...directorFacts(), services, servicesAfter: services };
  const line = 'error real-server-unreachable: the director has no MAC for real server';
  const answering = (of: typeof REAL1 | typeof REAL2): string => `${of.address}, although ${of.mac} answers for it`;
  assert.deepEqual(told({ director }), [`${line} ${answering(REAL1)}`, `${line} ${answering(REAL2)}`]);
  assert.deepEqual(told({ director: reported('unresolved') }), [], 'what ended meanwhile was of the moment');
  assert.deepEqual(told({ director, probes: undefined }), [`${line} ${REAL1.address}`, `${line} ${REAL2.address}`]);
  const away = routed(REAL1.address, {
    kind: 'unicast',
    interface: 'ens3',
    prefixLength: 0,
    gateway: ip('192.168.1.1'),
  });
  assert.deepEqual(told({ director, network: away, probes: undefined }), [
    `${line} ${REAL2.address}`,
    'error real-server-off-link: real server 192.168.1.31 is behind the router 192.168.1.1',
  ]);
});

test('an interface that is missing or down is told once, and not by what follows from it', () => {
  const without = (change: Partial<NetworkFacts>): string[] =>
    told({ network: { ...NETWORK, routes: new Map(), addresses: [], ...change }, probes: undefined }).filter(
      (line) => !line.includes('vip-unanswered'),
    );
  const down = NETWORK.links.map((each) => ({ ...each, up: false }));
  assert.deepEqual(without({ links: down }), ["error interface-down: the director's interface ens3 is down"]);
  const { findings } = find({ director: directorFacts(CONFIG.replace('ens3', 'ens9')), probes: undefined });
  assert.deepEqual(
    findings.map(({ check, text }) => `${check}: ${text}`),
    ["interface-down: the director's interface ens9 does not exist"],
  );
  assert.equal(findings[0]!.mend[0]!.command, 'interfaces: [ens3], which leads to the real servers');
  const bond = { ...NETWORK.links[0]!, name: 'bond0', ifindex: 9, kind: 'bond', leaves: ['ens3', 'ens4'] };
  const members = [{ ...NETWORK.links[0]!, carrier: false }, { ...NETWORK.links[0]!, name: 'ens4', ifindex: 3 }, bond];
  assert.deepEqual(told({ network: { ...NETWORK, links: members }, probes: undefined }), [
    "warning interface-down: the director's interface ens3 has no carrier",
  ]);
});

test('real servers behind a router, without a route or by a foreign interface are off the link', () => {
  const off = (text: string): string[] => [`error real-server-off-link: real server 192.168.1.31 ${text}`];
  const gone = (network: NetworkFacts): string[] =>
    told({ network, probes: { ...PROBES, realServers: PROBES.realServers.slice(1) } });
  const unicast = { kind: 'unicast', interface: 'ens3', prefixLength: 0 } as const;
  assert.deepEqual(
    gone(routed(REAL1.address, { ...unicast, gateway: ip('192.168.1.1') })),
    off('is behind the router 192.168.1.1'),
  );
  assert.deepEqual(gone(routed(REAL1.address)), off('has no route'));
  assert.deepEqual(
    gone(routed(REAL1.address, { ...unicast, interface: 'ens9' })),
    off('is on ens9, which the director does not use'),
  );
  const bridged = routed(REAL1.address, { ...unicast, interface: 'br0' });
  const bridge = { ...NETWORK.links[0]!, name: 'br0', ifindex: 9, kind: 'bridge', leaves: ['ens3'] };
  assert.deepEqual(
    gone({ ...bridged, links: [...bridged.links, bridge] }),
    off('is on br0, which the director does not use'),
    'the director sends by no bridge that is over its interface',
  );
  const bond = { ...bridge, kind: 'bond', egresses: ['br0', 'ens3'] };
  assert.deepEqual(gone({ ...bridged, links: [...bridged.links, bond] }), [], 'it sends by the members of a bond');
  assert.deepEqual(
    gone(routed(REAL1.address, { kind: 'local', interface: 'lo', prefixLength: 32 })),
    [],
    'it is this host',
  );
});

test('a real server with a configured MAC, a VLAN of the director’s tags, or that is the host itself needs no route', () => {
  const lines = ['{ address: 192.168.1.31, mac: "02:00:00:00:00:01" }', '{ address: 192.168.1.31, vlan: 20 }'];
  for (const line of lines) {
    const director = directorFacts(CONFIG.replace('192.168.1.31,', `${line},`));
    assert.deepEqual(told({ director, network: routed(REAL1.address) }), [], line);
  }
});

test('a real server that answers for itself and not for the VIP lacks the VIP, with both answers as evidence', () => {
  const { findings } = find({ probes: pairWith({ ping: SILENT }, { byVip: SILENT }) });
  assert.equal(findings.length, 1);
  const [{ severity, check, text, evidence }] = findings as [(typeof findings)[number]];
  assert.deepEqual([severity, check], ['error', 'real-server-without-vip']);
  assert.equal(text, 'real server 192.168.1.31 does not have the VIP 192.168.1.100');
  assert.deepEqual(evidence, [
    'ping to 192.168.1.31 by 00:50:00:00:01:00: echo reply from 00:50:00:00:01:00 after 0.3 ms',
    'ping to 192.168.1.100 by 00:50:00:00:01:00: no answer',
    'SYN to port 80: of 192.168.1.31, SYN-ACK from 00:50:00:00:01:00 after 0.3 ms; of 192.168.1.100, no answer',
  ]);
});

test('a real server that redirects ports has no VIP that answers pings, and nothing is wrong with it', () => {
  assert.deepEqual(told({ probes: pairWith({ ping: SILENT }) }), []);
});

test('where only pings can tell, the VIP may be missing', () => {
  const udp = { protocol: 'udp', byVip: undefined, byRip: undefined } as const;
  assert.match(
    told({ probes: pairWith({ ping: SILENT }, udp) })[0]!,
    /^warning real-server-without-vip: .* may not have/,
  );
  assert.match(
    told({ probes: pairWith({ ping: SILENT }, { byVip: SILENT, byRip: SILENT }) })[0]!,
    /^warning .* may not have/,
  );
});

test('a host that is silent to everything is not said to lack the VIP, nor one that was not asked', () => {
  const silent = pairWith({ ping: SILENT }, { byVip: SILENT, byRip: SILENT }, { ping: SILENT, longPing: SILENT });
  const mute = `real-server-unreachable: real server ${REAL1.address} answers ARP, and nothing else that comes from this host`;
  assert.deepEqual(told({ probes: silent }), [`error ${mute}`]);
  const noPorts = pairWith({ ping: SILENT, ports: [] }, {}, { ping: SILENT, longPing: SILENT });
  assert.deepEqual(told({ probes: noPorts }), [`note ${mute}`], 'pings alone are often filtered');
  const unasked = { ping: undefined, longPing: undefined, offLink: undefined };
  assert.deepEqual(told({ probes: pairWith({ ...unasked, ports: [] }, {}, unasked) }), []);
});

test('many VIPs that a real server lacks are one finding', () => {
  const lack = { ...PAIR, ping: SILENT, ports: [{ ...PORT, byVip: SILENT }] };
  const vips = Array.from({ length: 100 }, (_, i) => ({ ...lack, vip: ip(`192.168.2.${i + 1}`) }));
  assert.deepEqual(told({ probes: probesWith(REAL1.address, { vips }) }), [
    'error real-server-without-vip: real server 192.168.1.31 does not have the VIPs 192.168.2.1, 192.168.2.2, 192.168.2.3 and 97 others',
  ]);
});

test('a real server that forwards the VIP is told once, with what its health check says', () => {
  const line =
    'error real-server-forwards-vip: real server 192.168.1.31 does not have the VIP 192.168.1.100, and forwards what is for it';
  const probes = pairWith({ ping: EXPIRED }, { byVip: EXPIRED });
  assert.deepEqual(told({ probes }), [line]);
  const last = { passed: false, layer: 'L3', words: 'has no VIP: it forwards what is for it', ms: 1 };
  const checks: ServiceChecks[] = [
    {
      service: 'tcp 192.168.1.100:80',
      quorum: 'met',
      realServers: [
        {
          ...{ address: REAL1.address, state: 'down', since: '2026-01-01T00:00:00Z' },
          checks: [{ check: 'tcp', state: 'down', since: '2026-01-01T00:00:00Z', against: 0, last }],
        },
      ],
    },
  ];
  const director = { ...directorFacts(), checks };
  const { findings } = find({ director, probes });
  assert.equal(findings.length, 1);
  assert.match(findings[0]!.evidence[1]!, /^check tcp of tcp 192\.168\.1\.100:80: has no VIP/);
  assert.match(
    told({ director, probes: undefined })[0]!,
    /forwards what is for it/,
    'without probes the check’s word counts',
  );
  assert.deepEqual(told({ director }), [], 'a real server that answers now has mended since');
});

test('a closed port is told by who refuses it, and how much it matters', () => {
  const closed = told({ probes: pairWith({}, { byVip: REFUSED, byRip: REFUSED }) });
  assert.deepEqual(closed, [
    'error real-server-port-closed: real server 192.168.1.31 refuses connections to 192.168.1.100 port 80',
  ]);
  assert.match(told({ probes: pairWith({}, { byVip: REFUSED }) })[0]!, /its server listens on its own address alone/);
  assert.match(told({ probes: pairWith({}, { byVip: SILENT }) })[0]!, /^error .* drops connections/);
  assert.match(told({ probes: pairWith({}, { byVip: SILENT, byRip: SILENT }) })[0]!, /^warning .* does not answer/);
  const probes = pairWith({}, { byVip: REFUSED, byRip: REFUSED });
  assert.match(told({ probes, director: reported('down') })[0]!, /^warning real-server-port-closed/);
  assert.match(told({ probes, director: reported('up') })[0]!, /^error real-server-port-closed/);
});

test('a real server whose gateway is the director is told by the answer that came here', () => {
  assert.deepEqual(told({ probes: pairWith({ offLink: answer(REAL1) }, {}, { offLink: answer(REAL1) }) }), [
    'error real-server-gateway-is-director: the default gateway of real server 192.168.1.31 is this director',
  ]);
  assert.deepEqual(
    told({ probes: pairWith({}, {}, { offLink: answer(REAL1) }) }),
    [],
    'the VIP’s answers have another way',
  );
  const redirects = pairWith({ ping: SILENT }, {}, { offLink: answer(REAL1) });
  assert.match(told({ probes: redirects })[0]!, /^warning real-server-gateway-is-director/);
});

test('a director that forwards IPv6 sends its real servers’ answers on, and one that does not drops them', () => {
  const [vip, offLink] = [ip('fd00::100'), answer(REAL1)];
  const probes = probesWith(REAL1.address, { address: ip('fd00::31'), vips: [{ ...PAIR, vip, offLink }], offLink });
  const of = (forwarding: '0' | '1'): readonly string[] => {
    const sysctls = { ...HOST.sysctls, 'net/ipv6/conf/all/forwarding': forwarding };
    const { findings } = diagnose(cleanFacts({ probes, host: { ...HOST, sysctls } }));
    return findings.flatMap(({ check, severity, why }) =>
      check === 'real-server-gateway-is-director' ? [severity, why] : [],
    );
  };
  assert.match(of('0').join(), /^error,.*forwards no IPv6, so that clients of other networks get no answer\.$/);
  assert.match(of('1').join(), /^warning,.*carries all that clients download\.$/);
});

test('a real server that long packets do not reach is told, and interfaces of different MTUs', () => {
  assert.deepEqual(told({ probes: probesWith(REAL1.address, { longPing: SILENT }) }), [
    'warning mtu-differs: packets of 1500 bytes, the MTU of ens3, do not reach real server 192.168.1.31 and back',
  ]);
  assert.deepEqual(told({ probes: probesWith(REAL1.address, { ping: SILENT, longPing: SILENT }) }), []);
  const director = directorFacts(CONFIG.replace('[ens3]', '[ens3, ens4]'));
  const network = {
    ...NETWORK,
    links: [...NETWORK.links, { ...NETWORK.links[0]!, name: 'ens4', ifindex: 3, mtu: 9000 }],
  };
  assert.deepEqual(told({ director, network }), [
    "note mtu-differs: the director's interfaces have different MTUs: ens3 1500, ens4 9000",
  ]);
});

const withMacs = (...macs: readonly MacAddress[]): ProbeFacts => probesWith(REAL1.address, { macs });

test('two real servers with one MAC, and two MACs for one, are told', () => {
  assert.deepEqual(told({ probes: withMacs(REAL2.mac) }), [
    `warning same-mac-twice: real servers 192.168.1.31, 192.168.1.32 have one MAC, ${REAL2.mac}`,
  ]);
  const other = mac('02:00:00:00:00:99');
  assert.deepEqual(told({ probes: withMacs(REAL1.mac, other) }), [
    `error same-mac-twice: 2 MACs answer for real server 192.168.1.31 on ens3: ${REAL1.mac}, ${other}`,
  ]);
  const [both, ...more] = find({ probes: withMacs(REAL1.mac, REAL2.mac) }).findings;
  assert.deepEqual(more, [], 'who answers for another one as well is told once');
  assert.equal(both!.evidence[1], `${REAL1.address} is-at ${REAL2.mac}, which is real server ${REAL2.address}`);
  assert.equal(both!.mend[0]!.host, REAL2.address);
});

test('one host with an address of each family is not two real servers', () => {
  const six = { ...REAL, address: ip('fd00::31'), vips: [] };
  assert.deepEqual(told({ probes: { ...PROBES, realServers: [...PROBES.realServers, six] } }), []);
});

test('a real server with the MAC of another director, or that sends on to another real server, is a director', () => {
  const directors = [{ address: ip('192.168.1.22'), macs: [REAL1.mac] }];
  const director = directorFacts(`directors: [192.168.1.22]\n${CONFIG}`);
  assert.deepEqual(told({ director, probes: { ...PROBES, directors } }), [
    'warning real-server-is-director: real server 192.168.1.31 is the other director 192.168.1.22',
  ]);
  assert.deepEqual(told({ probes: pairWith({}, { byVip: answer(REAL2, 'SYN-ACK') }) }), [
    'error real-server-is-director: real server 192.168.1.31 is a director: it sends what is for 192.168.1.100 on to 192.168.1.32',
  ]);
  const second = mac('02:00:00:00:00:98');
  assert.deepEqual(told({ probes: pairWith({}, { byVip: answer({ mac: second }, 'SYN-ACK') }) }), [], 'its other card');
});

/** A router advertisement from a MAC, with a lifetime in seconds. */
function advertisement(from: MacAddress, lifetime: number): ProbeFacts {
  const bytes = new Uint8Array(70);
  bytes.set(
    from.split(':').map((each) => parseInt(each, 16)),
    6,
  );
  bytes.set([0x86, 0xdd, 0x60, 0, 0, 0, 0, 16, 58, 255, 0xfe, 0x80], 12);
  bytes.set([134, 0, 0, 0, 64, 0, lifetime >> 8, lifetime & 0xff], 54);
  return { ...PROBES, routerAdvertisements: [{ interface: 'ens3', at: 5, bytes }] };
}

test('a real server that advertises itself as a gateway is told; a router may, and one that says it is no gateway', () => {
  assert.deepEqual(told({ probes: advertisement(REAL1.mac, 1800) }), [
    `warning ipv6-router-advertisements: real server 192.168.1.31 (${REAL1.mac}) advertises itself as a gateway of IPv6 on ens3`,
  ]);
  assert.deepEqual(told({ probes: advertisement(REAL1.mac, 0) }), []);
  assert.deepEqual(told({ probes: advertisement(CLIENT.mac, 1800) }), []);
});

test('a thousand real servers with the same fault are one finding, found in no time', () => {
  const realServers = Array.from({ length: 1000 }, (_, i) => ({
    ...{ ...REAL, macs: [], ping: undefined, longPing: undefined, vips: [] },
    address: ip(`10.0.${i >> 8}.${i & 255}`),
  }));
  const began = performance.now();
  const lines = told({ probes: { ...PROBES, realServers } });
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /nobody answers for real server 10\.0\.0\.0 .* \(and so with 999 other real servers\)/);
  assert.ok(performance.now() - began < 1_000);
});
