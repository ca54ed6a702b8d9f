/** The real program on packets that are not plain: tags, options, extension headers, fragments, ICMP errors, policies. */

import assert from 'node:assert/strict';
import test from 'node:test';

import type { Compilable } from '../../src/image/index.js';
import {
  type Destination,
  type Interface,
  ip,
  type IpAddress,
  mac,
  familyOf,
  macBytes,
  type Service,
  type VlanTag,
} from '../../src/model/index.js';
import {
  buildFrame,
  ETHERNET,
  fragmentHeader,
  type FrameOptions,
  icmpAnswer,
  icmpError,
  IPV4,
  IPV6,
  ipv4Fragment,
  patched,
  replyBeginning,
  tagged,
  TCP_FLAG,
  withExtensions,
  withOptions,
} from '../../src/packet/index.js';
import { PacketDirector } from '../support/director.js';
import { CLIENT_MAC, DIRECTOR, macFor, service, worldOf } from '../support/models.js';

const VIP = ip('192.168.1.100');
const VIP6 = ip('fd00::100');
const SERVERS = [ip('192.168.1.31'), ip('192.168.1.32'), ip('192.168.1.33')];
const SERVERS6 = [ip('fd00::31'), ip('fd00::32'), ip('fd00::33')];
const CLIENT = ip('192.168.1.12');
const CLIENT6 = ip('fd00::12');
/** The source of errors of a host that has no IPv4 address (RFC 7600). */
const NO_ADDRESS = ip('192.0.0.8');
const ROUTER6 = ip('fd00::11');
const SERVICES = [
  service(VIP, 80, SERVERS),
  service(VIP, 53, SERVERS, { protocol: 'udp' }),
  service(VIP6, 80, SERVERS6),
  service(VIP6, 53, SERVERS6, { protocol: 'udp' }),
];
const HOP_BY_HOP = { number: 0, rest: [0, 1, 4, 0, 0, 0, 0] };
const ROUTING_DONE = { number: 43, rest: [2, 4, 0, ...new Array<number>(20).fill(0)] };
const ROUTING_AHEAD = { number: 43, rest: [2, 4, 1, ...new Array<number>(20).fill(0)] };
const DESTINATION_OPTIONS = { number: 60, rest: [0, 1, 4, 0, 0, 0, 0] };

function frame(options: Partial<FrameOptions> = {}): Uint8Array {
  return buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    source: options.destination?.includes(':') === true ? CLIENT6 : CLIENT,
    destination: VIP,
    protocol: 'tcp',
    sourcePort: 40_000,
    destinationPort: 80,
    ...options,
  });
}

/** A director for a model in surroundings where everybody answers. */
async function directorFor(model: Compilable, interfaces: readonly Interface[] = [DIRECTOR]): Promise<PacketDirector> {
  const director = new PacketDirector();
  const addressed = interfaces.map((each) => ({ ...each, addresses: [ROUTER6] }));
  await director.publishModel(model, { ...worldOf(model.services), interfaces: addressed });
  return director;
}

/** Sends it; it must neither leave nor go up, and is counted by reason. */
function assertDropped(director: PacketDirector, original: Uint8Array, verdict: string, name?: string): void {
  const before = director.verdicts(name)[verdict] ?? 0;
  assert.equal(director.send(original).action, 'drop', verdict);
  assert.equal(director.expect(original).verdict, verdict);
  assert.equal(director.verdicts(name)[verdict], before + 1, verdict);
}

/** Sends it; the client must get an ICMP error of this type and code, and it is counted by reason. */
function assertAnswered(
  director: PacketDirector,
  original: Uint8Array,
  verdict: string,
  [type, code, rest = 0]: readonly [type: number, code: number, rest?: number],
  name: string,
  asOracle = true,
): void {
  const before = director.verdicts(name)[verdict] ?? 0;
  const { action, frame: answer } = director.send(original);
  const router = original[12] === 0x08 ? NO_ADDRESS : ROUTER6;
  assert.equal(action, 'tx', verdict);
  assert.deepEqual(answer, icmpAnswer(original, { router, type, code, rest }), verdict);
  if (asOracle) {
    assert.deepEqual(answer, new Uint8Array(director.expect(original).frame), verdict);
  }
  assert.equal(director.verdicts(name)[verdict], before + 1, verdict);
}

/** Sends it; it must leave as the oracle says, to `server` when one is named, and the MACs say which. */
function assertSent(director: PacketDirector, original: Uint8Array, server?: IpAddress): string {
  const expected = director.expect(original);
  const { action, frame: sent } = director.send(original);
  assert.equal(action, 'tx', expected.verdict);
  assert.deepEqual(sent, new Uint8Array(expected.frame));
  const mac = Buffer.from(sent.subarray(0, 6)).toString('hex');
  if (server !== undefined) {
    assert.equal(mac, Buffer.from(macBytes(macFor(server))).toString('hex'));
  }
  return mac;
}

