/** The real program on frames to the MAC of a virtual router (keepalived's `use_vmac`) of which this director is a standby. */

import assert from 'node:assert/strict';
import test from 'node:test';

import type { Compilable } from '../../src/image/index.js';
import {
  type DeviceAbove,
  familyOf,
  type Interface,
  ip,
  type IpAddress,
  mac,
  type MacAddress,
  type MarkRule,
  type MarkService,
  type Resolution,
  type Service,
  virtualMac,
  type VrrpInstance,
} from '../../src/model/index.js';
import {
  buildFrame,
  ETHER_TYPE,
  ETHERNET,
  fragmentHeader,
  icmpError,
  IPV4,
  ipv4Fragment,
  IPV6,
  patched,
  replyBeginning,
  tagged,
  TCP_FLAG,
  withExtensions,
  withOptions,
} from '../../src/packet/index.js';
import { PacketDirector } from '../support/director.js';
import { CLIENT_MAC, DIRECTOR, macFor, service } from '../support/models.js';

const [VIP, VIP6, MARKED] = [ip('10.99.0.10'), ip('fd99::10'), ip('10.99.0.20')];
const [CLIENT, CLIENT6] = [ip('10.50.0.1'), ip('fd50::1')];
const SERVERS = { 4: [ip('10.99.0.31')], 6: [ip('fd99::31')] } as const;
const [ROUTER, ROUTER6, ANOTHER] = [virtualMac(51, 4), virtualMac(51, 6), virtualMac(52, 4)];
const LINK_LOCAL = ip('fe80::200:5eff:fe00:233');

/** The loopback interface: the one that BPF_PROG_RUN's frames come by. */
const NIC: Interface = { ...DIRECTOR, ifindex: 1, group: 1 };
const OTHER_NIC: Interface = { ...DIRECTOR, name: 'ens4', ifindex: 9, group: 9, mac: mac('00:50:00:00:04:09') };

function routers(addresses: readonly IpAddress[], addresses6 = addresses): DeviceAbove[] {
  return [
    { name: 'vrrp.51', mac: ROUTER, addresses, router: true },
    { name: 'vrrp6.51', mac: ROUTER6, addresses: [LINK_LOCAL, ...addresses6], router: true },
  ];
}

const STANDBY: Interface = { ...NIC, above: routers([]) };
const MASTER: Interface = { ...NIC, above: routers([VIP], [VIP6]) };

const POLICIES: Readonly<Record<string, Partial<Service>>> = {
  'maglev, moved slots': { track: 'moved' },
  'maglev, every flow': { track: 'all' },
  'rr, TTL decremented': { scheduler: 'rr', ttl: 'decrement' },
  'wlc, persistent': { scheduler: 'wlc', persistence: { timeout: 300 } },
};

/** The lean path, and the whole one. */
const PATHS: Readonly<Record<string, { others: readonly Interface[]; model: Partial<Compilable> }>> = {
  'one interface': { others: [], model: {} },
  'several interfaces, VLANs and directors': {
    others: [OTHER_NIC],
    model: { vlans: true, directors: [mac('00:50:00:00:08:01')] },
  },
};

function servicesWith(policy: Partial<Service>): Service[] {
  return [VIP, VIP6].flatMap((vip) =>
    (['tcp', 'udp'] as const).map((protocol) => service(vip, 80, SERVERS[familyOf(vip)], { ...policy, protocol })),
  );
}

async function publish(director: PacketDirector, model: Compilable, interfaces: readonly Interface[]): Promise<void> {
  const resolutions = Object.values(SERVERS)
    .flat()
    .map((address): [IpAddress, Resolution] => [address, { state: 'resolved', mac: macFor(address), ifindex: 1 }]);
  await director.publishModel(model, { interfaces, resolutions: new Map(resolutions) });
}

interface Sending {
  readonly protocol?: 'tcp' | 'udp';
  readonly port?: number;
  readonly sourcePort?: number;
  readonly flags?: number;
}

