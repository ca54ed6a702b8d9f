/** Offloads that hurt are told from those that do not: by kind of device, by mode, by what stands on what. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { type Card, mergesSegments, offloadWarnings, stripsTags } from '../../../src/director/reports/offloads.js';
import { isProblem, warningText } from '../../../src/model/index.js';

const CARD: Card = {
  name: 'ens3',
  kind: '',
  interface: 'ens3',
  over: undefined,
  mode: 'native',
  on: new Set(['rxvlan', 'gro', 'lro']),
};
const peer = (namespace: string | undefined, ...on: ('tx' | 'tso' | 'txvlan')[]): NonNullable<Card['peer']> => ({
  name: 'veth9',
  namespace,
  on: new Set(on),
});

test('a card that takes VLAN tags out is told from devices that only say so, or whose tags are taken out anyway', () => {
  const cases: [boolean, Partial<Card>][] = [
    [true, {}],
    [true, { mode: 'generic' }],
    [true, { mode: 'auto' }],
    [true, { name: 'eth0', interface: 'bond0', over: 'bond' }],
    [true, { name: 'eth0', interface: 'bond0', over: 'bond', mode: 'auto' }],
    [true, { name: 'eth0', interface: 'team0', over: 'team' }],
    [false, { on: new Set(['gro', 'lro']) }],
    [false, { kind: 'veth' }],
    [false, { kind: 'veth', mode: 'generic' }],
    [false, { name: 'eth0', interface: 'br0', over: 'bridge', mode: 'generic' }],
    [false, { name: 'eth0', interface: 'br0', over: 'bridge', mode: 'auto' }],
    [false, { name: 'eth0', interface: 'bond0', over: 'bond', mode: 'generic' }],
    [false, { name: 'eth0', interface: 'vlan20', over: 'vlan', mode: 'generic' }],
  ];
  for (const [expected, change] of cases) {
    assert.equal(stripsTags({ ...CARD, ...change }), expected, JSON.stringify(change));
  }
});

test('segments are merged by a card below a device in generic mode, not on the interface itself, nor in native mode', () => {
  const below = { name: 'eth0', interface: 'br0', over: 'bridge', mode: 'generic' } as const;
  const cases: [boolean, Partial<Card>][] = [
    [true, below],
    [true, { ...below, on: new Set(['lro']) }],
    [true, { ...below, on: new Set(['gro']), kind: 'veth' }],
    [true, { ...below, over: 'macvlan' }],
    [false, { ...below, on: new Set(['rxvlan']) }],
    [false, { ...below, mode: 'native' }],
    [false, { ...below, mode: 'auto' }],
    [false, { mode: 'generic' }],
    [false, {}],
  ];
  for (const [expected, change] of cases) {
    assert.equal(mergesSegments({ ...CARD, ...change }), expected, JSON.stringify(change));
  }
});

test('each warning names the card and the command that mends it, in the namespace of the card', () => {
  const veth: Card = { ...CARD, kind: 'veth', on: new Set() };
  const bridged: Card = {
    ...CARD,
    name: 'eth0',
    interface: 'br0',
    over: 'bridge',
    mode: 'generic',
    on: new Set(['gro']),
  };
  const cases: [Card, [string, boolean, RegExp][]][] = [
    [CARD, [['VLAN_TAGS_HIDDEN', true, /^ens3 hides .* "ethtool -K ens3 rxvlan off"$/]]],
    [bridged, [['SEGMENTS_MERGED', true, /^eth0 merges .* before br0 .* "ethtool -K eth0 gro off lro off"$/]]],
    [veth, []],
    [{ ...veth, peer: peer(undefined) }, []],
    [
      { ...veth, peer: peer(undefined, 'tx', 'tso') },
      [['CHECKSUMS_UNFINISHED', false, /^the other end of ens3, veth9, .* "ethtool -K veth9 tx off"$/]],
    ],
    [
      { ...veth, peer: peer('/run/netns/lab', 'txvlan') },
      [['VLAN_TAGS_HIDDEN', false, /veth9 in the namespace lab, .* "ip netns exec lab ethtool -K veth9 txvlan off"$/]],
    ],
    [
      { ...veth, mode: 'generic', peer: peer('/proc/7/ns/net', 'tx', 'tso') },
      [['SEGMENTS_MERGED', false, /"nsenter --net=\/proc\/7\/ns\/net ethtool -K veth9 tso off"$/]],
    ],
    [
      { ...bridged, kind: 'veth', on: new Set(), peer: peer(undefined, 'tx', 'tso', 'txvlan') },
      [['SEGMENTS_MERGED', false, /^the other end of eth0, veth9, .* br0 .* "ethtool -K veth9 tso off"$/]],
    ],
  ];
  for (const [card, expected] of cases) {
    const warnings = offloadWarnings([card]);
    assert.deepEqual(
      warnings.map((each) => [each.code, isProblem(each)]),
      expected.map(([code, problem]) => [code, problem]),
    );
    expected.forEach(([, , text], i) => {
      assert.match(warningText(warnings[i]!), text);
      assert.equal(warnings[i]!.interface, card.interface);
    });
  }
});
