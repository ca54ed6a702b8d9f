/** The doctor's firewall check, on rulesets as nft lists them: what is dropped for certain is told, all else is not. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { parseRuleset } from '../../../src/doctor/gather/firewall.js';
import { diagnose, type Finding } from '../../../src/doctor/index.js';
import { cleanFacts, CONFIG, directorFacts, NETWORK, REAL1, VIP, VIP6 } from '../../support/facts.js';
import { ip } from '../../../src/model/index.js';

type Expression = Readonly<Record<string, unknown>>;

const match = (left: unknown, right: unknown, op = '=='): Expression => ({ match: { op, left, right } });
const field = (protocol: string, name: string): Expression => ({ payload: { protocol, field: name } });
const ACCEPT = { accept: null };
const DROP = { drop: null };
const COUNTER = { counter: { packets: 0, bytes: 0 } };
/** How iptables writes into nftables that it asks for a state. */
const XT_STATE = { xt: { type: 'match', name: 'conntrack' } };

interface ChainOptions {
  readonly hook?: string;
  readonly policy?: string;
  readonly name?: string;
}

function chain(
  family: string,
  rules: readonly (readonly Expression[])[],
  { hook = 'input', policy = 'accept', name = 'in' }: ChainOptions = {},
): unknown[] {
  const base = hook === '' ? {} : { type: 'filter', hook, prio: 0, policy };
  return [
    { chain: { family, table: 't', name, handle: 1, ...base } },
    ...rules.map((expr, i) => ({ rule: { family, table: 't', chain: name, handle: i + 2, expr } })),
  ];
}

function findings(objects: readonly unknown[], config = CONFIG): readonly Finding[] {
  const firewall = { chains: parseRuleset(JSON.stringify({ nftables: objects })) };
  const network = {
    ...NETWORK,
    addresses: [
      ...NETWORK.addresses,
      { interface: 'ens3', address: VIP6, prefixLength: 128, duplicate: false, scope: 'global' },
    ],
    routes: new Map([
      ...NETWORK.routes,
      [ip('fd00::31'), { kind: 'unicast' as const, interface: 'ens3', prefixLength: 64 }],
    ]),
  };
  return diagnose(cleanFacts({ director: directorFacts(config), network, firewall }), ['firewall-drops']).findings;
}

const texts = (objects: readonly unknown[], config?: string): string[] =>
  findings(objects, config).map(({ text }) => text);

const CONFIG6 = `
interfaces: [ens3]
services: [{ address: "${VIP6}", port: 80, realServers: ["fd00::31"] }]
`;
const CHECKED = `${CONFIG}    health: { checks: [tcp] }\n`;
const VRRP = `${CONFIG}vrrp: { instances: [{ interface: ens3, id: 51, priority: 100 }] }\n`;

const OF_VIP = match(field('arp', 'daddr ip'), VIP);
const ARPTABLES = [match(field('arp', 'htype'), 1), match(field('arp', 'hlen'), 6), match(field('arp', 'plen'), 4)];

test("arptables' rule of a real server on the director keeps everybody from finding the VIP", () => {
  const [finding, ...others] = findings(chain('arp', [[...ARPTABLES, OF_VIP, COUNTER, DROP]]));
  assert.equal(finding?.text, `the firewall drops ARP requests for the VIP ${VIP}`);
  assert.deepEqual(finding.evidence, [`arp t in: arp daddr ip ${VIP} drop`]);
  assert.equal(finding.mend[0]?.command, 'nft delete rule arp t in handle 2');
  assert.equal(finding.severity, 'error');
  assert.deepEqual(others, []);
});

test('a rule of arptables that writes another address into the answer for a VIP drops it', () => {
  const mangle = { xt: { type: 'target', name: 'mangle' } };
  assert.deepEqual(
    texts(chain('arp', [[...ARPTABLES, match(field('arp', 'saddr ip'), VIP), mangle]], { hook: 'output' })),
    [`the firewall drops ARP answers for the VIP ${VIP}`],
  );
});

test('a set, a network and a policy drop ARP as well', () => {
  const of = (right: unknown): string[] => texts(chain('arp', [[match(field('arp', 'daddr ip'), right), DROP]]));
  assert.equal(of({ set: ['192.168.1.99', VIP] }).length, 1);
  assert.equal(of({ prefix: { addr: '192.168.1.0', len: 24 } }).length, 1);
  assert.deepEqual(of({ prefix: { addr: '192.168.2.0', len: 24 } }), []);
  assert.deepEqual(of('@blocked'), []);
  assert.equal(texts(chain('arp', [], { policy: 'drop' })).length, 2);
});

test('rules of ARP for other addresses, other interfaces and other messages are as they should be', () => {
  const other = match(field('arp', 'daddr ip'), '192.168.1.77');
  assert.deepEqual(texts(chain('arp', [[other, DROP]])), []);
  assert.deepEqual(texts(chain('arp', [[match({ meta: { key: 'iifname' } }, 'eth9'), DROP]])), []);
  assert.deepEqual(texts(chain('arp', [[OF_VIP, match(field('arp', 'operation'), 'reply'), DROP]])), []);
});