function assertPassed(director: PacketDirector, original: Uint8Array, verdict: string, name?: string): void {
  const before = director.verdicts(name)[verdict] ?? 0;
  const { action, frame: after } = director.send(original);
  assert.equal(action, 'pass', verdict);
  assert.deepEqual(after, original, verdict);
  assert.equal(director.verdicts(name)[verdict], before + 1, verdict);
}

test('IP options and extension headers do not change where a flow goes', async () => {
  using director = await directorFor({ services: SERVICES });
  for (let sourcePort = 1000; sourcePort < 1020; sourcePort += 1) {
    const plain = frame({ sourcePort });
    const home = assertSent(director, plain);
    for (const bytes of [4, 12, 40]) {
      assert.equal(assertSent(director, withOptions(plain, new Array<number>(bytes).fill(1))), home);
    }
    const plain6 = frame({ sourcePort, destination: VIP6, protocol: 'udp', destinationPort: 53 });
    const home6 = assertSent(director, plain6);
    for (const headers of [
      [HOP_BY_HOP],
      [DESTINATION_OPTIONS, ROUTING_DONE, DESTINATION_OPTIONS],
      [HOP_BY_HOP, DESTINATION_OPTIONS, ROUTING_DONE, fragmentHeader(0, false, 1), DESTINATION_OPTIONS, HOP_BY_HOP],
    ]) {
      assert.equal(assertSent(director, withExtensions(plain6, headers)), home6);
    }
  }
});

test('too many extension headers and unfinished routing headers are passed up, truncated ones are dropped', async () => {
  using director = await directorFor({ services: SERVICES });
  const plain = frame({ destination: VIP6 });
  const seven = Array.from({ length: 7 }, () => DESTINATION_OPTIONS);
  assertPassed(director, withExtensions(plain, seven), 'extension');
  assertPassed(director, withExtensions(plain, [ROUTING_AHEAD]), 'extension');
  assertDropped(director, withExtensions(plain, [HOP_BY_HOP]).slice(0, 60), 'truncated');
  assertDropped(director, withExtensions(plain, [HOP_BY_HOP]).slice(0, 81), 'truncated');
  // The length of an extension header leads out of the frame.
  assertDropped(director, patched(withExtensions(plain, [HOP_BY_HOP]), [55, 255]), 'truncated');
  assertDropped(director, withOptions(frame(), [1, 1, 1, 1]).slice(0, 57), 'truncated');
});

test('later fragments follow the first fragment of their packet, and of no other', async () => {
  using director = await directorFor({ services: SERVICES });
  const payload = new Uint8Array(64);
  for (let id = 1; id < 30; id += 1) {
    const whole = frame({ sourcePort: 2000 + id, protocol: 'udp', destinationPort: 53, payload });
    const home = assertSent(director, whole);
    assertDropped(director, ipv4Fragment(whole, 1480, true, id), 'early');
    assert.equal(assertSent(director, ipv4Fragment(whole, 0, true, id)), home);
    assert.equal(assertSent(director, ipv4Fragment(whole, 1480, true, id)), home);
    assert.equal(assertSent(director, ipv4Fragment(whole, 2960, false, id)), home);
    assertDropped(director, patched(ipv4Fragment(whole, 1480, true, id), [23, 6]), 'early');
    assertDropped(director, patched(ipv4Fragment(whole, 1480, true, id), [29, 99]), 'early');

    const whole6 = frame({ sourcePort: 2000 + id, destination: VIP6, payload });
    const home6 = assertSent(director, whole6);
    const later = withExtensions(whole6, [HOP_BY_HOP, fragmentHeader(1448, false, id)]);
    assertDropped(director, later, 'early');
    assert.equal(assertSent(director, withExtensions(whole6, [HOP_BY_HOP, fragmentHeader(0, true, id)])), home6);
    assert.equal(assertSent(director, later), home6);
    assertDropped(director, withExtensions(whole6, [fragmentHeader(1448, false, id + 1000)]), 'early');
  }
});

test('a later fragment of the smallest size is rewritten too', async () => {
  using director = await directorFor({ services: SERVICES });
  const whole = frame({ protocol: 'udp', destinationPort: 53 });
  const home = assertSent(director, ipv4Fragment(whole, 0, true, 7));
  assert.equal(assertSent(director, ipv4Fragment(whole, 8, false, 7).slice(0, 34)), home);
});

