/** The doctor's checks of VRRP, on facts. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { parseConfig } from '../../../src/config/index.js';
import type { StatusReport, VrrpReport } from '../../../src/control/index.js';
import {
  diagnose,
  type Facts,
  type Finding,
  type HeardMessage,
  type NetworkFacts,
  type ProbeFacts,
} from '../../../src/doctor/index.js';
import { ownMacs } from '../../../src/doctor/vrrp.js';
import { ip, mac, type Model, type Warning } from '../../../src/model/index.js';
import { cleanFacts, CONFIG, DIRECTOR, directorFacts, NETWORK, PROBES, VIP } from '../../support/facts.js';
import { advertisement, type AdvertisementOptions } from '../../support/vrrp.js';

const OTHER = { address: '192.168.1.22', mac: mac('00:50:00:00:05:00') };
const configWith = (instance = 'id: 51, priority: 250, interval: 1', more = ''): string =>
  `vrrp: { instances: [{ ${instance} }] }\n${more}${CONFIG}`;

/** @param has whether this host has the VIP */
function network(has: boolean): NetworkFacts {
  return has ? NETWORK : { ...NETWORK, addresses: NETWORK.addresses.filter(({ address }) => address !== VIP) };
}

/** Advertisements once a second, unless `at` says otherwise. */
function heard(...frames: readonly (AdvertisementOptions & { readonly at?: number })[]): ProbeFacts {
  return {
    ...PROBES,
    vrrp: frames.map(({ at, ...options }, i) => ({
      ...{ interface: 'ens3', at: at ?? i * 1_000, bytes: advertisement(options) },
    })),
  };
}

const thrice = (options: AdvertisementOptions): ProbeFacts => heard(options, options, options);

/** @param has whether this host is the one that has the VIP */
function find(probes: ProbeFacts, has: boolean, config = configWith(), change: Partial<Facts> = {}): Finding[] {
  const facts = cleanFacts({ director: directorFacts(config), network: network(has), probes, ...change });
  return [...diagnose(facts).findings];
}

const names = (findings: readonly Finding[]): string[] => findings.map(({ check }) => check);

test('a master that hears nobody, and a standby that hears its master, have nothing wrong', () => {
  assert.deepEqual(find(PROBES, true), []);
  assert.deepEqual(find(thrice({}), false), []);
});

test('another director that advertises while this host has the VIP is a second master, and both are named', () => {
  const [finding, ...others] = find(thrice({}), true);
  assert.deepEqual(others, []);
  assert.equal(finding?.check, 'vrrp-two-owners');
  assert.equal(finding.severity, 'error');
  assert.equal(finding.text, 'vrrp VI_51 (id 51) has 2 masters: this host and 192.168.1.22 (00:50:00:00:05:00)');
  assert.deepEqual(finding.evidence, [
    'ens3 of this host has 192.168.1.100',
    'ens3: VRRPv3 192.168.1.22 (00:50:00:00:05:00) > 224.0.0.18, vrid 51, prio 240, intvl 1s, addrs 192.168.1.100 (3 heard)',
  ]);
});

test('two hosts that advertise in turn are two masters; one that ends where the other begins is a takeover', () => {
  const third = { source: '192.168.1.23', mac: '00:50:00:00:06:00', priority: 230 };
  assert.deepEqual(names(find(heard({}, third, {}, third), false)), ['vrrp-two-owners']);
  assert.deepEqual(find(heard({}, {}, third, third), false), []);
});

test('a director that gives up while this one takes over says so once, and is no second master', () => {
  assert.deepEqual(find(heard({ priority: 0 }), true), []);
  assert.deepEqual(find(heard({}), true), []);
});

test('a director that answers ARP for a VIP of this master is a second one, although it advertises nothing', () => {
  const directors = `directors: [${OTHER.address}]\n`;
  const answer = {
    ...({ kind: 'says', protocol: 'ARP', sourceMac: OTHER.mac, destinationMac: DIRECTOR.mac } as const),
    ...{ address: VIP, mac: OTHER.mac, unasked: false, interface: 'ens3', at: 3 },
  };
  const known = { directors: [{ address: ip(OTHER.address), macs: [OTHER.mac] }] };
  const probes = { ...PROBES, ...known, vips: [{ ...PROBES.vips[0]!, answers: [answer] }] };
  const found = find(probes, true, configWith(undefined, directors));
  assert.deepEqual(names(found), ['vrrp-two-owners']);
  assert.match(found[0]!.text, /has 2 masters: this host and 192\.168\.1\.22 \(00:50:00:00:05:00\)$/);
  // To a standby the same answer is that of its master.
  assert.deepEqual(find(probes, false, configWith(undefined, directors)), []);
});

