/** Which devices are above an interface, by the kernel's tables: they may make their MACs the director's. */

import assert from 'node:assert/strict';
import test, { before } from 'node:test';

import type { DeviceAbove } from '../../src/model/index.js';
import { Network } from '../../src/net/index.js';
import { ip, makeVeth, requireOwnNetwork } from '../support/isolation.js';

before(requireOwnNetwork);

const brief = (above: readonly DeviceAbove[] = []): string[] =>
  above.map(({ name, mac, addresses, router }) => [router ? `router ${name}` : name, mac, ...addresses].join(' '));

test('macvlan devices, bridges and what is on them are above a NIC; its peer and others are not', async (context) => {
  context.after(() => {
    ip('link', 'delete', 'test30');
    ip('link', 'delete', 'test32');
    ip('link', 'delete', 'test34');
    ip('link', 'delete', 'br30');
  });
  makeVeth('test30', 'test31');
  makeVeth('test32', 'test33');
  makeVeth('test34', 'test35');
  const add = (name: string, mac: string, address: string, ...rest: string[]): void => {
    ip('link', 'add', 'name', name, 'address', mac, ...rest);
    ip('addr', 'add', address, 'dev', name);
    ip('link', 'set', name, 'up');
  };
  add('vrrp30', '00:00:5e:00:01:30', '10.6.0.100/32', 'link', 'test30', 'type', 'macvlan', 'mode', 'private');
  add('br30', '02:00:00:00:30:02', '10.6.2.1/24', 'type', 'bridge');
  add('vrrp31', '00:00:5e:00:01:31', '10.6.1.100/32', 'link', 'br30', 'type', 'macvlan', 'mode', 'private');
  add('other30', '02:00:00:00:30:03', '10.6.3.1/32', 'link', 'test34', 'type', 'macvlan', 'mode', 'private');
  ip(
    'link',
    'add',
    'link',
    'test30',
    'name',
    'down30',
    'address',
    '00:00:5e:00:01:32',
    'type',
    'macvlan',
    'mode',
    'private',
  );
  ip('addr', 'add', '10.6.0.101/32', 'dev', 'down30');
  ip('link', 'set', 'test32', 'master', 'br30');
  // Without IPv6 the addresses are those that were given.
  using network = await Network.open(() => undefined);
  const of = (name: string): string[] =>
    brief(network.interface(name)!.above).map((line) => line.replace(/ fe80:\S+/g, ''));

  assert.deepEqual(of('test30'), ['router vrrp30 00:00:5e:00:01:30 10.6.0.100']);
  assert.deepEqual(of('test31'), []);
  assert.deepEqual(of('test32'), ['br30 02:00:00:00:30:02 10.6.2.1', 'vrrp31 00:00:5e:00:01:31 10.6.1.100']);

  ip('addr', 'delete', '10.6.0.100/32', 'dev', 'vrrp30');
  ip('link', 'set', 'down30', 'up');
  while (!of('test30').some((line) => line.includes('down30')) || of('test30')[0]!.includes('10.6.0.100')) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  // A standby's device has no address.
  assert.deepEqual(of('test30'), ['router vrrp30 00:00:5e:00:01:30', 'router down30 00:00:5e:00:01:32 10.6.0.101']);
  // Behind a bridge there may be others with that MAC, to whom it leads frames.
  ip('addr', 'delete', '10.6.1.100/32', 'dev', 'vrrp31');
  while (of('test32').some((line) => line.includes('10.6.1.100'))) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(!of('test32').some((line) => line.startsWith('router')));
});