test('a first fragment too short for its ports, and all fragments if switched off, are dropped', async () => {
  using director = await directorFor({ services: SERVICES });
  const whole = frame({ protocol: 'udp', destinationPort: 53 });
  assertDropped(director, ipv4Fragment(whole, 0, true, 3).slice(0, 41), 'truncated');
  using without = await directorFor({ services: SERVICES, fragments: false });
  assertDropped(without, ipv4Fragment(whole, 0, true, 3), 'fragment');
  assertDropped(without, ipv4Fragment(whole, 8, false, 3), 'fragment');
  assertDropped(without, withExtensions(frame({ destination: VIP6 }), [fragmentHeader(0, true, 3)]), 'fragment');
});

test("fragments of many packets at once follow their first; beyond the table's size only the latest do", async () => {
  using director = await directorFor({ services: SERVICES });
  const fragmentOf = (id: number, offset: number): Uint8Array =>
    ipv4Fragment(frame({ sourcePort: 1024 + (id % 60_000), protocol: 'udp', destinationPort: 53 }), offset, true, id);
  for (let id = 0; id < 3000; id += 1) {
    assertSent(director, fragmentOf(id, 0));
  }
  const followed = Array.from({ length: 3000 }, (_, id) => director.send(fragmentOf(id, 8)).action === 'tx');
  // A bucket holds four of 4,096: with 3,000 a few are full.
  assert.ok(followed.filter(Boolean).length > 2600, String(followed.filter(Boolean).length));
});

test('an ICMP error that quotes eight bytes of the transport header goes where that flow goes', async () => {
  using director = await directorFor({ services: SERVICES });
  const macs = { destinationMac: DIRECTOR.mac, sourceMac: CLIENT_MAC };
  for (let sourcePort = 3000; sourcePort < 3030; sourcePort += 1) {
    const home = assertSent(director, frame({ sourcePort }));
    const quoted = replyBeginning(VIP, 80, CLIENT, sourcePort, 6);
    for (const type of [3, 4, 11, 12]) {
      assert.equal(assertSent(director, icmpError({ ...macs, router: ip('10.9.9.9'), vip: VIP, type, quoted })), home);
    }
    const home6 = assertSent(director, frame({ sourcePort, destination: VIP6, protocol: 'udp', destinationPort: 53 }));
    const quoted6 = replyBeginning(VIP6, 53, CLIENT6, sourcePort, 17);
    for (const type of [1, 2, 3, 4]) {
      const error = icmpError({ ...macs, router: ip('fd09::9'), vip: VIP6, type, quoted: quoted6 });
      assert.equal(assertSent(director, error), home6);
    }
  }
});

test('echo, errors about other flows, and errors with truncated quotes are passed up to the host', async () => {
  using director = await directorFor({ services: SERVICES });
  const error = (type: number, quoted: Uint8Array, vip = VIP): Uint8Array =>
    icmpError({ destinationMac: DIRECTOR.mac, sourceMac: CLIENT_MAC, router: ip('10.9.9.9'), vip, type, quoted });
  const quoted = replyBeginning(VIP, 80, CLIENT, 40_000, 6);
  assertPassed(director, error(8, quoted), 'icmp');
  assertPassed(director, error(0, quoted), 'icmp');
  assertPassed(director, error(3, quoted.subarray(0, 27)), 'icmp');
  assertPassed(director, error(3, quoted.subarray(0, 19)), 'icmp');
  assertPassed(director, error(3, replyBeginning(ip('192.168.1.21'), 80, CLIENT, 40_000, 6)), 'icmp');
  assertPassed(director, error(3, patched(quoted, [9, 47])), 'icmp');
  assertPassed(director, error(3, patched(quoted, [6, 0x00, 0x10])), 'icmp');
  assertPassed(director, error(3, replyBeginning(VIP, 22, CLIENT, 40_000, 6)), 'no-service');
});

test('VLAN tags are parsed, pushed, popped and rewritten, and keep their priority', async () => {
  const on = (address: IpAddress, vlan?: Destination['vlan']): Destination => ({
    address,
    weight: 1,
    ...(vlan && { vlan }),
  });
  const model = (destination: Destination): Compilable => ({
    services: [{ ...service(VIP, 80, []), destinations: [destination] }],
    vlans: true,
  });
  const inner = frame({ flags: 2, payload: Uint8Array.of(1, 2, 3) });
  const arrivals = [
    inner,
    tagged(inner, 0x8100, 10),
    tagged(inner, 0x8100, 0xe00a),
    tagged(tagged(inner, 0x8100, 20), 0x88a8, 0xa064),
    tagged(tagged(inner, 0x8100, 20), 0x8100, 30),
  ];
  for (const [vlan, tags] of [
    [undefined, []],
    [{ id: 20 }, [[0x8100, 20]]],
    [
      { id: 20, outer: 100 },
      [
        [0x88a8, 100],
        [0x8100, 20],
      ],
    ],
    [{ id: 0, outer: 100 }, [[0x88a8, 100]]],
  ] as const) {
    using director = await directorFor(model(on(ip('192.168.1.31'), vlan)));
    for (const arrival of arrivals) {
      assertSent(director, arrival, ip('192.168.1.31'));
      const priority = arrival === inner ? 0 : (arrival[14]! << 8) & 0xf000;
      const { frame: sent } = director.send(arrival);
      const expected = tags
        .toReversed()
        .reduce<Uint8Array>(
          (rest, [type, id]) => tagged(rest, type, priority | id),
          patched(inner, [0, ...macBytes(macFor(ip('192.168.1.31')))], [6, ...macBytes(DIRECTOR.mac)]),
        );
      assert.deepEqual(sent, expected);
    }
  }
});

