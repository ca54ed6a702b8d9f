/** The doctor's checks of ARP, neighbour discovery and VIPs, on facts. */

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  type Diagnosis,
  diagnose,
  type Facts,
  type HeardMessage,
  type NetworkFacts,
  type ProbeFacts,
} from '../../../src/doctor/index.js';
import { type IpAddress, ip, type MacAddress, mac, type Warning } from '../../../src/model/index.js';
import {
  answer,
  cleanFacts,
  CLIENT,
  CONFIG,
  DIRECTOR,
  directorFacts,
  NETWORK,
  PROBES,
  REAL1,
  SILENT,
  VIP,
} from '../../support/facts.js';

const OTHER = mac('02:00:00:00:00:99');

function reply(from: MacAddress, address: IpAddress = VIP): HeardMessage {
  return {
    ...{ kind: 'says', protocol: 'ARP', sourceMac: from, destinationMac: DIRECTOR.mac, address, mac: from },
    ...{ unasked: false, interface: 'ens3', at: 3 },
  };
}

const answered = (...macs: readonly MacAddress[]): ProbeFacts => ({
  ...PROBES,
  vips: [{ ...PROBES.vips[0]!, answers: macs.map((each) => reply(each)) }],
});

const announced = (...messages: readonly Partial<HeardMessage>[]): ProbeFacts => ({
  ...PROBES,
  announced: messages.map((each) => ({ ...reply(OTHER), unasked: true, ...each })),
});

/** The director without the VIP. */
const WITHOUT_VIP: NetworkFacts = {
  ...NETWORK,
  addresses: NETWORK.addresses.filter(({ address }) => address !== VIP),
  routes: new Map([...NETWORK.routes, [VIP, { kind: 'unicast', interface: 'ens3', prefixLength: 24 }]]),
};

const vipAs = (change: Partial<NetworkFacts['addresses'][number]>): NetworkFacts => ({
  ...NETWORK,
  addresses: NETWORK.addresses.map((each) => (each.address === VIP ? { ...each, ...change } : each)),
});

const find = (change: Partial<Facts>): Diagnosis => diagnose(cleanFacts(change));
const told = (change: Partial<Facts>): string[] =>
  find(change).findings.map(({ severity, check, text }) => `${severity} ${check}: ${text}`);

test('an IPv6 VIP from which this host’s own packets to real servers come is told, with the command that --fix runs', () => {
  const vip = ip('fd00::100');
  const config =
    "interfaces: [ens3]\nservices: [{ address: 'fd00::100', port: 80, realServers: ['fd00::31', 'fd00::32'] }]\n";
  const address = { interface: 'ens3', address: vip, prefixLength: 128, duplicate: false, scope: 'global' };
  const facts = (source: string): Partial<Facts> => ({
    director: directorFacts(config),
    network: {
      ...NETWORK,
      addresses: [...NETWORK.addresses, address],
      sources: new Map([ip('fd00::31'), ip('fd00::32')].map((each) => [each, ip(source)])),
    },
  });
  const found = find(facts('fd00::100')).findings.filter(({ check }) => check === 'vip-as-source');
  assert.deepEqual(
    found.map(({ severity, text, mend }) => [severity, text, mend[0]!.fix?.join(' ')]),
    [
      [
        'warning',
        "this host's own packets to real servers fd00::31, fd00::32 come from the VIP fd00::100",
        'ip addr change fd00::100/128 dev ens3 preferred_lft 0',
      ],
    ],
  );
  assert.ok(find(facts('fd00::21')).findings.every(({ check }) => check !== 'vip-as-source'));
});