function frameTo(destinationMac: MacAddress, destination: IpAddress, sending: Sending = {}): Uint8Array {
  const { protocol = 'tcp', port = 80, sourcePort = 40_000, flags = TCP_FLAG.syn } = sending;
  return buildFrame({
    destinationMac,
    sourceMac: CLIENT_MAC,
    source: familyOf(destination) === 4 ? CLIENT : CLIENT6,
    destination,
    protocol,
    sourcePort,
    destinationPort: port,
    ...(protocol === 'tcp' ? { flags } : { payload: new Uint8Array(64) }),
  });
}

function errorTo(destinationMac: MacAddress, vip: IpAddress): Uint8Array {
  const is4 = familyOf(vip) === 4;
  return icmpError({
    destinationMac,
    sourceMac: CLIENT_MAC,
    router: is4 ? ip('10.9.9.9') : ip('fd09::9'),
    vip,
    type: is4 ? 3 : 2,
    quoted: replyBeginning(vip, 80, is4 ? CLIENT : CLIENT6, 40_000, 6),
  });
}

/** Packets of services, those of one flow in their order: what a host with the VIP would refuse, and end a flow by it. */
function packetsTo(router: MacAddress, router6: MacAddress): readonly (readonly [string, Uint8Array])[] {
  const [udp, udp6] = [
    frameTo(router, VIP, { protocol: 'udp', sourcePort: 41_000 }),
    frameTo(router6, VIP6, { protocol: 'udp', sourcePort: 41_000 }),
  ];
  return [
    ['SYN', frameTo(router, VIP)],
    ['data', frameTo(router, VIP, { flags: TCP_FLAG.ack })],
    ['ICMP error', errorTo(router, VIP)],
    ['datagram', frameTo(router, VIP, { protocol: 'udp' })],
    ['IP options', withOptions(udp, [1, 1, 1, 1])],
    ['first fragment', ipv4Fragment(udp, 0, true, 7)],
    ['later fragment', ipv4Fragment(udp, 64, false, 7)],
    ['priority tag', tagged(udp, ETHER_TYPE.vlan, 0x6000)],
    ['IPv6 SYN', frameTo(router6, VIP6)],
    ['IPv6 data', frameTo(router6, VIP6, { flags: TCP_FLAG.ack })],
    ['ICMPv6 error', errorTo(router6, VIP6)],
    ['IPv6 datagram', frameTo(router6, VIP6, { protocol: 'udp' })],
    ['extension header', withExtensions(udp6, [{ number: 60, rest: [0, 1, 4, 0, 0, 0, 0] }])],
    ['IPv6 first fragment', withExtensions(udp6, [fragmentHeader(0, true, 7)])],
    ['IPv6 later fragment', withExtensions(udp6, [fragmentHeader(64, false, 7)])],
    // The host is weak in the sense of RFC 1122, 3.3.4.2, as Linux is: any of its devices takes its addresses.
    ["IPv4 to the IPv6 router's MAC", frameTo(router6, VIP, { sourcePort: 42_000 })],
  ];
}

/** Sends a frame, which must end as the oracle says. Returns the action and the verdict. */
function endOf(director: PacketDirector, frame: Uint8Array): string {
  const { verdict, frame: expected } = director.expect(frame);
  const { action, frame: sent } = director.send(frame);
  assert.deepEqual(sent, new Uint8Array(expected), verdict);
  return `${action}: ${verdict}`;
}

for (const [policyName, policy] of Object.entries(POLICIES)) {
  for (const [pathName, { others, model }] of Object.entries(PATHS)) {
    test(`packets of services are dropped while another director is the virtual router's master: ${policyName}, ${pathName}`, async () => {
      using director = new PacketDirector();
      const asked = { services: servicesWith(policy), ...model };
      const { vlans = false } = model;
      const packets = [
        ...packetsTo(ROUTER, ROUTER6),
        ...(vlans ? [['VLAN', tagged(frameTo(ROUTER, VIP), ETHER_TYPE.vlan, 5)] as const] : []),
      ];
      const requireAll = (end: string, sent: ReturnType<typeof packetsTo> = packets): void => {
        assert.deepEqual(
          sent.map(([name, frame]) => [name, endOf(director, frame)]),
          sent.map(([name]) => [name, end]),
        );
      };
      await publish(director, asked, [STANDBY, ...others]);
      requireAll('drop: not-master');
      const { tables } = (await director.publisher.sweep([]))!;
      assert.equal(tables.ipv4.used + tables.ipv6.used, 0, 'nothing is remembered of them');
      await publish(director, asked, [MASTER, ...others]);
      requireAll('tx: forwarded');
      await publish(director, asked, [STANDBY, ...others]);
      requireAll('drop: not-master');
      // Also of flows that go on: the other director forwards them.
      requireAll('tx: forwarded', packetsTo(NIC.mac, NIC.mac));
      assert.equal(director.verdicts('tcp 10.99.0.10:80')['not-master'], vlans ? 10 : 8);
    });
  }
}

