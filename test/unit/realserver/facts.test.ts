/** The listings of real programs are read as they are printed: fixtures are their output. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { ip } from '../../../src/model/index.js';
import { procAddress } from '../../../src/realserver/check/server.js';
import { ripFor } from '../../../src/realserver/pick.js';
import { planOf } from '../../../src/realserver/plan.js';
import type { VipWish } from '../../../src/realserver/wish.js';
import {
  isSameRule,
  parseAddresses,
  LISTENING,
  parseListeners,
  parseNft,
  parseRules,
  parseVirtual,
} from '../../../src/steps/index.js';

/** iproute2 6.1, shortened. */
const ADDRESSES = `[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"addr_info":[
{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo"},
{"family":"inet6","local":"fd00::100","prefixlen":128,"scope":"global","nodad":true}]},
{"ifindex":3,"link":"p0","ifname":"ens3","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"addr_info":[
{"family":"inet","local":"192.168.1.31","prefixlen":24,"scope":"global","label":"ens3"},
{"family":"inet6","local":"fd00::31","prefixlen":64,"scope":"global","tentative":true},
{"family":"inet6","local":"fd00::32","prefixlen":64,"scope":"global","dadfailed":true,"tentative":true}]},
{"ifindex":4,"ifname":"tun0","flags":["POINTOPOINT","NOARP","UP"],"addr_info":[{"family":"inet","local":"10.9.0.2","prefixlen":32}]},
{}]`;

test('addresses keep their interface, prefix and state; a tunnel speaks no ARP', () => {
  const { links, addresses } = parseAddresses(ADDRESSES);
  assert.deepEqual(
    links.filter(({ arp }) => arp).map(({ device }) => device),
    ['ens3'],
  );
  assert.deepEqual(
    addresses.map(({ device, address, prefix, dad }) => `${device} ${address}/${prefix} ${dad ?? ''}`.trim()),
    [
      'lo 127.0.0.1/8',
      'lo fd00::100/128',
      'ens3 192.168.1.31/24',
      'ens3 fd00::31/64 tentative',
      'ens3 fd00::32/64 failed',
      'tun0 10.9.0.2/32',
    ],
  );
  assert.deepEqual(parseAddresses('\n'), { links: [], addresses: [] });
});

test('the table that nft 1.0.6 lists for our text is the one that the plan expects', () => {
  const listed = `{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
{"table": {"family": "arp", "name": "beeline_192_168_1_100", "handle": 1}},
{"chain": {"family": "arp", "table": "beeline_192_168_1_100", "name": "input", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}},
{"rule": {"family": "arp", "table": "beeline_192_168_1_100", "chain": "input", "handle": 2, "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "arp", "field": "daddr ip"}}, "right": "192.168.1.100"}}, {"drop": null}]}},
{"rule": {"family": "arp", "table": "beeline_192_168_1_100", "chain": "output", "handle": 4, "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "arp", "field": "saddr ip"}}, "right": "192.168.1.100"}}, {"mangle": {"key": {"payload": {"protocol": "arp", "field": "saddr ip"}}, "value": "192.168.1.31"}}]}}]}`;
  const { tables, chains } = parseNft(listed);
  const wish: VipWish = { vip: ip('192.168.1.100'), method: 'nft', ports: [], rip: ip('192.168.1.31') };
  const step = planOf({ vips: [wish] }).find(({ kind }) => kind === 'nft');
  assert.ok(step?.kind === 'nft');
  assert.equal(tables[0]!.name, step.table);
  assert.deepEqual(tables[0]!.rules, step.rules);
  assert.equal(chains[0]!.policy, 'accept');
  assert.deepEqual(parseNft(''), { tables: [], chains: [] });
});