test('what a director of VRRP announces, while this one has its VIPs, is told as two masters alone', () => {
  const directors = `directors: [${OTHER.address}]\n`;
  const announced: HeardMessage = {
    ...({ kind: 'says', protocol: 'ARP', sourceMac: OTHER.mac, destinationMac: mac('ff:ff:ff:ff:ff:ff') } as const),
    ...{ address: VIP, mac: OTHER.mac, unasked: true, interface: 'ens3', at: 3 },
  };
  const known = { directors: [{ address: ip(OTHER.address), macs: [OTHER.mac] }], announced: [announced] };
  const found = find({ ...thrice({}), ...known }, true, configWith(undefined, directors));
  assert.deepEqual(names(found), ['vrrp-two-owners']);
  // Without VRRP nobody else tells of it, and the mend is the other director's.
  const [alone] = find({ ...PROBES, ...known }, true, `${directors}${CONFIG}`);
  assert.equal(alone?.check, 'vip-announced-by-others');
  assert.equal(alone.mend[0]?.on, 'director');
});

test('a second master that speaks another version is mended there, not at a firewall', () => {
  const [finding] = find(thrice({ version: 2 }), true);
  assert.equal(finding?.check, 'vrrp-two-owners');
  assert.deepEqual(
    finding.mend.map(({ command }) => command),
    ['write keepalived\'s configuration on 192.168.1.22 by "beeline keepalived write", or say "version 3" there'],
  );
  const unheard = find(thrice({}), true)[0]!.mend.map(({ command }) => command);
  assert.ok(unheard.includes('beeline keepalived write && systemctl reload keepalived'), unheard.join('\n'));
});

test('a director that is known, and has other VIPs under the same id, is no second master of these', () => {
  const others = thrice({ addresses: ['192.168.1.254'] });
  const found = find(others, true, configWith(undefined, `directors: [${OTHER.address}]\n`));
  assert.deepEqual(names(found), ['vrrp-advertisements']);
});

test("a standby does not take its master's answers for its own, although its device has the same virtual MAC", () => {
  const device = { name: 'vrrp.51', ifindex: 3, mac: mac('00:00:5e:00:01:33'), mtu: 1500, up: true, carrier: true };
  const links = [...NETWORK.links, { ...device, kind: 'macvlan' }];
  const beside = { interface: device.name, prefixLength: 64, duplicate: false };
  const linkLocal = { ...beside, address: ip('fe80::1'), scope: 'link' };
  assert.deepEqual(ownMacs({ links, addresses: [...network(false).addresses, linkLocal] }), [DIRECTOR.mac]);
  const has = { ...beside, address: VIP, prefixLength: 32, scope: 'global' };
  assert.deepEqual(ownMacs({ links, addresses: [...network(false).addresses, has] }), [DIRECTOR.mac, device.mac]);
});

test('what the daemon warns of two masters is said once, with the evidence', () => {
  const warning: Warning = {
    ...{ code: 'VRRP_UNMAINTAINED', vip: VIP, interface: 'ens3', message: 'keepalived is gone', remedy: 'start it' },
  };
  const status = {
    warnings: [warning],
    problems: ['keepalived is gone: start it'],
    vrrp: {
      ...{ keepalived: 'gone', mayBeMaster: true, reasons: [] },
      instances: [{ name: 'VI_51', state: 'UNKNOWN', addresses: [{ address: VIP, here: true }] }],
    },
  } as unknown as StatusReport;
  const director = { ...directorFacts(configWith()), status, warnings: [warning] };
  const both = find(thrice({}), true, undefined, { director });
  assert.deepEqual(names(both), ['vrrp-two-owners']);
  assert.deepEqual(both[0]?.mend, [{ on: 'director', command: 'systemctl restart keepalived' }]);
  assert.ok(both[0].evidence.includes('keepalived of this host: gone, and its VIPs are still here'));
  assert.deepEqual(names(find(PROBES, true, undefined, { director })), ['director-warnings']);
});

/** A daemon's word of VRRP, as of a standby that is ready. */
function standby(change: Partial<VrrpReport>, state = 'BACKUP'): Partial<Facts> {
  const instance = { name: 'VI_51', interface: 'ens3', id: 51, state, addresses: [{ address: VIP, here: false }] };
  const vrrp = { mayBeMaster: true, reasons: [], keepalived: 'running', instances: [instance], ...change };
  return { director: { ...directorFacts(configWith()), status: { problems: [], vrrp } as unknown as StatusReport } };
}

test('a standby that would not take over is told before it has to: without keepalived, without its word, or if it may not', () => {
  const told = (change: Partial<VrrpReport>, state?: string): (string | undefined)[] => {
    const [finding, ...others] = find(thrice({}), false, undefined, standby(change, state));
    assert.deepEqual(others, []);
    return [finding?.check, finding?.mend[0]?.command];
  };
  assert.deepEqual(told({}), [undefined, undefined]);
  assert.deepEqual(told({ keepalived: 'gone' }, 'STOP'), ['vrrp-not-ready', 'systemctl enable --now keepalived']);
  assert.deepEqual(told({ keepalived: 'gone' }, 'UNKNOWN'), ['vrrp-not-ready', 'beeline keepalived write']);
  assert.deepEqual(told({}, 'UNKNOWN')[0], 'vrrp-not-ready');
  assert.deepEqual(told({}, 'FAULT'), ['vrrp-not-ready', 'journalctl -u keepalived']);
  const givenUp = { mayBeMaster: false, reasons: ['given up'], givenUpSince: '2026-11-30T12:00:00.000Z' };
  assert.deepEqual(told(givenUp, 'FAULT'), ['vrrp-not-ready', 'beeline failover --take']);
  // Nobody has the VIPs: that is the finding.
  assert.deepEqual(names(find(PROBES, false, undefined, standby({ keepalived: 'gone' }, 'STOP'))), ['vrrp-no-owner']);
});