const [VLAN20, STACKED] = [
  [{ id: 20, service: false }],
  [
    { id: 100, service: true },
    { id: 20, service: false },
  ],
] as const;

/** Packets of the shapes that reach the program of unusual packets, and plain ones, of both families. */
function shapes(): Uint8Array[] {
  const error = (vip: IpAddress, client: IpAddress, type: number): Uint8Array =>
    icmpError({
      destinationMac: DIRECTOR.mac,
      sourceMac: CLIENT_MAC,
      router: familyOf(vip) === 4 ? ip('10.9.9.9') : ip('fd09::9'),
      vip,
      type,
      quoted: replyBeginning(vip, 80, client, 40_000, 6),
    });
  return [
    frame(),
    frame({ destination: VIP6 }),
    withOptions(frame(), [1, 1, 1, 1]),
    ipv4Fragment(frame(), 0, true, 7),
    error(VIP, CLIENT, 3),
    error(VIP6, CLIENT6, 2),
  ];
}

test("a frame of a VLAN that nobody configured never leaves untagged into the servers' network", async () => {
  const services = [VIP, VIP6].flatMap((vip) => service(vip, 80, vip === VIP ? SERVERS : SERVERS6));
  const on20 = services.map((each) => ({
    ...each,
    destinations: each.destinations.map((one) => ({ ...one, vlan: { id: 20 } })),
  }));
  const foreign = [
    [0x8100, 10],
    [0x8100, 0xe00a],
    // The ids of the VLANs that are known, in tags of another kind.
    [0x88a8, 20],
    [0x8100, 100],
  ] as const;
  for (const [what, model] of [
    ['no VLANs at all', { services }],
    ['VLANs switched off', { services, vlans: false }],
    ['real servers in another', { services: on20 }],
  ] as const) {
    using director = await directorFor(model);
    for (const [type, tag] of foreign) {
      for (const each of [...shapes(), frame({ destinationPort: 9 })]) {
        assertPassed(director, tagged(each, type, tag), 'other-vlan');
      }
      assertPassed(director, tagged(tagged(frame(), 0x8100, 20), type, tag), 'other-vlan');
    }
    // For no VIP: not counted.
    const before = director.verdicts();
    assert.equal(director.send(tagged(frame({ destination: ip('192.168.1.50') }), 0x8100, 10)).action, 'pass', what);
    assert.deepEqual(director.verdicts(), before);
  }
});

test('a tag with id 0 names no VLAN: its frame is as one without it, whatever its priority', async () => {
  const services = [VIP, VIP6].flatMap((vip) => service(vip, 80, vip === VIP ? SERVERS : SERVERS6));
  const on20 = services.map((each) => ({
    ...each,
    destinations: each.destinations.map((one) => ({ ...one, vlan: { id: 20 } })),
  }));
  for (const model of [{ services }, { services, vlans: false }, { services: on20 }]) {
    using director = await directorFor(model);
    const isTagged = model.services === on20;
    for (const each of shapes()) {
      const { frame: plain } = director.send(each);
      for (const arrival of [
        tagged(each, 0x8100, 0),
        tagged(each, 0x8100, 0xe000),
        tagged(each, 0x88a8, 0xe000),
        tagged(tagged(each, 0x8100, 0), 0x88a8, 0xe000),
        ...(isTagged ? [tagged(tagged(each, 0x8100, 20), 0x8100, 0xe000)] : []),
      ]) {
        assert.equal(director.expect(arrival).verdict, 'forwarded');
        const { frame: sent } = director.send(arrival);
        const priority = (arrival[14]! << 8) & 0xf000;
        assert.deepEqual(sent, isTagged ? patched(plain, [14, priority >> 8, 20]) : plain);
      }
    }
    assertPassed(director, tagged(frame({ destinationPort: 9 }), 0x8100, 0), 'no-service');
  }
});

