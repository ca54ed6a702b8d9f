/** The real program on one packet of each shape: what leaves, what goes up untouched, and what is counted. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { hostNamed } from '../../src/lab/index.js';
import { ip, type IpAddress, mac, macBytes } from '../../src/model/index.js';
import { buildFrame, type FrameOptions, patched, icmpAnswer } from '../../src/packet/index.js';
import { PacketDirector } from '../support/director.js';
import { CLIENT_MAC, DIRECTOR, macFor, service } from '../support/models.js';

const VIP = ip('192.168.1.100');
const VIP6 = ip('fd00::100');
const SERVER = ip('192.168.1.31');
const SERVER6 = ip('fd00::31');
const SERVICES = [
  service(VIP, 80, [SERVER]),
  service(VIP, 53, [SERVER], { protocol: 'udp' }),
  service(VIP6, 80, [SERVER6]),
  service(VIP6, 53, [SERVER6], { protocol: 'udp' }),
];
const TCP_SYN = 0x02;

function frame(options: Partial<FrameOptions> = {}): Uint8Array {
  return buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    source: options.destination?.includes(':') === true ? ip('fd00::12') : ip('192.168.1.12'),
    destination: VIP,
    protocol: 'tcp',
    sourcePort: 40_000,
    destinationPort: 80,
    ...options,
  });
}

/** A frame as it must be forwarded: only the MACs differ. */
function forwardedTo(server: IpAddress, original: Uint8Array): Uint8Array {
  return patched(original, [0, ...macBytes(macFor(server))], [6, ...macBytes(DIRECTOR.mac)]);
}

function assertForwarded(director: PacketDirector, original: Uint8Array, server: IpAddress): void {
  const { action, frame: sent } = director.send(original);
  assert.equal(action, 'tx');
  assert.deepEqual(sent, forwardedTo(server, original));
}

function assertUntouched(director: PacketDirector, original: Uint8Array, why: string): void {
  const { action, frame: after } = director.send(original);
  assert.equal(action, 'pass', why);
  assert.deepEqual(after, original, why);
}

test('a packet for a service leaves for its real server with new MACs and no other byte changed', async () => {
  using director = await PacketDirector.with(SERVICES);
  const payload = Uint8Array.from({ length: 1000 }, (_, i) => i);
  for (const [destination, server] of [
    [VIP, SERVER],
    [VIP6, SERVER6],
  ] as const) {
    for (const body of [new Uint8Array(), payload]) {
      assertForwarded(director, frame({ destination, payload: body }), server);
      assertForwarded(director, frame({ destination, payload: body, protocol: 'udp', destinationPort: 53 }), server);
    }
  }
});

test('packets with TTL 1, or with wrong checksums or lengths, are forwarded unchanged', async () => {
  using director = await PacketDirector.with(SERVICES);
  const original = frame({ payload: new Uint8Array(100) });
  for (const patch of [
    [22, 1],
    [22, 0],
    [24, 0xde, 0xad],
    [50, 0xbe, 0xef],
    [16, 0x05, 0xdc],
    [16, 0, 0],
    [18, 0x12, 0x34],
    [15, 0xb8],
  ] as [number, ...number[]][]) {
    assertForwarded(director, patched(original, patch), SERVER);
  }
});

test("a packet with the don't-fragment flag or the reserved bit is not taken for a fragment", async () => {
  using director = await PacketDirector.with(SERVICES);
  assertForwarded(director, patched(frame(), [20, 0x40, 0x00]), SERVER);
  assertForwarded(director, patched(frame(), [20, 0xc0, 0x00]), SERVER);
});

test('IPv6 flow label and traffic class change nothing', async () => {
  using director = await PacketDirector.with(SERVICES);
  assertForwarded(director, patched(frame({ destination: VIP6 }), [14, 0x6f, 0xff, 0xff, 0xff]), SERVER6);
});

test('the shortest complete packets are scheduled, and those with one byte less are dropped', async () => {
  using director = await PacketDirector.with(SERVICES);
  const lengths = [
    [frame(), 54],
    [frame({ protocol: 'udp', destinationPort: 53 }), 42],
    [frame({ destination: VIP6 }), 74],
    [frame({ destination: VIP6, protocol: 'udp', destinationPort: 53 }), 62],
  ] as const;
  for (const [original, length] of lengths) {
    assert.equal(director.send(original.slice(0, length)).action, 'tx');
    assert.equal(director.send(original.slice(0, length - 1)).action, 'drop', `${length - 1} bytes`);
  }
  assert.equal(director.verdicts()['truncated'], 4);
});

