/** What stands on what: the lowest interfaces under a device, whatever stands between. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { mac } from '../../../src/model/index.js';
import type { Link } from '../../../src/net/rtnetlink.js';
import { leavesUnder } from '../../../src/net/stack.js';

function link(ifindex: number, kind: string, rest: Partial<Link> = {}): Link {
  const common = {
    mac: mac('02:00:00:00:00:01'),
    mtu: 1500,
    up: true,
    carrier: true,
    master: undefined,
    vlan: undefined,
    lower: undefined,
  };
  return { ...common, ifindex, kind, name: `if${ifindex}`, peer: undefined, ...rest };
}

test('the interfaces under bridges, bonds and VLAN devices are found through all layers, and nothing under others', () => {
  const links = [
    link(1, '', { master: 3 }),
    link(2, '', { master: 3 }),
    link(3, 'bond'),
    link(4, 'vlan', { lower: 3, master: 5 }),
    link(5, 'bridge'),
    link(6, 'macvlan', { lower: 5 }),
    link(7, 'veth', { peer: { ifindex: 8, nsid: undefined }, master: 5 }),
    link(8, 'veth', { peer: { ifindex: 7, nsid: undefined } }),
    // Made on an interface of another namespace, which has the number of one of ours.
    link(9, 'macvlan'),
  ];
  const under = (ifindex: number): number[] => leavesUnder(ifindex, links).map((each) => each.ifindex);
  assert.deepEqual(under(1), []);
  assert.deepEqual(under(3), [1, 2]);
  assert.deepEqual(under(4), [1, 2]);
  assert.deepEqual(under(5), [1, 2, 7]);
  assert.deepEqual(under(6), [1, 2, 7]);
  assert.deepEqual(under(7), []);
  assert.deepEqual(under(8), []);
  assert.deepEqual(under(9), []);
});

test('devices that stand on each other in a circle end the search', () => {
  const links = [link(1, 'bridge', { master: 2 }), link(2, 'bond', { master: 1 })];
  assert.deepEqual(
    leavesUnder(1, links).map(({ ifindex }) => ifindex),
    [2],
  );
});
