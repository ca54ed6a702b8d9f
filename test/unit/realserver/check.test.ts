/** Each condition of a real server: a clean host has no finding, and each mistake has its own. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { ip } from '../../../src/model/index.js';
import { checkAll, checkStatus } from '../../../src/realserver/check/check.js';
import type { CheckFacts, CheckWish, Finding, VipPorts } from '../../../src/realserver/check/finding.js';
import { procAddress } from '../../../src/realserver/check/server.js';
import { planOf } from '../../../src/realserver/plan.js';
import { type Method, METHODS, type VipWish } from '../../../src/realserver/wish.js';

const VIP4 = ip('192.168.1.100');
const VIP6 = ip('fd00::100');

function wishOf(method: Method, ports: number[] = []): CheckWish {
  const vips = [VIP4, VIP6].map((vip): VipWish => ({ vip, method, ports: [], rip: ip('192.168.1.31'), tool: 'nft' }));
  return { vips, ports, persist: 'netplan', files: [] };
}

/** A host that is as a method wants it. */
function facts(method: Method): CheckFacts {
  const steps = planOf({ vips: wishOf(method).vips });
  const addresses = steps.flatMap((step) =>
    step.kind === 'address' ? [{ device: 'lo', address: step.address, prefix: step.prefix }] : [],
  );
  const arptables = steps.flatMap((step) =>
    step.kind === 'rule' ? [`-A ${step.chain} ${step.rule.slice(2).join(' ')} ${step.rule.slice(0, 2).join(' ')}`] : [],
  );
  return {
    links: [
      { device: 'lo', up: true, arp: false },
      { device: 'ens3', up: true, arp: true },
    ],
    addresses: [{ device: 'ens3', address: '192.168.1.31', prefix: 24 }, ...addresses],
    sysctls: Object.fromEntries(steps.flatMap((step) => (step.kind === 'sysctl' ? [[step.key, step.value]] : []))),
    tables: steps.flatMap((step) =>
      step.kind === 'nft' ? [{ family: step.family, name: step.table, rules: step.rules as unknown[][] }] : [],
    ),
    chains: [],
    rules: { arptables, iptables: [], ip6tables: [] },
    files: {},
    listeners: [{ address: '0'.repeat(32), port: 80 }],
    configs: {},
    firewallKnown: true,
  };
}

const bad = (findings: readonly Finding[]): Finding[] => findings.filter(({ severity }) => severity !== 'ok');

for (const method of METHODS) {
  test(`a host set up by ${method} has no finding, and without the set-up it has errors`, () => {
    const wish = wishOf(method, [80]);
    assert.deepEqual(bad(checkAll(wish, facts(method))), []);
    const none = { ...facts(method), sysctls: {}, tables: [], rules: { arptables: [], iptables: [], ip6tables: [] } };
    const findings = bad(checkAll(wish, none));
    assert.equal(checkStatus(findings), 2);
    assert.ok(findings.every(({ mend }) => mend !== undefined));
  });
}

const clean = facts('sysctl');
const withSysctl = (changes: Record<string, string>): CheckFacts => ({
  ...clean,
  sysctls: { ...clean.sysctls, ...changes },
});
const addressesWith = (address: string, device: string, prefix: number, dad?: 'tentative' | 'failed'): CheckFacts => ({
  ...clean,
  addresses: [
    ...clean.addresses.filter((each) => each.address !== address),
    { device, address, prefix, ...(dad && { dad }) },
  ],
});
const table = (rules: unknown[][], family = 'inet'): CheckFacts => ({
  ...clean,
  tables: [{ family, name: 'filter', rules }],
  chains: [{ family, table: 'filter', name: 'input', hook: 'input', policy: 'drop' }],
});
const dport = (port: unknown, verdict: string): unknown[] => [
  { match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: port } },
  { [verdict]: null },
];