test('a real server that answers for the VIP is named, with its frame and the command that mends it', () => {
  const { findings, status } = find({ probes: answered(REAL1.mac, REAL1.mac) });
  assert.equal(status, 2);
  assert.equal(findings.length, 1);
  const [{ check, text, evidence, mend }] = findings as [(typeof findings)[number]];
  assert.equal(check, 'vip-answered-by-others');
  assert.equal(text, 'real server 192.168.1.31 (00:50:00:00:01:00) answers for the VIP 192.168.1.100 on ens3');
  assert.deepEqual(evidence, [
    '00:50:00:00:01:00 > 00:50:00:00:04:00, ARP, Reply 192.168.1.100 is-at 00:50:00:00:01:00',
  ]);
  assert.deepEqual(mend[0], {
    on: 'real server',
    host: '192.168.1.31',
    command: 'beeline realserver setup --vip 192.168.1.100 --persist auto',
  });
  assert.deepEqual(mend.at(-1)?.fix, ['beeline', 'vip', 'add', '192.168.1.100'], 'caches are mended after the leak');
});

test('two real servers that answer for the VIP are both named, in the order of their addresses', () => {
  const second = PROBES.realServers[1]!.macs[0]!;
  const subjects = (...macs: MacAddress[]): string[] => told({ probes: answered(...macs) });
  assert.equal(subjects(REAL1.mac, second).length, 2);
  assert.deepEqual(subjects(second, REAL1.mac), subjects(REAL1.mac, second), 'whoever was heard first');
});

test('hosts that announce many VIPs are a finding each, and many such hosts one that names them', () => {
  const vips = [1, 2, 3, 4].map((each) => ip(`192.168.2.${each}`));
  const [first] = PROBES.vips;
  const said = (macs: readonly MacAddress[]): ProbeFacts => ({
    ...announced(...macs.flatMap((each) => vips.map((address) => ({ address, sourceMac: each, mac: each })))),
    vips: vips.map((vip) => ({ ...first!, vip })),
  });
  assert.deepEqual(told({ probes: said([REAL1.mac]) }), [
    `error vip-announced-by-others: real server 192.168.1.31 (${REAL1.mac}) announces the VIPs 192.168.2.1, 192.168.2.2, 192.168.2.3, 192.168.2.4 on ens3`,
  ]);
  const strangers = Array.from({ length: 7 }, (_, i) => mac(`02:00:00:00:01:0${i}`));
  const [finding, ...more] = find({ probes: said(strangers) }).findings;
  assert.deepEqual(more, []);
  assert.match(finding!.text, /^a host with the MAC 02:00:00:00:01:00 announces .* \(and so with 6 other hosts\)$/);
  assert.match(finding!.evidence.at(-1)!, /^also a host with the MAC 02:00:00:00:01:01, a host with/);
});

test('two real servers that answer for a hundred VIPs are two findings, and not one of them is lost among many', () => {
  const [first, second] = PROBES.realServers.map(({ macs }) => macs[0]!) as [MacAddress, MacAddress];
  const vips = Array.from({ length: 100 }, (_, i) => ip(`192.168.2.${i}`));
  const probes = {
    ...PROBES,
    vips: vips.map((vip) => ({ vip, interface: 'ens3', asked: 2, answers: [reply(first, vip), reply(second, vip)] })),
  };
  const lines = told({ probes });
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /192\.168\.1\.31 .* answers for the VIPs 192\.168\.2\.0, .* and 97 others on ens3/);
  assert.match(lines[1]!, /192\.168\.1\.32 /);
});

test('a router that answers for others is told from a host that has the VIP', () => {
  const probes = { ...answered(OTHER), proxies: [reply(OTHER, ip('192.0.2.77'))] };
  assert.deepEqual(told({ probes }), [
    `error vip-answered-by-others: a host that answers for others (${OTHER}) answers for the VIP ${VIP} on ens3`,
  ]);
});

test('a stranger that has the VIP where this host does not may be the other director', () => {
  const { findings } = find({ network: WITHOUT_VIP, probes: answered(OTHER) });
  assert.deepEqual(
    findings.map(({ severity, text }) => `${severity} ${text}`),
    [`warning a host with the MAC ${OTHER} answers for the VIP ${VIP} on ens3, which this host does not have`],
  );
  assert.match(findings[0]!.mend[1]!.command, /directors: \['02:00:00:00:00:99'\]/);
});

