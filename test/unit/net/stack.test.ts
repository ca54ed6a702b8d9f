/** What stands on what: the lowest interfaces under a device, whatever stands between, and where its frames leave. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { mac } from '../../../src/model/index.js';
import type { Link } from '../../../src/net/rtnetlink.js';
import { leavesUnder, waysOut } from '../../../src/net/stack.js';

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

test('frames leave by what is under one or two VLAN devices, with tags from the outermost, and by no bridge or macvlan', () => {
  const on = (parent: number, id: number, service = false): Partial<Link> => ({
    lower: parent,
    vlan: { parent, id, service },
  });
  const links = [
    link(1, ''),
    link(2, 'vlan', on(1, 20, true)),
    link(3, 'vlan', on(2, 30)),
    link(4, 'vlan', on(3, 40)),
    link(5, 'bridge'),
    link(6, 'macvlan', { lower: 1 }),
    link(7, 'vlan', on(99, 70)),
  ];
  const ways = (from: number): string[] =>
    waysOut(from, (ifindex) => links.find((each) => each.ifindex === ifindex)).map(
      ({ ifindex, tags }) => `${ifindex}: ${tags.map(({ id, service }) => `${service ? 's' : 'c'}${id}`).join(' ')}`,
    );
  assert.deepEqual(ways(1), ['1: ']);
  assert.deepEqual(ways(3), ['3: ', '2: c30', '1: s20 c30']);
  // Three tags are more than the director writes.
  assert.deepEqual(ways(4), ['4: ', '3: c40', '2: c30 c40']);
  assert.deepEqual(ways(5), ['5: ']);
  assert.deepEqual(ways(6), ['6: ']);
  // In another network namespace.
  assert.deepEqual(ways(7), ['7: ', '99: c70']);
});