const MISTAKES: readonly (readonly [
  hazard: string,
  facts: CheckFacts,
  check: string,
  severity: string,
  text: RegExp,
])[] = [
  ['the VIP is on the card', addressesWith(VIP4, 'ens3', 24), 'address', 'error', /answers ARP for it there/],
  ['the VIP of IPv6 is on the card', addressesWith(VIP6, 'ens3', 128), 'address', 'error', /neighbour solicitations/],
  ['the VIP on lo is a /24', addressesWith(VIP4, 'lo', 24), 'address', 'error', /as \/24/],
  ['the VIP of IPv6 on lo is a /64', addressesWith(VIP6, 'lo', 64), 'address', 'error', /as \/64/],
  ['the VIP is missing', { ...clean, addresses: [] }, 'address', 'error', /not on this host/],
  ['a duplicate was found', addressesWith(VIP6, 'lo', 128, 'failed'), 'address', 'error', /duplicate/],
  ['the VIP is tentative', addressesWith(VIP6, 'lo', 128, 'tentative'), 'address', 'warning', /tentative/],
  ['only lo has arp_ignore', withSysctl({ 'net/ipv4/conf/all/arp_ignore': '0' }), 'arp-ignore', 'error', /answers ARP/],
  ['the card has arp_ignore 3', withSysctl({ 'net/ipv4/conf/ens3/arp_ignore': '3' }), 'arp-ignore', 'error', /answers/],
  ['arp_ignore is 8', withSysctl({ 'net/ipv4/conf/ens3/arp_ignore': '8' }), 'arp-ignore', 'error', /none of its/],
  [
    'arp_announce is 1',
    withSysctl({ 'net/ipv4/conf/all/arp_announce': '1' }),
    'arp-announce',
    'warning',
    /may name 192.168.1.100/,
  ],
  [
    'lo is down, and the kernel takes nothing for its addresses',
    { ...clean, links: clean.links.map((link) => ({ ...link, up: link.device !== 'lo' })) },
    'address',
    'error',
    /which is down/,
  ],
  ['nothing listens', { ...clean, listeners: [] }, 'listener', 'error', /nothing listens/],
  [
    'the server listens on its own address alone',
    { ...clean, listeners: [{ address: procAddress(ip('192.168.1.31')), port: 80 }] },
    'listener',
    'error',
    /on another address/,
  ],
  ['the firewall lets nothing in', table([dport(22, 'accept')]), 'firewall', 'warning', /no rule names/],
  ['the firewall lets other ports in', table([dport({ set: [22, 443] }, 'accept')]), 'firewall', 'warning', /no rule/],
  ['the firewall drops the port', table([dport(80, 'drop')], 'ip'), 'firewall', 'warning', /drops packets/],
  ['the firewall cannot be read', { ...clean, firewallKnown: false }, 'firewall', 'note', /not read/],
  [
    'a rule redirects the VIP besides',
    { ...clean, rules: { ...clean.rules, iptables: [`-A PREROUTING -d ${VIP4}/32 -p tcp -j REDIRECT`] } },
    'other-method',
    'warning',
    /redirects/,
  ],
  [
    'another sysctl file sets arp_ignore to 0',
    { ...clean, configs: { '/etc/sysctl.d/99-x.conf': 'net.ipv4.conf.all.arp_ignore = 0\n' } },
    'other-config',
    'warning',
    /99-x.conf/,
  ],
  [
    'netplan has the VIP on the card',
    { ...clean, configs: { '/etc/netplan/50-cloud-init.yaml': `ethernets:\n  ens3:\n    addresses: [${VIP4}/24]\n` } },
    'other-config',
    'warning',
    /50-cloud-init/,
  ],
];

for (const [hazard, wrong, check, severity, text] of MISTAKES) {
  test(`it is found that ${hazard}`, () => {
    const found = bad(checkAll(wishOf('sysctl', [80]), wrong));
    assert.ok(
      found.some((each) => each.check === check && each.severity === severity && text.test(each.text)),
      JSON.stringify(found),
    );
  });
}