test("a VLAN is the director's while a device of the host for it is above an interface", async () => {
  using director = new PacketDirector();
  const services = [service(VIP, 80, SERVERS), service(VIP6, 80, SERVERS6)];
  const publish = async (...vlans: readonly (readonly VlanTag[])[]): Promise<void> => {
    const above = vlans.map((vlan) => ({ name: 'device', mac: DIRECTOR.mac, addresses: [], vlan }));
    await director.publishModel({ services }, { ...worldOf(services), interfaces: [{ ...DIRECTOR, above }] });
  };
  const once = tagged(frame(), 0x8100, 20);
  const twice = tagged(once, 0x88a8, 100);
  await publish(VLAN20);
  assertSent(director, once);
  assertSent(director, tagged(frame({ destination: VIP6 }), 0x8100, 0x6014));
  assertPassed(director, twice, 'other-vlan');
  await publish(STACKED);
  assertPassed(director, once, 'other-vlan');
  assertSent(director, twice);
  // However many there are, the search misses none.
  for (let many = 1; many <= 9; many += 1) {
    const ids = Array.from({ length: many }, (_, i) => 20 + i * 2);
    await publish(...ids.map((id) => [{ id, service: false }]));
    for (const id of ids) {
      assertSent(director, tagged(frame(), 0x8100, id));
      assertPassed(director, tagged(frame(), 0x8100, id - 1), 'other-vlan');
      assertPassed(director, tagged(frame(), 0x8100, id + 1), 'other-vlan');
    }
  }
  await publish(...Array.from({ length: 4094 }, (_, i) => [{ id: i + 1, service: false }]), STACKED);
  for (const id of [1, 2, 20, 2047, 2048, 2049, 4093, 4094]) {
    assertSent(director, tagged(frame(), 0x8100, id));
  }
  assertSent(director, twice);
  assertPassed(director, tagged(frame(), 0x88a8, 4094), 'other-vlan');
  await publish();
  assertPassed(director, once, 'other-vlan');
});

test('frames with three tags or truncated tags are passed up uncounted', async () => {
  using director = await directorFor({ services: SERVICES, vlans: true });
  const three = tagged(tagged(tagged(frame(), 0x8100, 1), 0x8100, 2), 0x8100, 3);
  for (const arrival of [three, tagged(frame(), 0x8100, 10).slice(0, 16), tagged(frame(), 0x8100, 10).slice(0, 37)]) {
    assert.equal(director.send(arrival).action, 'pass');
  }
  assert.deepEqual(director.verdicts(), {});
});

test('with noDestination drop nobody answers, with reject the director does', async () => {
  using director = await directorFor({
    services: [service(VIP, 80, [], { noDestination: 'drop' }), service(VIP, 81, [], { noDestination: 'reject' })],
  });
  assert.equal(director.send(frame()).action, 'drop');
  assert.deepEqual(director.verdicts('tcp 192.168.1.100:80'), { dropped: 1 });
  assertAnswered(director, frame({ destinationPort: 81 }), 'no-destination', [3, 3], 'tcp 192.168.1.100:81');
});

test('TTL and checksum are updated if a service asks for it, and the director sends time exceeded', async () => {
  using director = await directorFor({
    services: [
      service(VIP, 80, [ip('192.168.1.31')], { ttl: 'decrement' }),
      service(VIP, 81, [ip('192.168.1.31')]),
      service(VIP6, 80, [ip('fd00::31')], { ttl: 'decrement' }),
    ],
  });
  for (const [ttl, check] of [
    [64, 0x1234],
    [2, 0xfeff],
    [255, 0xffff],
    [64, 0x0000],
  ] as const) {
    const original = patched(frame(), [22, ttl], [24, check >> 8, check & 0xff]);
    assertSent(director, original);
    const { frame: sent } = director.send(original);
    assert.equal(sent[22], ttl - 1);
    // The sum of the header's words and its checksum has not changed (RFC 1624; 0 and 0xffff are one).
    assert.equal(onesSum(sent.subarray(14, 34)), onesSum(original.subarray(14, 34)));
  }
  assertSent(director, frame({ destination: VIP6 }));
  assert.equal(director.send(frame({ destination: VIP6 })).frame[21], 63);
  assert.equal(director.send(frame({ destinationPort: 81 })).frame[22], 64);
  for (const ttl of [0, 1]) {
    assertAnswered(director, patched(frame(), [22, ttl]), 'ttl', [11, 0], 'tcp 192.168.1.100:80');
    const ended6 = patched(frame({ destination: VIP6 }), [21, ttl]);
    assertAnswered(director, ended6, 'ttl', [3, 0], 'tcp [fd00::100]:80');
    assertSent(director, patched(frame({ destinationPort: 81 }), [22, ttl]));
  }
});

/** The ones' complement sum of 16-bit words. */
function onesSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += (bytes[i]! << 8) | bytes[i + 1]!;
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum === 0xffff ? 0 : sum;
}