test("what is no service's, or no virtual router's, goes to the host, whoever is master", async () => {
  using director = new PacketDirector();
  const protocolAt = ETHERNET.bytes + IPV4.protocol;
  const syn = frameTo(ROUTER, VIP);
  const CASES: readonly (readonly [what: string, frame: Uint8Array, end: string])[] = [
    ['SSH', frameTo(ROUTER, ip('10.99.0.1'), { port: 22 }), 'not-ours'],
    ['IPv6', frameTo(ROUTER6, ip('fd99::1'), { port: 22 }), 'not-ours'],
    ['a port without a service', frameTo(ROUTER, VIP, { port: 22 }), 'no-service'],
    ['ARP', patched(syn, [ETHERNET.type, 0x08, 0x06]), 'not-ours'],
    ['VRRP to the VIP', patched(syn, [protocolAt, 112]), 'other-protocol'],
    [
      'VRRP to all routers',
      patched(frameTo(mac('01:00:5e:00:00:12'), ip('224.0.0.18')), [protocolAt, 112]),
      'not-ours',
    ],
    ['echo', patched(errorTo(ROUTER, VIP), [ETHERNET.bytes + IPV4.bytes, 8]), 'icmp'],
    ['ICMPv6 echo', patched(errorTo(ROUTER6, VIP6), [ETHERNET.bytes + IPV6.bytes, 128]), 'icmp'],
    ['a VLAN of others', tagged(syn, ETHER_TYPE.vlan, 7), 'other-vlan'],
    ['another virtual router', frameTo(ANOTHER, VIP), 'other-host'],
    ['a broadcast', frameTo(mac('ff:ff:ff:ff:ff:ff'), VIP), 'other-host'],
  ];
  await publish(director, { services: servicesWith({}) }, [STANDBY]);
  for (const [what, frame, end] of CASES) {
    assert.equal(endOf(director, frame), `pass: ${end}`, what);
  }
});

test('a packet for a service without real servers, or whose real server is this host, is not the host’s on a standby', async () => {
  using director = new PacketDirector();
  const services = [
    service(VIP, 80, []),
    service(VIP, 81, [], { noDestination: 'drop' }),
    service(VIP, 82, [ip('127.0.0.1')]),
  ];
  const frames = [80, 81, 82].map((port) => frameTo(ROUTER, VIP, { port }));
  await publish(director, { services }, [STANDBY]);
  frames.forEach((frame) => {
    assert.equal(endOf(director, frame), 'drop: not-master');
  });
  await publish(director, { services }, [MASTER]);
  assert.deepEqual(
    frames.slice(1).map((frame) => endOf(director, frame)),
    ['drop: dropped', 'pass: local'],
  );
});

test("a mark's service, and one for every port, are dropped on a standby too", async () => {
  using director = new PacketDirector();
  const match = { protocol: 'tcp', address: MARKED, prefixLength: 32, firstPort: 80, lastPort: 80 } as const;
  const markRules: MarkRule[] = [{ mark: 1, match }];
  const destinations = SERVERS[4].map((address) => ({ address, weight: 1 }));
  const markServices: MarkService[] = [{ mark: 1, family: 4, scheduler: 'rr', destinations }];
  const model = { services: [service(VIP, 0, SERVERS[4])], markServices, markRules };
  const frames = [frameTo(ROUTER, MARKED), frameTo(ROUTER, VIP, { port: 8080 })];
  for (const [addresses, end] of [
    [[], 'drop: not-master'],
    [[MARKED], 'tx: forwarded'],
    [[], 'drop: not-master'],
  ] as const) {
    await publish(director, model, [{ ...NIC, above: routers(addresses) }]);
    frames.forEach((frame) => {
      assert.equal(endOf(director, frame), end);
    });
  }
});

