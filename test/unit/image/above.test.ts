/** Which MACs above interfaces are the director's, and when packets wait for a new image because of them. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { compile, gainsMac, macsAbove } from '../../../src/image/index.js';
import { type DeviceAbove, type Interface, ip, isVirtualMac, mac, virtualMac } from '../../../src/model/index.js';
import { DIRECTOR, service, worldOf } from '../../support/models.js';

const VIP = ip('192.168.1.100');
const SERVICES = [service(VIP, 80, [ip('10.0.0.1')])];
const ROUTER: DeviceAbove = { name: 'vrrp.51', mac: virtualMac(51, 4), addresses: [], router: true };
const BRIDGE: DeviceAbove = { name: 'br0', mac: mac('02:00:00:00:00:01'), addresses: [] };

const withVip = (device: DeviceAbove): DeviceAbove => ({ ...device, addresses: [VIP] });
const below = (...above: DeviceAbove[]): Interface => ({ ...DIRECTOR, above });

test("a virtual router's MAC has its family and id", () => {
  assert.equal(virtualMac(51, 4), '00:00:5e:00:01:33');
  assert.equal(virtualMac(255, 6), '00:00:5e:00:02:ff');
  for (const [address, expected] of [
    ['00:00:5e:00:01:01', true],
    ['00:00:5e:00:02:ff', true],
    ['00:00:5e:00:01:00', false],
    ['00:00:5e:00:03:01', false],
    ['00:00:5e:00:00:12', false],
    ['01:00:5e:00:01:01', false],
    ['02:00:00:00:00:01', false],
  ] as const) {
    assert.equal(isVirtualMac(mac(address)), expected, address);
  }
});

const CHANGES: readonly (readonly [what: string, before: Interface[], after: Interface[], gains: boolean])[] = [
  ['nothing changes', [below(withVip(ROUTER))], [below(withVip(ROUTER))], false],
  ['a standby becomes master', [below(ROUTER)], [below(withVip(ROUTER))], true],
  ['a master becomes standby', [below(withVip(ROUTER))], [below(ROUTER)], false],
  ['a device comes with the VIP', [DIRECTOR], [below(withVip(ROUTER))], true],
  ['a device comes without it', [DIRECTOR], [below(ROUTER, BRIDGE)], false],
  ['a bridge gets the VIP', [below(BRIDGE)], [below(withVip(BRIDGE))], true],
  ['the device gets another address', [below(ROUTER)], [below({ ...ROUTER, addresses: [ip('192.168.1.9')] })], false],
  ['the VIP moves to another device', [below(withVip(BRIDGE), ROUTER)], [below(BRIDGE, withVip(ROUTER))], true],
  [
    'the device moves to another interface',
    [below(withVip(ROUTER))],
    [DIRECTOR, { ...below(withVip(ROUTER)), name: 'ens4', ifindex: 8 }],
    true,
  ],
];

for (const [what, before, after, gains] of CHANGES) {
  test(`packets ${gains ? '' : 'do not '}wait for the next image when ${what}`, () => {
    const image = compile({ services: SERVICES }, { ...worldOf(SERVICES), interfaces: before });
    assert.equal(gainsMac(image, after), gains);
  });
}

test('a virtual router of the configuration is a standby only where no device has its MAC', () => {
  const instance = { name: 'VI_51', interface: DIRECTOR.name, id: 51, priority: 100, interval: 1, vmac: true };
  const model = { services: SERVICES, vrrp: { instances: [instance] } };
  const standbys = (...interfaces: Interface[]): (readonly [string, boolean])[] =>
    macsAbove(compile(model, { ...worldOf(SERVICES), interfaces })).map(({ mac: each, standby }) => [each, standby]);
  assert.deepEqual(standbys(DIRECTOR), [[ROUTER.mac, true]]);
  assert.deepEqual(standbys(below(ROUTER)), [[ROUTER.mac, true]]);
  assert.deepEqual(standbys(below(withVip(ROUTER))), [[ROUTER.mac, false]]);
  assert.deepEqual(standbys(below({ ...ROUTER, addresses: [ip('10.98.0.1')] })), []);
  assert.deepEqual(standbys({ ...DIRECTOR, name: 'ens4' }), []);
});
