/** `beeline vip list`: where VIPs are, whose they are, and what brings them back. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { ip } from '../../../src/model/index.js';
import { type Owners, ownersBy, refuseLeft, refuseOwned } from '../../../src/setup/vip/owners.js';
import { likelyVips, type ReportFacts, reportOf } from '../../../src/setup/vip/report.js';

const VIP = ip('192.168.1.100');
const NONE: Owners = new Map();

function facts(rest: Partial<ReportFacts> = {}): ReportFacts {
  return {
    links: [{ device: 'ens3', up: true, arp: true }],
    addresses: [{ device: 'ens3', address: VIP, prefix: 32 }],
    entries: [],
    owners: NONE,
    files: {},
    ...rest,
  };
}

const VRRP = {
  vrrp: { instances: [{ name: 'VI_51', interface: 'ens3', id: 51, priority: 250, interval: 1 }] },
  services: [],
  markRules: [{ mark: 1, match: { protocol: 'tcp', address: VIP, prefixLength: 32, firstPort: 1, lastPort: 2 } }],
} as const;

test('a VIP as /24, on an interface that is down, or as a duplicate is marked', () => {
  assert.deepEqual(reportOf(VIP, facts()).places, [
    { interface: 'ens3', prefix: 32, prefixIsRight: true, up: true, duplicate: false },
  ]);
  const wide = facts({ addresses: [{ device: 'ens4', address: VIP, prefix: 24, dad: 'failed' }] });
  assert.deepEqual(reportOf(VIP, wide).places, [
    { interface: 'ens4', prefix: 24, prefixIsRight: false, up: false, duplicate: true },
  ]);
});

test('the owner is VRRP, before all else; or "beeline vip add", or something else, or nobody', () => {
  const step = { kind: 'address', id: '', why: '', device: 'ens3', address: VIP, prefix: 32 } as const;
  const owners = ownersBy(VRRP, '/etc/beeline/beeline.yaml', false);
  assert.deepEqual(
    [reportOf(VIP, facts({ owners })).owner, reportOf(VIP, facts({ owners })).router],
    ['vrrp', 'VI_51'],
  );
  assert.equal(reportOf(VIP, facts({ owners, addresses: [] })).owner, 'vrrp');
  assert.equal(reportOf(VIP, facts({ entries: [{ step, boot: 'x' }] })).owner, 'beeline');
  assert.equal(reportOf(VIP, facts()).owner, 'static');
  assert.equal(reportOf(VIP, facts({ addresses: [] })).owner, 'none');
});

test('a file brings a VIP back if a line that is no comment has it as a word', () => {
  const files = {
    '/a': 'Address=192.168.1.100/32\n',
    '/b': '# Address=192.168.1.100/32\n',
    '/c': 'address 192.168.1.1001\naddress 1.192.168.1.100\n',
    '/d': '      addresses: ["192.168.1.100/24"]\n',
  };
  assert.deepEqual(reportOf(VIP, facts({ files })).files, ['/a', '/d']);
});

test('without a configuration, addresses of single hosts may be VIPs, and loopback is none', () => {
  const addresses = [
    { device: 'lo', address: '127.0.0.1', prefix: 8 },
    { device: 'lo', address: '::1', prefix: 128 },
    { device: 'ens3', address: '192.168.1.21', prefix: 24 },
    { device: 'ens3', address: '192.168.1.100', prefix: 32 },
    { device: 'lo', address: '192.168.1.100', prefix: 32 },
    { device: 'ens3', address: 'fd00::100', prefix: 128 },
  ];
  assert.deepEqual(likelyVips({ addresses }), ['192.168.1.100', 'fd00::100']);
});

test('a VIP of VRRP is refused with the instance, the file and what to do; others are not', () => {
  for (const runs of [true, false]) {
    const owners = ownersBy(VRRP, '/etc/x.conf', runs);
    assert.throws(
      () => {
        refuseOwned([ip('10.0.0.1'), VIP], owners);
      },
      {
        code: 'VIP_OWNED',
        message: /192\.168\.1\.100 belongs to VRRP: .*VI_51 of \/etc\/x\.conf/,
        hint: runs ? /reload keepalived/ : /beeline keepalived write/,
      },
    );
    refuseOwned([ip('10.0.0.1')], owners);
  }
});

test('a VIP that was added before VRRP had it is to be removed first: two would add it', () => {
  const owners = ownersBy(VRRP, '/etc/x.conf', false);
  assert.throws(
    () => {
      refuseLeft([ip('10.0.0.1'), VIP], owners);
    },
    { code: 'VIP_OWNED', hint: /"beeline vip remove 192\.168\.1\.100" first/ },
  );
  refuseLeft([ip('10.0.0.1')], owners);
});