test('frames that end within the IP header are passed up, however short', async () => {
  using director = await PacketDirector.with(SERVICES);
  for (const original of [frame(), frame({ destination: VIP6 })]) {
    const ipHeader = original[12] === 0x08 ? 34 : 54;
    for (let length = 14; length < ipHeader; length += 1) {
      assertUntouched(director, original.slice(0, length), `${length} bytes`);
    }
  }
  assert.deepEqual(director.verdicts(), {});
});

test('packets that are not for a VIP are passed up untouched and not counted', async () => {
  using director = await PacketDirector.with(SERVICES);
  const { ipv4, ipv6 } = hostNamed('director');
  for (const original of [
    frame({ destination: ipv4, destinationPort: 22 }),
    frame({ destination: ipv4, destinationPort: 80 }),
    frame({ destination: ipv6, destinationPort: 22 }),
    frame({ destination: ip('0.0.0.0'), destinationPort: 0 }),
    frame({ destination: ip('255.255.255.255'), protocol: 'udp', destinationPort: 67 }),
    frame({ destination: ip('::'), destinationPort: 0 }),
    // ARP, a VLAN tag, MPLS, LLDP, an 802.3 length instead of a type.
    ...[0x0806, 0x8100, 0x8847, 0x88cc, 0x002e].map((type) => patched(frame(), [12, type >> 8, type & 0xff])),
    // An IPv4 packet that calls itself IPv6, and the other way round.
    patched(frame(), [12, 0x86, 0xdd]),
    patched(frame({ destination: VIP6 }), [12, 0x08, 0x00]),
  ]) {
    assertUntouched(director, original, Buffer.from(original).toString('hex'));
  }
  assert.deepEqual(director.verdicts(), {});
});

/** Of these the host would see only a part, and answer as if it were the server. */
const DROPPED = ['early', 'truncated'];

test('packets for a VIP without a service are passed up untouched, damaged ones dropped, all counted by reason', async () => {
  using director = await PacketDirector.with(SERVICES);
  const cases: [reason: string, Uint8Array][] = [
    ['no-service', frame({ destinationPort: 81 })],
    ['no-service', frame({ destinationPort: 53 })],
    ['no-service', frame({ destinationPort: 80, protocol: 'udp' })],
    ['no-service', frame({ destinationPort: 0 })],
    ['no-service', frame({ destination: VIP6, destinationPort: 81 })],
    ['icmp', patched(frame(), [23, 1])],
    ['other-protocol', patched(frame(), [23, 47])],
    ['icmp', patched(frame({ destination: VIP6 }), [20, 58])],
    ['other-protocol', patched(frame({ destination: VIP6 }), [20, 0])],
    ['early', patched(frame(), [20, 0x00, 0xb9])],
    ['early', patched(frame({ destination: VIP6 }), [20, 44], [54, 6])],
    ['truncated', patched(frame(), [14, 0x4f])],
    ['malformed', patched(frame(), [14, 0x44])],
    ['malformed', patched(frame(), [14, 0x65])],
    ['malformed', patched(frame({ destination: VIP6 }), [14, 0x40])],
  ];
  const expected: Record<string, number> = {};
  for (const [reason, original] of cases) {
    if (DROPPED.includes(reason)) {
      assert.equal(director.send(original).action, 'drop', reason);
    } else {
      assertUntouched(director, original, reason);
    }
    expected[reason] = (expected[reason] ?? 0) + 1;
    assert.deepEqual(director.verdicts(), expected, reason);
  }
});

test('a frame to another host is not answered, although its service has no real server', async () => {
  using director = await PacketDirector.with([service(VIP, 80, [])]);
  assertUntouched(director, frame({ destinationMac: mac('ff:ff:ff:ff:ff:ff') }), 'broadcast');
  assert.deepEqual(director.verdicts('tcp 192.168.1.100:80'), { 'other-host': 1 });
});

test('a frame that is addressed to another host is left alone, although its IP packet is for a service', async () => {
  using director = await PacketDirector.with(SERVICES);
  for (const destinationMac of ['00:50:00:00:04:01', '00:50:00:00:05:00', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:12'].map(
    mac,
  )) {
    assertUntouched(director, frame({ destinationMac }), destinationMac);
    assertUntouched(director, frame({ destinationMac, destination: VIP6 }), destinationMac);
  }
  assert.deepEqual(director.verdicts('tcp 192.168.1.100:80'), { 'other-host': 4 });
  assert.deepEqual(director.verdicts('tcp [fd00::100]:80'), { 'other-host': 4 });
});