test('only a virtual router without addresses is a standby: others take what comes to their MAC as before', async () => {
  using director = new PacketDirector();
  const router = (rest: Partial<DeviceAbove>): DeviceAbove[] => [
    { name: 'vrrp.51', mac: ROUTER, addresses: [], router: true, ...rest },
  ];
  const CASES: readonly (readonly [what: string, interfaces: readonly Interface[], end: string])[] = [
    ['the gateway of others', [{ ...NIC, above: router({ addresses: [ip('10.98.0.1')] }) }], 'pass: other-host'],
    [
      'a device of another kind',
      [{ ...NIC, above: [{ name: 'tap0', mac: ROUTER, addresses: [] }] }],
      'pass: other-host',
    ],
    ['a router of another interface', [NIC, { ...OTHER_NIC, above: router({}) }], 'pass: other-host'],
    ["an interface's own MAC", [{ ...NIC, mac: ROUTER, above: router({}) }], 'tx: forwarded'],
    ['a standby', [{ ...NIC, above: router({}) }], 'drop: not-master'],
    ['with a link-local address', [{ ...NIC, above: router({ addresses: [LINK_LOCAL] }) }], 'drop: not-master'],
    ['a master', [{ ...NIC, above: router({ addresses: [ip('10.98.0.1'), VIP] }) }], 'tx: forwarded'],
  ];
  for (const [what, interfaces, end] of CASES) {
    await publish(director, { services: servicesWith({}) }, interfaces);
    assert.equal(endOf(director, frameTo(ROUTER, VIP)), end, what);
  }
});

test('the virtual routers of the configuration are known before keepalived makes their devices', async () => {
  using director = new PacketDirector();
  const instance: VrrpInstance = { name: 'VI_51', interface: NIC.name, id: 51, priority: 250, interval: 1, vmac: true };
  const both = [ROUTER, ROUTER6];
  const CASES: readonly (readonly [Partial<VrrpInstance>, standbys: readonly MacAddress[]])[] = [
    [{}, both],
    [{ family: 4 }, [ROUTER]],
    [{ addresses: [VIP6] }, [ROUTER6]],
    [{ vmac: false }, []],
    [{ interface: 'ens9' }, []],
    [{ id: 1 }, []],
    [{ id: 255 }, []],
  ];
  for (const [rest, standbys] of CASES) {
    const vrrp = { instances: [{ ...instance, ...rest }] };
    await publish(director, { services: servicesWith({}), vrrp }, [NIC]);
    for (const each of both) {
      const end = standbys.includes(each) ? 'drop: not-master' : 'pass: other-host';
      assert.equal(endOf(director, frameTo(each, VIP)), end, `${JSON.stringify(rest)} ${each}`);
    }
  }
  // The device is there: what it has counts.
  await publish(director, { services: servicesWith({}), vrrp: { instances: [instance] } }, [MASTER]);
  assert.equal(endOf(director, frameTo(ROUTER, VIP)), 'tx: forwarded');
});

test('masters have room in the table of MACs, however many virtual routers are standbys', async () => {
  using director = new PacketDirector();
  const standbys = ([4, 6] as const).flatMap((family) =>
    Array.from({ length: 255 }, (_, i): DeviceAbove => {
      return { name: `vrrp${i}`, mac: virtualMac(i + 1, family), addresses: [], router: true };
    }),
  );
  const bridges = Array.from({ length: 300 }, (_, i): DeviceAbove => {
    return {
      name: `br${i}`,
      mac: mac(`02:00:00:00:0${i >> 8}:${(i & 0xff).toString(16).padStart(2, '0')}`),
      addresses: [VIP],
    };
  });
  await publish(director, { services: servicesWith({}) }, [{ ...NIC, above: [...standbys, ...bridges] }]);
  assert.equal(endOf(director, frameTo(bridges.at(-1)!.mac, VIP)), 'tx: forwarded');
  assert.equal(endOf(director, frameTo(virtualMac(1, 4), VIP)), 'drop: not-master');
});