test('frames from another director are never scheduled again, so that no packet goes to and fro', async () => {
  const other = mac('00:50:00:00:09:00');
  using director = await directorFor({ services: SERVICES, directors: [mac('00:50:00:00:08:00'), other] });
  assertPassed(director, frame({ sourceMac: other }), 'from-director', 'tcp 192.168.1.100:80');
  assertPassed(director, frame({ sourceMac: other, destination: VIP6 }), 'from-director', 'tcp [fd00::100]:80');
  assertSent(director, frame({ sourceMac: mac('00:50:00:00:09:01') }));
});

test('packets longer than the MTU of the egress interface are answered with it, or dropped if they may be fragmented', async () => {
  using director = await directorFor({ services: SERVICES });
  const ofLength = (bytes: number): Uint8Array => patched(frame(), [16, bytes >> 8, bytes & 0xff]);
  assertSent(director, ofLength(1500));
  assertAnswered(director, ofLength(1501), 'too-long', [3, 4, 1500], 'tcp 192.168.1.100:80');
  assertDropped(director, patched(ofLength(1501), [20, 0, 0]), 'not-fragmented', 'tcp 192.168.1.100:80');
  const long6 = patched(frame({ destination: VIP6 }), [18, 1461 >> 8, 1461 & 0xff]);
  assertAnswered(director, long6, 'too-long', [2, 0, 1500], 'tcp [fd00::100]:80');
});

test('packets are redirected to a real server behind another interface, by their ingress interface', async () => {
  // BPF_PROG_RUN's frames come by the loopback interface, which alone surely exists in any network namespace.
  const first: Interface = { name: 'lo', ifindex: 1, mac: mac('00:50:00:00:04:00'), up: true, mtu: 1500, group: 1 };
  const other: Interface = { name: 'ens4', ifindex: 77, mac: mac('00:50:00:00:04:44'), up: true, mtu: 9000, group: 77 };
  const bonded: Interface = { name: 'ens5', ifindex: 78, mac: mac('00:50:00:00:04:00'), up: true, mtu: 1500, group: 1 };
  const services: Service[] = [service(VIP, 80, [ip('192.168.1.31')]), service(VIP, 81, [ip('192.168.1.32')])];
  const resolutions = new Map([
    [ip('192.168.1.31'), { state: 'resolved', mac: macFor(ip('192.168.1.31')), ifindex: 77 } as const],
    [ip('192.168.1.32'), { state: 'resolved', mac: macFor(ip('192.168.1.32')), ifindex: 78 } as const],
  ]);
  using director = new PacketDirector();
  await director.publishModel({ services }, { interfaces: [other, first, bonded], resolutions });
  // 77 does not exist here, so nothing can be redirected to it: counted, and answered.
  assertAnswered(director, frame(), 'no-egress', [3, 1], 'tcp 192.168.1.100:80', false);
  // A member of the same bond: back by the one it came by.
  assertSent(director, frame({ destinationPort: 81 }), ip('192.168.1.32'));
  assertPassed(director, frame({ destinationMac: other.mac }), 'other-host', 'tcp 192.168.1.100:80');
  const jumbo = patched(frame(), [16, 8000 >> 8, 8000 & 0xff]);
  assertAnswered(director, jumbo, 'no-egress', [3, 1], 'tcp 192.168.1.100:80', false);
  assertAnswered(director, patched(jumbo, [36, 0, 81]), 'too-long', [3, 4, 1500], 'tcp 192.168.1.100:81', false);
});

test('a packet that came from the real server that it would go to is not sent back: two directors would never stop', async () => {
  const vlanOf = (servers: readonly IpAddress[]): Destination[] =>
    servers.map((address) => ({ address, weight: 1, vlan: { id: 20 } }));
  const policies: readonly Partial<Service>[] = [
    { track: 'moved' },
    { track: 'all' },
    { scheduler: 'rr' },
    { scheduler: 'wlc', persistence: { timeout: 300 } },
    { ttl: 'decrement' },
  ];
  for (const policy of policies) {
    for (const vlans of [false, true]) {
      const services = [VIP, VIP6].flatMap((vip) =>
        (['tcp', 'udp'] as const).map((protocol) => {
          const [server] = vip === VIP ? SERVERS : SERVERS6;
          return {
            ...service(vip, 80, [server!], { ...policy, protocol }),
            ...(vlans && { destinations: vlanOf([server!]) }),
          };
        }),
      );
      using director = await directorFor({ services });
      for (const { address, protocol, destinations } of services) {
        const owner = `${protocol} ${address === VIP ? VIP : `[${VIP6}]`}:80`;
        const options = { destination: address, protocol, flags: TCP_FLAG.syn };
        const sourceMac = macFor(destinations[0]!.address);
        assertPassed(director, frame({ ...options, sourceMac }), 'from-real-server', owner);
        // A flow that has an entry, and one that has none.
        assertSent(director, frame(options));
        assertPassed(director, frame({ ...options, flags: TCP_FLAG.ack, sourceMac }), 'from-real-server', owner);
        assertSent(director, frame({ ...options, sourceMac: macFor(SERVERS[2]!) }));
      }
    }
  }
});