test('a rule is known again, in whatever order arptables and iptables print its words', () => {
  const drop = { chain: 'INPUT', rule: ['-d', '192.168.1.100', '-j', 'DROP'] };
  const mangle = { chain: 'OUTPUT', rule: ['-s', '192.168.1.100', '-j', 'mangle', '--mangle-ip-s', '192.168.1.31'] };
  const [first, second] = parseRules(
    `*filter\n:INPUT ACCEPT\n-A INPUT -j DROP -d 192.168.1.100\n-A OUTPUT -j mangle -s 192.168.1.100 --mangle-ip-s 192.168.1.31\n`,
  );
  assert.ok(isSameRule(first!, drop) && isSameRule(second!, mangle));
  assert.ok(!isSameRule(first!, mangle) && !isSameRule('-A INPUT -j DROP -d 192.168.1.101', drop));
  assert.ok(!isSameRule('-A INPUT -j DROP -d 192.168.1.100 -i ens3', drop));
  const vips: VipWish[] = [{ vip: ip('192.168.1.100'), method: 'redirect', ports: [80], tool: 'iptables' }];
  const [tcp] = planOf({ vips });
  assert.ok(tcp?.kind === 'rule');
  const printed =
    '-A PREROUTING -d 192.168.1.100/32 -p tcp -m tcp --dport 80 -m comment --comment beeline-realserver -j REDIRECT';
  assert.ok(isSameRule(printed, tcp));
  assert.ok(!isSameRule(printed.replace('80', '81'), tcp));
});

test('what listens is read of /proc/net/tcp, and addresses are compared in its spelling', () => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 6401A8C0:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1515 1 00000000c7628492 100 0 0 10 0
   1: 6401A8C0:D2DC 507100CB:0051 01 00000000:00000000 03:0000013A 00000000     0        0 0 3 000000006cc7031b
`;
  assert.deepEqual(parseListeners(text), [{ address: procAddress(ip('192.168.1.100')), port: 80 }]);
  assert.equal(procAddress(ip('fd00::100')), '000000fd000000000000000000010000');
  assert.deepEqual(parseListeners(''), []);
  const udp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  123: 6401A8C0:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1516 2 0000000000000000 0
  124: 6401A8C0:0036 0C01A8C0:0035 01 00000000:00000000 00:00000000 00000000     0        0 1517 2 0000000000000000 0
`;
  const open = [{ address: procAddress(ip('192.168.1.100')), port: 53 }];
  assert.deepEqual(parseListeners(udp, LISTENING.udp), open, 'one with a peer takes packets of that alone');
});

test("the real server's own address is in the VIP's network, else on the default route, else where the user says", () => {
  const facts = {
    ...parseAddresses(ADDRESSES),
  };
  assert.equal(ripFor(ip('192.168.1.100'), facts, undefined, undefined), '192.168.1.31');
  assert.equal(ripFor(ip('203.0.113.9'), facts, undefined, 'ens3'), '192.168.1.31');
  assert.equal(ripFor(ip('192.168.1.100'), facts, 'tun0', undefined), '10.9.0.2');
  assert.throws(() => ripFor(ip('203.0.113.9'), facts, undefined, undefined), { code: 'USAGE' });
  assert.throws(() => ripFor(ip('192.168.1.100'), facts, 'eth9', undefined), { code: 'INTERFACE_MISSING' });
  // The VIP itself never stands for the VIP.
  assert.throws(() => ripFor(ip('192.168.1.31'), facts, undefined, undefined), { code: 'USAGE' });
});

test('no address of the host itself, of everybody or of nobody can be a VIP', () => {
  for (const text of ['127.0.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', '::1', '::', 'fe80::1', 'ff02::1']) {
    assert.throws(() => parseVirtual(text), { code: 'USAGE' }, text);
  }
  for (const text of ['192.168.1.100/32', 'www.example.com', '::ffff:10.0.0.1', '', '192.168.1.100; reboot']) {
    assert.throws(() => parseVirtual(text), { code: 'USAGE' }, text);
  }
  assert.equal(parseVirtual('FD00::0100'), 'fd00::100');
});