test('a stranger that has the VIP as well as this host is a duplicate, once', () => {
  const { findings } = find({ probes: answered(OTHER) });
  assert.equal(findings.length, 1);
  assert.equal(findings[0]!.check, 'vip-duplicate');
  assert.match(findings[0]!.text, /a host with the MAC 02:00:00:00:00:99 has the VIP 192\.168\.1\.100/);
  assert.ok(findings[0]!.evidence.includes('ens3 has 192.168.1.100/32'));
  const neighbour = find({ probes: answered(CLIENT.mac) }).findings[0]!;
  assert.match(neighbour.text, /the host 192\.168\.1\.12/);
});

test('the other director may have the VIP, by its MAC, its address or the MAC of a virtual router, unless this host has it too', () => {
  const byMac = directorFacts(`directors: ['${OTHER}']\n${CONFIG}`);
  const byAddress = directorFacts(`directors: [192.168.1.22]\n${CONFIG}`);
  const probes = { ...answered(OTHER), directors: [{ address: ip('192.168.1.22'), macs: [OTHER] }] };
  const virtual = answered(mac('00:00:5e:00:01:33'));
  assert.deepEqual(told({ director: byMac, network: WITHOUT_VIP, probes: answered(OTHER) }), []);
  assert.deepEqual(told({ director: byAddress, network: WITHOUT_VIP, probes }), []);
  assert.deepEqual(told({ network: WITHOUT_VIP, probes: virtual }), []);
  assert.deepEqual(
    find({ director: byAddress, probes }).findings.map(({ check, text }) => `${check}: ${text}`),
    [`vip-duplicate: the other director 192.168.1.22 (${OTHER}) has the VIP ${VIP} on ens3 as well as this host`],
  );
  assert.match(told({ probes: virtual })[0]!, /vip-duplicate: the master of the virtual router/);
});

test('an IPv6 VIP that the kernel refuses is one finding, which names the real server that leaks it', () => {
  const network = vipAs({ duplicate: true });
  assert.match(told({ network })[0]!, /^error vip-duplicate: the kernel does not use .*another host had it/);
  const { findings } = find({ network, probes: answered(REAL1.mac) });
  assert.equal(findings.length, 1);
  assert.match(findings[0]!.text, /real server 192\.168\.1\.31 .* has it/);
  assert.equal(findings[0]!.mend[0]!.on, 'real server');
});

test('gratuitous ARP for a VIP and questions in its name are told by who sent them, and not those that answer as well', () => {
  assert.deepEqual(told({ probes: announced({}) }), [
    `error vip-announced-by-others: a host with the MAC ${OTHER} announces the VIP ${VIP} on ens3`,
  ]);
  const question = { kind: 'asks', address: CLIENT.address, asker: VIP, sourceMac: REAL1.mac, mac: REAL1.mac } as const;
  const { findings } = find({ probes: announced(question) });
  assert.equal(findings.length, 1);
  assert.match(findings[0]!.text, /real server 192\.168\.1\.31 .* asks as the VIP/);
  assert.match(findings[0]!.evidence[0]!, /Request who-has 192\.168\.1\.12 tell 192\.168\.1\.100/);
  assert.match(findings[0]!.mend[1]!.command, /arp_announce=2/);
  const both = { ...answered(REAL1.mac), announced: announced({ sourceMac: REAL1.mac, mac: REAL1.mac }).announced };
  assert.deepEqual(
    find({ probes: both }).findings.map(({ check }) => check),
    ['vip-answered-by-others'],
  );
});

test('the other director announces the VIP when it takes over, and a real server its own address', () => {
  const director = directorFacts(`directors: ['${OTHER}']\n${CONFIG}`);
  assert.deepEqual(
    told({ director, network: WITHOUT_VIP, probes: { ...announced({}), vips: answered(OTHER).vips } }),
    [],
  );
  assert.deepEqual(told({ probes: announced({ address: REAL1.address, sourceMac: REAL1.mac, mac: REAL1.mac }) }), []);
});