test('a real server that is this host gets its packets, whoever sent them', async () => {
  const services = [service(VIP, 80, [SERVERS[0]!], { track: 'moved' })];
  using director = new PacketDirector();
  await director.publishModel({ services }, worldOf(services, { [SERVERS[0]!]: { state: 'local' } }));
  for (const sourceMac of [CLIENT_MAC, DIRECTOR.mac, mac('00:00:00:00:00:00')]) {
    const packet = frame({ sourceMac });
    assert.equal(director.expect(packet).verdict, 'local');
    assert.equal(director.send(packet).action, 'pass');
  }
});

const AH = { number: 51, rest: [4, ...new Array<number>(22).fill(0)] };

test("IPsec goes where the client's IKE goes and begins nothing; without IKE the host gets it", async () => {
  const ipsec = (source: IpAddress, protocol: number): Uint8Array =>
    patched(frame({ source, protocol: 'udp', payload: new Uint8Array(40) }), [
      ETHERNET.bytes + IPV4.protocol,
      protocol,
    ]);
  for (const policy of [
    { scheduler: 'rr' },
    { track: 'all' },
    { scheduler: 'wlc', persistence: { timeout: 300 } },
  ] as const) {
    using director = await directorFor({ services: [service(VIP, 500, SERVERS, { ...policy, protocol: 'udp' })] });
    const owner = 'udp 192.168.1.100:500';
    const hashes = 'track' in policy;
    for (const last of [51, 52, 53]) {
      const source = ip(`192.168.1.${last}`);
      if (!hashes) {
        assertPassed(director, ipsec(source, 50), 'no-flow', owner);
      }
      const went = assertSent(
        director,
        frame({ source, protocol: 'udp', sourcePort: 500, destinationPort: 500, payload: new Uint8Array(20) }),
      );
      for (const protocol of [50, 51]) {
        const whole = ipsec(source, protocol);
        for (const each of [whole, ipv4Fragment(whole, 0, true, 9), ipv4Fragment(whole, 1480, false, 9)]) {
          assert.equal(assertSent(director, each), went);
        }
        const quoted = replyBeginning(VIP, 1, source, 2, protocol as 50 | 51);
        const router = ip('10.9.9.9');
        const error = icmpError({
          destinationMac: DIRECTOR.mac,
          sourceMac: CLIENT_MAC,
          router,
          vip: VIP,
          type: 3,
          quoted,
        });
        assert.equal(assertSent(director, error), went);
      }
    }
  }
  using director = await directorFor({ services: SERVICES });
  for (const protocol of [50, 51]) {
    assertPassed(director, ipsec(CLIENT, protocol), 'other-protocol');
    assertPassed(director, ipv4Fragment(ipsec(CLIENT, protocol), 1480, false, 9), 'other-protocol');
  }
});

test("IPv6's ESP goes where the client's IKE goes, also in fragments and quoted by an error", async () => {
  using director = await directorFor({
    services: [service(VIP6, 500, SERVERS6, { scheduler: 'rr', protocol: 'udp' })],
  });
  const owner = 'udp [fd00::100]:500';
  for (const last of [51, 52, 53]) {
    const source = ip(`fd00::${last}`);
    const datagram = { source, destination: VIP6, protocol: 'udp', payload: new Uint8Array(40) } as const;
    const esp = patched(frame(datagram), [ETHERNET.bytes + IPV6.nextHeader, 50]);
    assertPassed(director, esp, 'no-flow', owner);
    const went = assertSent(director, frame({ ...datagram, sourcePort: 500, destinationPort: 500 }));
    for (const each of [
      esp,
      withExtensions(esp, [DESTINATION_OPTIONS]),
      withExtensions(esp, [AH]),
      withExtensions(esp, [fragmentHeader(1448, false, last)]),
      withExtensions(esp, [fragmentHeader(0, true, last)]),
    ]) {
      assert.equal(assertSent(director, each), went);
    }
    const quoted = replyBeginning(VIP6, 1, source, 2, 50);
    const router = ip('fd09::9');
    const error = { destinationMac: DIRECTOR.mac, sourceMac: CLIENT_MAC, router, vip: VIP6, type: 2, quoted };
    assert.equal(assertSent(director, icmpError(error)), went);
  }
  using none = await directorFor({ services: [service(VIP6, 80, SERVERS6)] });
  assertPassed(
    none,
    patched(frame({ destination: VIP6, protocol: 'udp' }), [ETHERNET.bytes + IPV6.nextHeader, 50]),
    'other-protocol',
  );
});

