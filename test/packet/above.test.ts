/** The real program on frames to the other MACs of the host: VRRP's virtual MACs, a bridge's own, those of VLAN devices. */

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  familyOf,
  ip,
  type IpAddress,
  type Interface,
  mac,
  type MacAddress,
  type Service,
} from '../../src/model/index.js';
import { buildFrame, ipv4Fragment, TCP_FLAG, withOptions } from '../../src/packet/index.js';
import { PacketDirector } from '../support/director.js';
import { CLIENT_MAC, DIRECTOR, service, worldOf } from '../support/models.js';

const [VIP, VIP6] = [ip('10.99.0.10'), ip('fd99::10')] as const;
const SERVERS = { 4: [ip('10.99.0.31')], 6: [ip('fd99::31')] } as const;
const MASTER = mac('00:00:5e:00:01:33');
const MASTER6 = mac('00:00:5e:00:02:33');
const STANDBY = mac('00:00:5e:00:01:34');

const POLICIES: Readonly<Record<string, Partial<Service>>> = {
  'maglev, moved slots': { track: 'moved' },
  'maglev, every flow': { track: 'all' },
  rr: { scheduler: 'rr' },
  'wlc, persistent': { scheduler: 'wlc', persistence: { timeout: 300 } },
};

/** The director's only interface is the loopback interface: the one that BPF_PROG_RUN's frames come by. */
const NIC: Interface = { ...DIRECTOR, ifindex: 1, group: 1 };

function interfaceWith(addresses: readonly IpAddress[]): Interface {
  return {
    ...NIC,
    above: [
      { name: 'vrrp.51', mac: MASTER, addresses },
      { name: 'vrrp6.51', mac: MASTER6, addresses: [ip('fe80::1'), VIP6] },
      { name: 'vrrp.52', mac: STANDBY, addresses: [ip('fe80::2')] },
    ],
  };
}

async function publish(director: PacketDirector, services: readonly Service[], interfaces: Interface[]): Promise<void> {
  const { resolutions } = worldOf(services);
  const here = [...resolutions].map(([address, each]) => [address, { ...each, ifindex: 1 }] as const);
  await director.publishModel({ services }, { interfaces, resolutions: new Map(here) });
}

function frameTo(destinationMac: MacAddress, destination: IpAddress, protocol: 'tcp' | 'udp' = 'tcp'): Uint8Array {
  return buildFrame({
    destinationMac,
    sourceMac: CLIENT_MAC,
    source: familyOf(destination) === 4 ? ip('10.50.0.1') : ip('fd50::1'),
    destination,
    protocol,
    sourcePort: 40_000,
    destinationPort: 80,
    ...(protocol === 'tcp' ? { flags: TCP_FLAG.syn } : { payload: new Uint8Array(64) }),
  });
}

function verdictOf(director: PacketDirector, frame: Uint8Array): string {
  const { verdict } = director.expect(frame);
  const { action } = director.send(frame);
  assert.equal(action, { forwarded: 'tx', 'other-host': 'pass' }[verdict as string], verdict);
  return verdict;
}

for (const [name, policy] of Object.entries(POLICIES)) {
  test(`a frame to the MAC of a device that has a VIP is forwarded, and one to a standby's is not: ${name}`, async () => {
    const services = [VIP, VIP6].flatMap((vip) =>
      (['tcp', 'udp'] as const).map((protocol) => service(vip, 80, SERVERS[familyOf(vip)], { ...policy, protocol })),
    );
    using director = new PacketDirector();
    await publish(director, services, [interfaceWith([VIP])]);
    for (const protocol of ['tcp', 'udp'] as const) {
      for (const [to, vip] of [
        [NIC.mac, VIP],
        [MASTER, VIP],
        [MASTER6, VIP6],
        // The host is weak in the sense of RFC 1122, 3.3.4.2, as Linux is: any of its devices takes its addresses.
        [MASTER, VIP6],
      ] as const) {
        assert.equal(verdictOf(director, frameTo(to, vip, protocol)), 'forwarded', `${to} ${vip} ${protocol}`);
      }
      assert.equal(verdictOf(director, frameTo(STANDBY, VIP, protocol)), 'other-host');
    }
    const udp = frameTo(MASTER, VIP, 'udp');
    assert.equal(verdictOf(director, withOptions(udp, [1, 1, 1, 1])), 'forwarded');
    assert.equal(verdictOf(director, ipv4Fragment(udp, 0, true, 7)), 'forwarded');

    // VRRP gives the VIP to another host: the device stays, with its MAC.
    await publish(director, services, [interfaceWith([ip('10.99.0.2')])]);
    assert.equal(verdictOf(director, frameTo(MASTER, VIP)), 'other-host');
    assert.equal(verdictOf(director, frameTo(MASTER6, VIP6)), 'forwarded');
    await publish(director, services, [interfaceWith([VIP])]);
    assert.equal(verdictOf(director, frameTo(MASTER, VIP)), 'forwarded');
  });
}

test("a device's MAC is the director's only on the interface below it", async () => {
  using director = new PacketDirector();
  const services = [service(VIP, 80, SERVERS[4])];
  const other: Interface = { ...NIC, name: 'ens4', ifindex: 9, group: 9, mac: mac('00:50:00:00:04:09') };
  await publish(director, services, [NIC, { ...other, above: interfaceWith([VIP]).above! }]);
  assert.equal(verdictOf(director, frameTo(MASTER, VIP)), 'other-host');
  await publish(director, services, [interfaceWith([VIP]), other]);
  assert.equal(verdictOf(director, frameTo(MASTER, VIP)), 'forwarded');
});