test('a VIP that nobody has is told with the command that adds it, whether or not a daemon warns of it', () => {
  const [finding, ...more] = find({ network: WITHOUT_VIP }).findings;
  assert.deepEqual(more, []);
  assert.equal(finding!.text, `the VIP ${VIP} is on no interface of this host, and nobody on ens3 answers for it`);
  assert.deepEqual(finding!.mend[0]!.fix, ['beeline', 'vip', 'add', VIP]);
  const warning: Warning = { code: 'VIP_MISSING', vip: VIP, message: 'is missing', remedy: 'add it' };
  const director = { ...directorFacts(), warnings: [warning] };
  const { findings } = find({ director, network: WITHOUT_VIP });
  assert.deepEqual(
    findings.map(({ check }) => check),
    ['vip-unanswered'],
  );
  assert.ok(findings[0]!.evidence.includes('warning VIP_MISSING'));
  const passive = find({ director, network: WITHOUT_VIP, probes: undefined });
  assert.deepEqual(
    passive.findings.map(({ check }) => check),
    ['director-warnings'],
  );
});

test('a VIP on an interface that is down, and one on no network, are told; a route for it alone was made on purpose', () => {
  const down = { ...NETWORK, links: NETWORK.links.map((each) => ({ ...each, up: false })) };
  const [first, second] = told({ network: down, probes: undefined });
  assert.equal(first, "error interface-down: the director's interface ens3 is down");
  assert.match(second!, /is on ens3 alone, which is down/);
  const routed = (route?: { readonly gateway?: IpAddress; readonly prefixLength: number }): NetworkFacts => ({
    ...WITHOUT_VIP,
    routes: new Map([
      ...[...NETWORK.routes].filter(([address]) => address !== VIP),
      ...(route === undefined ? [] : [[VIP, { kind: 'unicast', interface: 'ens3', ...route }] as const]),
    ]),
  });
  assert.match(told({ network: routed() })[0]!, /^warning vip-unanswered: .* no interface and no network/);
  assert.match(
    told({ network: routed({ gateway: ip('192.168.1.1'), prefixLength: 0 }) })[0]!,
    /no network of this host/,
  );
  assert.deepEqual(told({ network: routed({ prefixLength: 32 }) }), []);
  const pair = directorFacts(`directors: ['${OTHER}']\n${CONFIG}`);
  assert.deepEqual(told({ director: pair, network: routed() }), []);
});

/** What a daemon counted of packets for the VIP: before the look, and after it. */
function counted(before: number, after: number): Facts['director'] {
  const services = (packets: number): Facts['director']['services'] => [
    {
      ...{ address: VIP, port: 80, protocol: 'tcp', scheduler: 'wlc', slots: 0, verdicts: {} },
      realServers: [
        {
          ...{ address: REAL1.address, weight: 1, state: 'up', share: 1, packets },
          ...{ bytes: 0, flows: 0, active: 0, inactive: 0, persistent: 0 },
        },
      ],
    },
  ];
  return { ...directorFacts(), services: services(before), servicesAfter: services(after) };
}

test('a VIP that only real servers answer for is missing here as well', () => {
  assert.deepEqual(told({ network: WITHOUT_VIP, probes: answered(REAL1.mac) }), [
    `error vip-answered-by-others: real server 192.168.1.31 (${REAL1.mac}) answers for the VIP ${VIP} on ens3`,
    `error vip-unanswered: the VIP ${VIP} is on no interface of this host, and no other director on ens3 answers for it`,
  ]);
});

test('a VIP that nobody answers for, and whose packets come by a route, is no error', () => {
  assert.deepEqual(told({ network: WITHOUT_VIP, director: counted(5, 9) }), [
    `note vip-unanswered: the VIP ${VIP} is on no interface of this host, and nobody on ens3 answers for it; packets for it come all the same`,
  ]);
  assert.match(told({ network: WITHOUT_VIP, director: counted(5, 5) })[0]!, /^error /, 'what came once is over');
});

test('a VIP of keepalived is not added by hand', () => {
  const director = directorFacts(`vrrp: { instances: [{ id: 51, priority: 100 }] }\n${CONFIG}`);
  const { findings } = find({ director, network: WITHOUT_VIP });
  assert.equal(findings.length, 1);
  assert.deepEqual(
    findings[0]!.mend.flatMap(({ fix }) => fix ?? []),
    [],
  );
});