test('in IPv6, AH is skipped as an extension header: what is behind it is scheduled and followed', async () => {
  using director = await directorFor({
    services: [service(VIP6, 80, SERVERS6, { scheduler: 'rr' }), service(VIP6, 53, SERVERS6, { protocol: 'udp' })],
  });
  for (const sourcePort of [1, 2, 3]) {
    const went = assertSent(
      director,
      withExtensions(frame({ destination: VIP6, sourcePort, flags: TCP_FLAG.syn }), [AH]),
    );
    const ack = frame({ destination: VIP6, sourcePort, flags: TCP_FLAG.ack });
    assert.equal(assertSent(director, ack), went);
    assert.equal(assertSent(director, withExtensions(ack, [DESTINATION_OPTIONS, AH])), went);
    assert.equal(assertSent(director, withExtensions(ack, [fragmentHeader(0, true, sourcePort), AH])), went);
    assert.equal(assertSent(director, withExtensions(ack, [fragmentHeader(1448, false, sourcePort), AH])), went);
  }
  const datagram = frame({ destination: VIP6, protocol: 'udp', destinationPort: 53 });
  assertSent(director, withExtensions(datagram, [AH]));
  assertDropped(director, withExtensions(datagram, [AH]).slice(0, ETHERNET.bytes + 40 + 20), 'truncated');
});

test("an ICMP error that is fragmented goes to its flow's real server whole; a large echo goes to the host", async () => {
  const policies: readonly Partial<Service>[] = [
    { track: 'moved' },
    { track: 'all' },
    { scheduler: 'rr' },
    { scheduler: 'sh', track: 'moved' },
    { scheduler: 'wlc', persistence: { timeout: 300 } },
  ];
  for (const policy of policies) {
    const services = [service(VIP, 80, SERVERS, policy), service(VIP6, 80, SERVERS6, policy)];
    using director = await directorFor({ services });
    for (const [vip, client, type, echo] of [
      [VIP, CLIENT, 3, 8],
      [VIP6, CLIENT6, 2, 128],
    ] as const) {
      const part = (whole: Uint8Array, offset: number, more: boolean, id: number): Uint8Array =>
        vip === VIP ? ipv4Fragment(whole, offset, more, id) : withExtensions(whole, [fragmentHeader(offset, more, id)]);
      const error = (of: number, port: number): Uint8Array =>
        icmpError({
          destinationMac: DIRECTOR.mac,
          sourceMac: CLIENT_MAC,
          router: vip === VIP ? ip('10.9.9.9') : ip('fd09::9'),
          vip,
          type: of,
          quoted: replyBeginning(vip, 80, client, port, 6),
        });
      // Several flows and ids, so that no server is met by chance.
      for (let port = 1; port <= 6; port += 1) {
        const flow = { source: client, destination: vip, sourcePort: port };
        const went = assertSent(director, frame({ ...flow, flags: TCP_FLAG.syn }));
        const message = error(type, port);
        assertPassed(director, part(message, 480, true, port), 'icmp');
        assert.equal(assertSent(director, part(message, 0, true, port)), went, JSON.stringify(policy));
        assert.equal(assertSent(director, part(message, 480, true, port)), went, JSON.stringify(policy));
        assert.equal(assertSent(director, part(message, 960, false, port)), went, JSON.stringify(policy));
        // Of another packet, and of an echo.
        assertPassed(director, part(message, 480, false, port + 100), 'icmp');
        assertPassed(director, part(error(echo, port), 0, true, port + 200), 'icmp');
        assertPassed(director, part(error(echo, port), 480, false, port + 200), 'icmp');
      }
      // The service of the quote does not exist: the host gets all of it.
      const quoted = replyBeginning(vip, 81, client, 1, 6);
      const router = vip === VIP ? ip('10.9.9.9') : ip('fd09::9');
      const other = icmpError({ destinationMac: DIRECTOR.mac, sourceMac: CLIENT_MAC, router, vip, type, quoted });
      assertPassed(director, part(other, 0, true, 300), 'no-service');
      assertPassed(director, part(other, 480, false, 300), 'no-service');
    }
  }
  using director = await directorFor({ services: SERVICES, fragments: false });
  const quoted = replyBeginning(VIP, 80, CLIENT, 40_000, 6);
  const router = ip('10.9.9.9');
  const error = icmpError({ destinationMac: DIRECTOR.mac, sourceMac: CLIENT_MAC, router, vip: VIP, type: 3, quoted });
  assertPassed(director, ipv4Fragment(error, 0, true, 1), 'icmp');
});