test('what is in the way of nothing is no finding', () => {
  for (const fine of [
    withSysctl({ 'net/ipv4/conf/all/arp_ignore': '0', 'net/ipv4/conf/ens3/arp_ignore': '2' }),
    withSysctl({ 'net/ipv4/conf/all/rp_filter': '1' }),
    {
      ...addressesWith(VIP4, 'dummy0', 32),
      links: [...clean.links, { device: 'dummy0', up: true, arp: false }],
    },
    table([dport(80, 'accept')]),
    table([dport({ set: [22, 80] }, 'accept')]),
    table([dport({ range: [80, 89] }, 'accept')]),
    table([dport({ set: [22, { range: [70, 90] }] }, 'accept')]),
    { ...clean, listeners: [VIP4, VIP6].map((vip) => ({ address: procAddress(vip), port: 80 })) },
    { ...clean, configs: { '/etc/sysctl.conf': '#net.ipv4.conf.all.arp_ignore=0\nnet.ipv4.conf.all.arp_ignore=1\n' } },
    { ...clean, configs: { '/etc/network/interfaces': `iface lo inet static\n  address ${VIP4}/32\n` } },
  ]) {
    assert.deepEqual(bad(checkAll(wishOf('sysctl', [80]), fine)), []);
  }
});

test('a VIP that something else put on a dummy interface gets commands that setup does not refuse', () => {
  const aside = {
    ...clean,
    addresses: clean.addresses.map((each) => (each.device === 'lo' ? { ...each, device: 'dummy0' } : each)),
    links: [...clean.links, { device: 'dummy0', up: true, arp: false }],
    sysctls: {},
  };
  const mends = bad(checkAll(wishOf('sysctl', [80]), aside)).map(({ mend }) => mend);
  const command = 'sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2';
  assert.deepEqual(mends, [command, command]);
});

test("a value of an interface's own that is too large gets a command for that interface: setup sets all, and the larger one counts", () => {
  for (const value of ['3', '8']) {
    const found = bad(checkAll(wishOf('sysctl', [80]), withSysctl({ 'net/ipv4/conf/ens3/arp_ignore': value })));
    assert.deepEqual(
      found.map(({ mend }) => mend),
      ['sysctl -w net.ipv4.conf.ens3.arp_ignore=1'],
    );
  }
});

const DADDR = { payload: { protocol: 'arp', field: 'daddr ip' } };
const nftArp = (...conditions: unknown[]): CheckFacts => {
  const tables = [{ family: 'arp', name: 'mine', rules: [[...conditions, { counter: {} }, { drop: null }]] }];
  return { ...clean, sysctls: {}, tables };
};
const is = (left: unknown, right: unknown, op = '=='): unknown => ({ match: { op, left, right } });
const arptables = (...lines: string[]): CheckFacts => ({
  ...clean,
  sysctls: {},
  rules: { ...clean.rules, arptables: lines },
});
const IIFNAME = { meta: { key: 'iifname' } };

test('a rule that drops only some requests for the VIP, or all others, does not hide that the host answers', () => {
  for (const leaky of [
    arptables('-A INPUT -j DROP -i ens4 -d 192.168.1.100'),
    arptables('-A INPUT -j DROP ! -d 192.168.1.100'),
    arptables('-A INPUT -j DROP -d 192.168.1.100 --source-mac 02:00:00:00:00:01'),
    arptables('-A INPUT -j DROP -s 192.168.1.100'),
    arptables('-A INPUT -j ACCEPT -d 192.168.1.100'),
    arptables('-A INPUT -j DROP -d 192.168.2.0/24'),
    arptables('-A INPUT -j DROP -d 192.168.1.100 --opcode 2'),
    nftArp(is(IIFNAME, 'ens4'), is(DADDR, VIP4)),
    nftArp(is(DADDR, VIP4, '!=')),
    nftArp(is(DADDR, VIP4), { limit: { rate: 1 } }),
    nftArp(is(DADDR, { set: ['192.168.1.101'] })),
    nftArp(is({ payload: { protocol: 'arp', field: 'saddr ip' } }, VIP4)),
    nftArp(),
  ]) {
    const found = checkAll(wishOf('sysctl'), leaky).find(({ check }) => check === 'arp-ignore');
    assert.equal(found?.severity, 'error', JSON.stringify([leaky.rules.arptables, leaky.tables]));
  }
});

