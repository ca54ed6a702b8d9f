/** The doctor's checks of what hosts say over SSH, on facts. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { diagnose, type Finding, type RemoteHost } from '../../../src/doctor/index.js';
import { ip, mac } from '../../../src/model/index.js';
import { cleanFacts, CLIENT, DIRECTOR, PROBES, REAL1, REAL2, VIP } from '../../support/facts.js';

type Look = RemoteHost['look'];

const LOOK: Look = {
  links: [
    { device: 'lo', flags: ['LOOPBACK', 'UP'], mtu: 65_536 },
    { device: 'ens3', flags: ['BROADCAST', 'UP'], mtu: 1_500, mac: REAL1.mac },
  ],
  addresses: [
    { device: 'lo', address: VIP, prefix: 32, flags: [] },
    { device: 'ens3', address: REAL1.address, prefix: 24, flags: [] },
  ],
  gateways: [{ address: ip('192.168.1.1'), device: 'ens3' }],
  neighbours: [{ address: DIRECTOR.address, device: 'ens3', mac: DIRECTOR.mac }],
};

const SERVER: RemoteHost = { host: 'root@web1', realServers: [REAL1.address], look: LOOK, findings: [] };
const ROUTER: RemoteHost = { host: 'router', realServers: [], look: LOOK, findings: [] };

const find = (host: RemoteHost, look: Partial<Look> = {}): Finding[] => [
  ...diagnose(cleanFacts({ remote: [{ ...host, look: { ...host.look, ...look } }] })).findings,
];
const names = (findings: readonly Finding[]): string[] => findings.map(({ severity, check }) => `${severity} ${check}`);

test('a real server and a router that are as they should be have no finding', () => {
  assert.deepEqual(find(SERVER), []);
  assert.deepEqual(find(ROUTER), []);
});

test('what "beeline realserver check" says there is told once a condition, with what mends it; notes and good news are not', () => {
  const leak = (vip: string): RemoteHost['findings'][number] => ({
    ...{
      check: 'arp-ignore',
      severity: 'error',
      text: `this host answers ARP for ${vip}\u001b[2J`,
      mend: `setup ${vip}`,
    },
  });
  const findings: RemoteHost['findings'] = [
    leak('192.168.1.100'),
    leak('192.168.1.101'),
    { check: 'address', severity: 'ok', text: 'fine' },
    { check: 'boot', severity: 'note', text: 'nothing brings it back' },
    { check: 'rp-filter', severity: 'warning', text: 'strict' },
  ];
  const found = find({ ...SERVER, findings });
  assert.deepEqual(names(found), ['error ssh-server-setup', 'warning ssh-server-setup']);
  const [first] = found;
  assert.equal(
    first?.text,
    'on real server 192.168.1.31: this host answers ARP for 192.168.1.100\\u001b[2J (and 1 more of this kind)',
  );
  assert.deepEqual(first.evidence, ['SSH to root@web1', 'this host answers ARP for 192.168.1.101\\u001b[2J']);
  assert.deepEqual(first.mend[0], { on: 'real server', host: '192.168.1.31', command: 'setup 192.168.1.100' });
});

test('another MTU than that of the director is found, of the interface with the address alone', () => {
  const withMtu = (device: string, mtu: number): Partial<Look> => ({
    links: LOOK.links.map((each) => (each.device === device ? { ...each, mtu } : each)),
  });
  const [jumbo] = find(SERVER, withMtu('ens3', 9_000));
  assert.equal(jumbo?.check, 'ssh-mtu');
  assert.equal(jumbo.text, 'real server 192.168.1.31 has an MTU of 9000 on ens3, and the director 1500 on ens3');
  assert.match(jumbo.why, /tells clients to send longer/);
  assert.match(find(SERVER, withMtu('ens3', 1_400))[0]!.why, /drops them/);
  assert.deepEqual(find(SERVER, withMtu('lo', 1_400)), []);
});

test('a default gateway that is this director is found, of real servers alone', () => {
  const gateways = [{ address: DIRECTOR.address, device: 'ens3' }];
  assert.deepEqual(names(find(SERVER, { gateways })), ['warning ssh-gateway']);
  assert.deepEqual(find(ROUTER, { gateways }), []);
});

test('a real server that is configured by a temporary address is found; one that merely has such an address is not', () => {
  const temporary = (address: string): Partial<Look> => ({
    addresses: [...LOOK.addresses, { device: 'ens3', address: ip(address), prefix: 64, flags: ['temporary'] }],
  });
  const six: RemoteHost = { ...SERVER, realServers: [REAL1.address, ip('fd00::31')] };
  assert.deepEqual(names(find(six, temporary('fd00::31'))), ['warning ssh-temporary-address']);
  assert.deepEqual(find(six, temporary('fd00::32')), []);
});

test('a router that sends a VIP to a real server is an error that names both', () => {
  const cache = (address: string): Partial<Look> => ({
    neighbours: [...LOOK.neighbours, { address: VIP, device: 'eth0', mac: mac(address) }],
  });
  const [finding] = find(ROUTER, cache(REAL2.mac));
  assert.equal(finding?.check, 'ssh-neighbour-cache');
  assert.equal(
    finding.text,
    'router sends what is for the VIP 192.168.1.100 to 00:50:00:00:02:00, which is real server 192.168.1.32',
  );
  assert.match(find(ROUTER, cache(CLIENT.mac))[0]!.text, /which is no director/);
  assert.deepEqual(find(ROUTER, cache(DIRECTOR.mac)), []);
  // Another director's: by the address that the kernel knows, and by what the host itself knows.
  const other = mac('00:50:00:00:05:00');
  const probes = { ...PROBES, directors: [{ address: ip('192.168.1.22'), macs: [other] }] };
  const remote = [{ ...ROUTER, look: { ...LOOK, ...cache(other) } }];
  assert.deepEqual(diagnose(cleanFacts({ probes, remote })).findings, []);
});