test('many VIPs that nobody has are one finding, which lists them', () => {
  const addresses = Array.from({ length: 30 }, (_, i) => ip(`192.168.1.${101 + i}`));
  const services = addresses.map(
    (each) => `  - { address: ${each}, port: 80, protocol: tcp, realServers: [192.168.1.31] }`,
  );
  const director = directorFacts(`interfaces: [ens3]\nservices:\n${services.join('\n')}\n`);
  const routes = new Map([
    ...NETWORK.routes,
    ...addresses.map((each) => [each, NETWORK.routes.get(REAL1.address)!] as const),
  ]);
  const vips = addresses.map((vip) => ({ vip, interface: 'ens3', asked: 2, answers: [] }));
  const facts = cleanFacts({ director, network: { ...NETWORK, routes }, probes: { ...PROBES, vips } });
  const { findings } = diagnose(facts, ['vip-unanswered']);
  assert.equal(findings.length, 1);
  assert.match(findings[0]!.text, /192\.168\.1\.101 .* \(and so with 29 other VIPs\)/);
  assert.match(findings[0]!.evidence.at(-1)!, /^also 192\.168\.1\.102, .* and 9 others$/);
});

test('a VIP as /24 is told, and that the host would lose its network where it is the only address', () => {
  assert.deepEqual(told({ network: vipAs({ prefixLength: 24 }) }), [
    `warning vip-prefix: the VIP ${VIP} is on ens3 as /24, and not as /32`,
  ]);
  const commandOf = (network: NetworkFacts): string => find({ network }).findings[0]!.mend.at(-1)!.command;
  const change = `ip addr add ${VIP}/32 dev ens3 && ip addr del ${VIP}/24 dev ens3`;
  assert.equal(commandOf(vipAs({ prefixLength: 24 })), change);
  const first = { ...NETWORK, addresses: vipAs({ prefixLength: 24 }).addresses.toReversed() };
  assert.equal(commandOf(first), `sysctl -w net.ipv4.conf.ens3.promote_secondaries=1 && ${change}`);
  const alone = vipAs({ prefixLength: 24 });
  const only = { ...alone, addresses: alone.addresses.filter(({ address }) => address === VIP) };
  assert.match(find({ network: only }).findings[0]!.mend[0]!.command, /an address of its own first/);
  assert.match(told({ network: vipAs({ prefixLength: 24, interface: 'lo' }) }).join(), /error vip-prefix/);
});

test('a client that answers the director and not the VIP may send past the director', () => {
  const [client] = PROBES.neighbours as [ProbeFacts['neighbours'][number]];
  const withClient = (change: Partial<typeof client>): ProbeFacts => ({
    ...PROBES,
    neighbours: [{ ...client, ...change }],
  });
  const silent = withClient({ byVip: [{ vip: VIP, ping: SILENT }] });
  assert.deepEqual(told({ probes: silent }), [
    `warning neighbour-bypasses-director: what the host ${CLIENT.address} sends to the VIP ${VIP} may go past this director`,
  ]);
  const other = { vip: ip('192.168.1.101'), ping: answer(CLIENT) };
  const sure = told({ probes: withClient({ byVip: [{ vip: VIP, ping: SILENT }, other] }) });
  assert.match(sure[0]!, /^error .* goes past this director$/);
  assert.deepEqual(told({ probes: withClient({ ping: SILENT, byVip: [{ vip: VIP, ping: SILENT }] }) }), []);
  assert.deepEqual(told({ probes: withClient({ byVip: [] }) }), []);
  const leak = { ...silent, vips: answered(REAL1.mac).vips };
  const found = find({ probes: leak }).findings.find(({ check }) => check === 'neighbour-bypasses-director');
  assert.equal(found?.severity, 'error');
  assert.ok(found.evidence.some((line) => line.startsWith('real server 192.168.1.31')));
});