test('a rule that is made good before, or hangs on what is not known, is not told', () => {
  assert.deepEqual(
    texts(chain('arp', [[OF_VIP, ACCEPT], [DROP]])).filter((each) => each.includes('VIP')),
    [],
  );
  assert.deepEqual(texts(chain('arp', [[OF_VIP, { limit: { rate: 5, per: 'second' } }, DROP]])), []);
  const limited = [match({ meta: { key: 'mark' } }, 7), ACCEPT];
  assert.deepEqual(texts(chain('arp', [limited, [OF_VIP, DROP]])), []);
});

test('chains are followed: a jump that comes back, one that decides, and a goto', () => {
  const sub = (rules: readonly (readonly Expression[])[]): unknown[] => chain('arp', rules, { hook: '', name: 'sub' });
  const by = (action: 'jump' | 'goto', rules: readonly (readonly Expression[])[]): string[] =>
    texts([...chain('arp', [[{ [action]: { target: 'sub' } }], [OF_VIP, DROP]]), ...sub(rules)]);
  assert.equal(by('jump', [[match(field('arp', 'daddr ip'), '192.168.1.77'), ACCEPT]]).length, 1);
  assert.equal(by('jump', [[{ return: null }], [ACCEPT]]).length, 1);
  assert.deepEqual(by('jump', [[ACCEPT]]), []);
  assert.deepEqual(by('goto', [[match(field('arp', 'daddr ip'), '192.168.1.77'), ACCEPT]]), []);
});

test('a policy that drops IPv6 without a rule for neighbour discovery makes the director unreachable by IPv6', () => {
  const established = [match({ ct: { key: 'state' } }, ['established', 'related'], 'in'), ACCEPT];
  const [finding, ...others] = findings(chain('inet', [established], { policy: 'drop' }), CONFIG6);
  assert.match(finding?.text ?? '', /^the firewall drops neighbour solicitations \(ICMPv6\) on ens3, and \d more/);
  assert.equal(
    finding?.mend[0]?.command,
    'nft insert rule inet t in icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept',
  );
  assert.deepEqual(others, []);
  assert.equal(findings(chain('ip6', [[XT_STATE, COUNTER, ACCEPT]], { policy: 'drop' }), CONFIG6).length, 1);
});

test('neighbour discovery that is let in, by whatever words, is not told', () => {
  const ways: readonly (readonly Expression[])[] = [
    [match(field('icmpv6', 'type'), { set: ['nd-neighbor-solicit', 'nd-neighbor-advert'] }), ACCEPT],
    [match({ meta: { key: 'l4proto' } }, 'ipv6-icmp'), COUNTER, ACCEPT],
    [match({ meta: { key: 'l4proto' } }, { set: ['icmp', 'ipv6-icmp'] }), ACCEPT],
    [match(field('ip6', 'nexthdr'), 58), ACCEPT],
    // ip6tables with --icmpv6-type: which types is not to be seen.
    [match({ meta: { key: 'l4proto' } }, 'ipv6-icmp'), { xt: { type: 'match', name: 'icmp6' } }, ACCEPT],
  ];
  for (const way of ways) {
    assert.deepEqual(texts(chain('inet', [way], { policy: 'drop' }), CONFIG6), []);
  }
  assert.deepEqual(texts(chain('ip', [], { policy: 'drop' }), CONFIG6), []);
});

test('health checks whose answers are dropped are told; with "established" they come', () => {
  const ssh = [match(field('tcp', 'dport'), 22), ACCEPT];
  const [dropped] = texts(chain('inet', [ssh], { policy: 'drop' }), CHECKED);
  assert.match(dropped!, /^the firewall drops answers to health checks from the real server 192.168.1.31, port 80/);
  const established = [{ vmap: { key: { ct: { key: 'state' } }, data: { set: [['established', ACCEPT]] } } }];
  assert.deepEqual(texts(chain('inet', [established, ssh], { policy: 'drop' }), CHECKED), []);
  assert.deepEqual(texts(chain('ip', [[XT_STATE, ACCEPT]], { policy: 'drop' }), CHECKED), []);
  // Without checks nothing is lost.
  assert.deepEqual(texts(chain('inet', [ssh], { policy: 'drop' })), []);
});

test('a rule against one real server is told of checks to that one', () => {
  const against = [match(field('ip', 'daddr'), REAL1.address), DROP];
  assert.deepEqual(texts(chain('ip', [against], { hook: 'output' }), CHECKED), [
    `the firewall drops health checks to the real server ${REAL1.address}, port 80`,
  ]);
});

test('VRRP that is not let in is told', () => {
  const established = [match({ ct: { key: 'state' } }, 'established'), ACCEPT];
  assert.deepEqual(texts(chain('inet', [established], { policy: 'drop' }), VRRP), [
    'the firewall drops advertisements of VRRP on ens3',
  ]);
  for (const way of [
    [match(field('ip', 'protocol'), 'vrrp'), ACCEPT],
    [match({ meta: { key: 'l4proto' } }, 112), ACCEPT],
    [match(field('ip', 'daddr'), '224.0.0.18'), ACCEPT],
  ]) {
    assert.deepEqual(texts(chain('inet', [way], { policy: 'drop' }), VRRP), []);
  }
});