test('a real server that is this host gets the packet untouched, and counted', async () => {
  using director = await PacketDirector.with(SERVICES, { [SERVER]: { state: 'local' } });
  assertUntouched(director, frame({ flags: TCP_SYN }), 'local');
  const [counted] = director.publisher
    .counters()
    .services.find(({ name }) => name === 'tcp 192.168.1.100:80')!.destinations;
  assert.deepEqual([counted?.packets, counted?.flows], [1, 1]);
});

test('a service without real servers, or with drained ones only, answers that its port is unreachable', async () => {
  using director = await PacketDirector.with([service(VIP, 80, []), service(VIP, 81, [[SERVER, 0]])]);
  for (const destinationPort of [80, 81]) {
    const asked = frame({ destinationPort });
    const { action, frame: answer } = director.send(asked);
    assert.equal(action, 'tx');
    assert.deepEqual(answer, icmpAnswer(asked, { router: ip('192.0.0.8'), type: 3, code: 3 }));
  }
  assert.deepEqual(director.verdicts('tcp 192.168.1.100:80'), { 'no-destination': 1 });
  assert.deepEqual(director.verdicts('tcp 192.168.1.100:81'), { 'no-destination': 1 });
});

test('a director without services passes every packet up', async () => {
  using director = await PacketDirector.with([]);
  for (const original of [
    frame(),
    frame({ destination: VIP6 }),
    frame({ destination: ip('0.0.0.0'), destinationPort: 0 }),
  ]) {
    assertUntouched(director, original, 'no services');
  }
});

test('port 0 takes the ports that no other service has, for its protocol only', async () => {
  const other = ip('192.168.1.32');
  using director = await PacketDirector.with([service(VIP, 0, [SERVER]), service(VIP, 443, [other])]);
  assertForwarded(director, frame({ destinationPort: 8080 }), SERVER);
  assertForwarded(director, frame({ destinationPort: 443 }), other);
  assertUntouched(director, frame({ destinationPort: 8080, protocol: 'udp' }), 'another protocol');
  assert.deepEqual(director.verdicts(), { 'no-service': 1 });
});

test('packets, IP bytes and connections are counted with the destination they went to', async () => {
  using director = await PacketDirector.with(SERVICES);
  director.send(frame({ flags: TCP_SYN }));
  director.send(frame({ flags: TCP_SYN | 0x10 }));
  director.send(frame({ payload: new Uint8Array(960) }));
  director.send(frame({ destination: VIP6, flags: TCP_SYN, payload: new Uint8Array(940) }));
  director.send(frame({ protocol: 'udp', destinationPort: 53, payload: new Uint8Array(72) }));
  const counted = director.publisher.counters().services.map(({ name, destinations }) => {
    const { packets, bytes, flows } = destinations[0]!;
    return [name, packets, bytes, flows];
  });
  assert.deepEqual(counted, [
    ['udp 192.168.1.100:53', 1, 100, 1],
    // A SYN with ACK opens a flow too, as in IPVS.
    ['tcp 192.168.1.100:80', 3, 1080, 2],
    ['udp [fd00::100]:53', 0, 0, 0],
    ['tcp [fd00::100]:80', 1, 1000, 1],
  ]);
});

test('all packets of a flow go to one real server, and many flows go to all of them', async () => {
  const servers = [ip('192.168.1.31'), ip('192.168.1.32'), ip('192.168.1.33')];
  using director = await PacketDirector.with([service(VIP, 80, servers)]);
  const serverOf = (options: Partial<FrameOptions>): string =>
    Buffer.from(director.send(frame(options)).frame.subarray(0, 6)).toString('hex');
  const seen = new Map<string, number>();
  for (let sourcePort = 1024; sourcePort < 4024; sourcePort += 1) {
    const first = serverOf({ sourcePort, flags: TCP_SYN });
    assert.equal(serverOf({ sourcePort, payload: new Uint8Array(10) }), first);
    seen.set(first, (seen.get(first) ?? 0) + 1);
  }
  assert.equal(seen.size, 3);
  for (const count of seen.values()) {
    assert.ok(count > 900 && count < 1100, `${count} of 3000 flows`);
  }
});