test('without advertisement, VIP and answer there is no master; a doctor that listened too shortly does not say so', () => {
  const [finding, ...others] = find(PROBES, false);
  assert.deepEqual(others, []);
  assert.equal(finding?.check, 'vrrp-no-owner');
  assert.equal(finding.text, 'vrrp VI_51 (id 51) has no master: no host has 192.168.1.100');
  assert.deepEqual(find({ ...PROBES, ms: 2_000 }, false), []);
  assert.deepEqual(find(PROBES, false, configWith('id: 51, priority: 250, interval: 10')), []);
});

test('a stranger with the same id is named; a director with other VIPs has another configuration', () => {
  const stranger = thrice({ source: '192.168.1.1', mac: '02:00:00:00:00:99', addresses: ['192.168.1.254'] });
  const [taken, ...others] = find(stranger, true);
  assert.deepEqual(others, []);
  assert.equal(taken?.check, 'vrrp-id-taken');
  assert.match(taken.text, /^192\.168\.1\.1 \(02:00:00:00:00:99\) advertises another virtual router with the id 51/);
  assert.match(taken.why, /00:00:5e:00:01:33/);
  const known = find(stranger, false, configWith(undefined, 'directors: [192.168.1.1]\n'));
  assert.deepEqual(names(known), ['vrrp-advertisements']);
  assert.match(known[0]!.text, /advertises 192\.168\.1\.254, and this director would advertise 192\.168\.1\.100/);
});

test('another id of the network, and another interface, are not ours', () => {
  const other = thrice({ id: 52, addresses: ['192.168.1.254'] });
  assert.deepEqual(find(other, true), []);
  const elsewhere = { ...other, vrrp: thrice({}).vrrp.map((each) => ({ ...each, interface: 'ens4' })) };
  assert.deepEqual(find(elsewhere, true), []);
});

test('version 2, another interval and a password are named, and the password is not shown', () => {
  const old = find(
    thrice({ version: 2, authentication: 1 }),
    false,
    configWith('id: 51, priority: 250, interval: 0.1'),
  );
  assert.deepEqual(
    old.map(({ check, severity }) => `${check} ${severity}`),
    ['vrrp-advertisements error', 'vrrp-advertisements warning'],
  );
  assert.match(old[0]!.text, /speaks version 2/);
  assert.match(old[0]!.why, /whole seconds alone, and the interval here is 0\.1 s/);
  assert.match(old[1]!.text, /password in clear/);
  assert.doesNotMatch(JSON.stringify(old), /swordfis/);
  const slow = find(thrice({ interval: 3 }), false);
  assert.deepEqual(names(slow), ['vrrp-advertisements']);
  assert.match(slow[0]!.text, /every 3 s, and this director is configured for 1 s/);
});

test('equal priorities are named: of the master that is heard, and of hosts in one file', () => {
  assert.deepEqual(names(find(thrice({ priority: 250 }), false)), ['vrrp-priorities']);
  const model = (priority: number): Model => parseConfig(configWith(`id: 51, priority: ${priority}`), 'beeline.yaml');
  const withHost = (priority: number): Partial<Facts> => ({
    director: { ...directorFacts(configWith()), hosts: [{ host: 'lb2', model: model(priority) }] },
  });
  assert.deepEqual(find(PROBES, true, undefined, withHost(240)), []);
  const [finding] = find(PROBES, true, undefined, withHost(250));
  assert.equal(finding?.check, 'vrrp-priorities');
  assert.deepEqual(finding.evidence, ['beeline.yaml: lb2 has the priority 250 in VI_51']);
});

test('IPv6: the link-local address of the virtual router is what a director of Beeline advertises', () => {
  const config = `vrrp: { instances: [{ id: 51, priority: 250, interval: 1 }] }
interfaces: [ens3]
services: [{ address: "fd00::100", port: 80, realServers: ["fd00::31", "fd00::32"] }]
`;
  const six = { source: 'fe80::22', addresses: ['fe80::200:5eff:fe00:233'] };
  const told = (options: AdvertisementOptions): string[] =>
    names(find(thrice(options), false, config)).filter((name) => name.startsWith('vrrp-'));
  assert.deepEqual(told(six), []);
  assert.deepEqual(told({ ...six, addresses: ['fe80::1', 'fd00::200'] }), ['vrrp-id-taken']);
  assert.deepEqual(told({ ...six, addresses: ['fe80::1', 'fd00::100'] }), ['vrrp-advertisements']);
});