test('a rule of whatever form that drops each request for the VIP is enough', () => {
  for (const fine of [
    arptables('-A INPUT -j DROP -i ens3 -d 192.168.1.100 --opcode 1'),
    arptables('-A INPUT -j DROP -i any -o any -d 192.168.1.100/32 --h-length 6'),
    arptables('-A INPUT -j DROP -i ens+ -d 192.168.1.0/24'),
    nftArp(is(IIFNAME, 'ens*'), is({ payload: { protocol: 'arp', field: 'operation' } }, 'request'), is(DADDR, VIP4)),
    nftArp(is(DADDR, { set: ['192.168.1.101', VIP4] })),
    nftArp(is(DADDR, { prefix: { addr: '192.168.1.0', len: 24 } })),
    nftArp(is({ payload: { protocol: 'arp', field: 'hlen' } }, 6), is(DADDR, VIP4)),
  ]) {
    const found = checkAll(wishOf('sysctl'), fine).find(({ check }) => check === 'arp-ignore');
    assert.equal(found?.severity, 'ok', JSON.stringify([fine.rules.arptables, fine.tables]));
  }
});

test('strict reverse paths are a finding only where there are two ways', () => {
  const strict = withSysctl({ 'net/ipv4/conf/ens4/rp_filter': '1' });
  const two = { ...strict, links: [...strict.links, { device: 'ens4', up: true, arp: true }] };
  assert.deepEqual(
    bad(checkAll(wishOf('sysctl'), two)).map(({ check, mend }) => `${check}: ${mend!}`),
    ['rp-filter: sysctl -w net.ipv4.conf.ens4.rp_filter=2'],
  );
});

test('files that no longer are as they were written are named, and that there are none', () => {
  const files = [{ path: '/etc/netplan/90-beeline-realserver.yaml', text: 'a' }];
  for (const [now, word] of [
    [undefined, 'missing'],
    ['b', 'not as Beeline wrote it'],
  ] as const) {
    const found = bad(checkAll({ ...wishOf('sysctl'), files }, { ...clean, files: { [files[0]!.path]: now } }));
    assert.deepEqual(
      found.map(({ severity }) => severity),
      ['warning'],
    );
    assert.match(found[0]!.text, new RegExp(word));
  }
  const { vips, ports } = wishOf('sysctl');
  const found = bad(checkAll({ vips, ports, persist: undefined, files: [] }, clean));
  assert.deepEqual(
    found.map(({ check, severity }) => `${check} ${severity}`),
    ['boot note'],
  );
  assert.equal(checkStatus(found), 0);
});

test('a program that does not run reads no file: the set-up is not said to come back', () => {
  const unread = 'systemd-networkd does not run on this host';
  const found = bad(checkAll({ ...wishOf('sysctl'), unread }, clean));
  assert.deepEqual(
    found.map(({ severity, text, mend }) => [severity, text, mend?.endsWith('--persist auto')]),
    [['warning', unread, true]],
  );
});

test('each VIP has its own ports, and a service of all ports asks nothing of the firewall', () => {
  const ports = (vip4: VipPorts, vip6: VipPorts): Finding[] =>
    bad(
      checkAll(
        {
          ...wishOf('sysctl'),
          portsOf: new Map([
            [VIP4, vip4],
            [VIP6, vip6],
          ]),
        },
        table([dport(80, 'accept')]),
      ),
    );
  const web = { listen: [80], pass: [80] };
  assert.deepEqual(ports(web, web), []);
  const other = ports(web, { listen: [443], pass: [443] });
  assert.deepEqual(
    other.map(({ check }) => check),
    ['listener', 'firewall'],
  );
  assert.ok(other.every(({ text }) => text.includes(VIP6)));
  assert.deepEqual(ports(web, { listen: [], pass: undefined }), []);
  const [dns, ...more] = ports(web, { listen: [], listenUdp: [53], pass: undefined });
  assert.deepEqual(more, []);
  assert.equal(dns?.text, `no server takes packets to ${VIP6} on UDP port 53: nothing listens there`);
});

test('a server of UDP is looked for among the sockets of UDP alone', () => {
  const portsOf = new Map([
    [VIP4, { listen: [], listenUdp: [53], pass: undefined }],
    [VIP6, { listen: [], pass: undefined }],
  ]);
  const found = (change: Partial<CheckFacts>): Finding[] =>
    bad(checkAll({ ...wishOf('sysctl'), portsOf }, { ...clean, ...change }));
  const socket = { address: '0'.repeat(8), port: 53 };
  assert.deepEqual(found({ udpListeners: [socket] }), []);
  assert.match(found({ listeners: [socket] })[0]!.text, /UDP port 53: nothing listens there/);
});
