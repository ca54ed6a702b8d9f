/** The ICMP errors that the director sends about packets that cannot go on: to whom, from where, what they quote, how often. */

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  type IcmpLimits,
  type Interface,
  ip,
  type IpAddress,
  mac,
  type Protocol,
  PROTOCOLS,
  type Service,
} from '../../src/model/index.js';
import {
  buildFrame,
  fragmentHeader,
  type FrameOptions,
  icmpAnswer,
  icmpError,
  ipv4Fragment,
  patched,
  replyBeginning,
  tagged,
  withExtensions,
  withLengthField,
  withOptions,
  withTtl,
} from '../../src/packet/index.js';
import { PacketDirector } from '../support/director.js';
import { CLIENT_MAC, DIRECTOR, service, worldOf } from '../support/models.js';

const VIPS = { 4: ip('192.168.1.100'), 6: ip('fd00::100') } as const;
const SERVERS = { 4: ip('192.168.1.31'), 6: ip('fd00::31') } as const;
const CLIENTS = { 4: ip('10.1.2.3'), 6: ip('fd77::3') } as const;
const ROUTERS = { 4: ip('192.168.1.11'), 6: ip('fd00::11') } as const;
const FAMILIES = [4, 6] as const;
/** Ports of services without a real server, and of those that decrement the TTL. */
const [EMPTY, HOPPING] = [80, 81];

/** The kernel's defaults, but an hour between answers, so that no test depends on how long it takes. */
const HOUR: IcmpLimits = {
  intervalMs: { 4: 3_600_000, 6: 3_600_000 },
  limitedTypes: { 4: 6168, 6: 0xffff_fffb },
  perSecond: 1000,
  burst: 50_000,
};

function services(rest: Partial<Service> = {}): Service[] {
  return FAMILIES.flatMap((family) =>
    PROTOCOLS.flatMap((protocol) => [
      service(VIPS[family], EMPTY, [], { protocol, ...rest }),
      service(VIPS[family], HOPPING, [SERVERS[family]], { protocol, ttl: 'decrement', ...rest }),
    ]),
  );
}

async function directorWith(
  rest: Partial<Service> = {},
  {
    addresses = [VIPS[4], ROUTERS[4], VIPS[6], ROUTERS[6]],
    mtu = 1500,
    ...world
  }: {
    readonly addresses?: readonly IpAddress[];
    readonly mtu?: number;
    readonly icmpLimits?: IcmpLimits;
    readonly vlans?: boolean;
  } = {},
): Promise<PacketDirector> {
  const director = new PacketDirector();
  const all = services(rest);
  const interfaces: Interface[] = [{ ...DIRECTOR, addresses, mtu }];
  const { vlans = false, ...limits } = world;
  await director.publishModel({ services: all, vlans }, { ...worldOf(all), interfaces, ...limits });
  return director;
}

function frame(family: 4 | 6, protocol: Protocol, port: number, options: Partial<FrameOptions> = {}): Uint8Array {
  return buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    source: CLIENTS[family],
    destination: VIPS[family],
    protocol,
    sourcePort: 40_000,
    destinationPort: port,
    flags: 0x02,
    ...options,
  });
}

const MESSAGES = {
  'no-destination': { 4: { type: 3, code: 3 }, 6: { type: 1, code: 4 } },
  ttl: { 4: { type: 11, code: 0 }, 6: { type: 3, code: 0 } },
  'too-long': { 4: { type: 3, code: 4, rest: 1500 }, 6: { type: 2, code: 0, rest: 1500 } },
} as const;
type Reason = keyof typeof MESSAGES;
const REASONS = Object.keys(MESSAGES) as Reason[];

/** A packet that cannot go on for this reason. */
function packetFor(reason: Reason, family: 4 | 6, protocol: Protocol, payloadBytes = 0): Uint8Array {
  const payload = Uint8Array.from({ length: reason === 'too-long' ? 1500 : payloadBytes }, (_, i) => i * 7);
  const whole = frame(family, protocol, reason === 'no-destination' ? EMPTY : HOPPING, { payload });
  return reason === 'ttl' ? withTtl(whole, 1) : whole;
}

/** Sends a frame; the answer must be the one that another builder makes, by program and oracle alike. */
function assertAnswered(
  director: PacketDirector,
  sent: Uint8Array,
  family: 4 | 6,
  reason: Reason,
  router?: IpAddress,
): void {
  const { action, frame: answer } = director.send(sent);
  const expected = icmpAnswer(sent, { router: router ?? ROUTERS[family], ...MESSAGES[reason][family] });
  assert.equal(action, 'tx', reason);
  assert.deepEqual(answer, expected, reason);
  const decision = director.expect(sent);
  assert.equal(decision.verdict, reason);
  assert.deepEqual(new Uint8Array(decision.frame), expected);
}

function assertDropped(director: PacketDirector, sent: Uint8Array, verdict: string): void {
  assert.equal(director.send(sent).action, 'drop', verdict);
  const decision = director.expect(sent);
  assert.equal(decision.verdict, verdict);
}

const VARIANTS: Readonly<Record<string, Partial<Service>>> = {
  maglev: {},
  'maglev with moved flows only': { track: 'moved' },
  wlc: { scheduler: 'wlc' },
  'sh, persistent': { scheduler: 'sh', persistence: { timeout: 300 } },
};

for (const [name, rest] of Object.entries(VARIANTS)) {
  test(`under ${name} what cannot go on is answered by the director, from its own address, not by the host`, async () => {
    using director = await directorWith(rest);
    for (const family of FAMILIES) {
      for (const protocol of PROTOCOLS) {
        for (const reason of REASONS) {
          for (const payload of [0, 1, 2, 3, 501, 1000]) {
            assertAnswered(director, packetFor(reason, family, protocol, payload), family, reason);
          }
        }
        const { verdicts } = director.publisher
          .counters()
          .services.find(
            ({ name: each }) => each === `${protocol} ${family === 4 ? VIPS[4] : `[${VIPS[6]}]`}:${HOPPING}`,
          )!;
        assert.deepEqual([verdicts.ttl, verdicts['too-long']], [6, 6]);
      }
    }
  });
}

test('one-packet scheduling answers datagrams too', async () => {
  using director = new PacketDirector();
  const asked = FAMILIES.map((family) => service(VIPS[family], EMPTY, [], { protocol: 'udp', onePacket: true }));
  const addresses = Object.values(ROUTERS);
  await director.publishModel({ services: asked }, { ...worldOf(asked), interfaces: [{ ...DIRECTOR, addresses }] });
  for (const family of FAMILIES) {
    assertAnswered(director, packetFor('no-destination', family, 'udp'), family, 'no-destination');
  }
});

test('a packet in the middle of a connection whose service has no real server left gets no reset', async () => {
  using director = await directorWith();
  for (const family of FAMILIES) {
    for (const flags of [0x10, 0x18, 0x11]) {
      assertAnswered(director, frame(family, 'tcp', EMPTY, { flags }), family, 'no-destination');
    }
  }
});

test('an answer keeps the VLAN tags of its packet', async () => {
  using director = await directorWith({}, { vlans: true });
  for (const family of FAMILIES) {
    for (const reason of REASONS) {
      const once = tagged(packetFor(reason, family, 'tcp', 900), 0x8100, 0xa00a);
      assertAnswered(director, once, family, reason);
      assertAnswered(director, tagged(once, 0x88a8, 0x0064), family, reason);
    }
  }
});

test('a quote has IP options, extension headers and the type of service as they came', async () => {
  using director = await directorWith();
  const options = patched(withOptions(packetFor('ttl', 4, 'tcp', 700), new Array<number>(40).fill(1)), [15, 0xb9]);
  assertAnswered(director, options, 4, 'ttl');
  const headers = [{ number: 60, rest: [1, 1, 12, ...new Array<number>(12).fill(0)] }];
  assertAnswered(director, withExtensions(packetFor('ttl', 6, 'udp', 1300), headers), 6, 'ttl');
});

test('first fragments are answered, later ones and ICMP errors never', async () => {
  using director = await directorWith();
  const whole = packetFor('ttl', 4, 'udp', 64);
  assertAnswered(director, ipv4Fragment(whole, 0, true, 5), 4, 'ttl');
  assertDropped(director, ipv4Fragment(whole, 64, true, 5), 'unanswered');
  const whole6 = packetFor('ttl', 6, 'udp', 64);
  assertAnswered(director, withExtensions(whole6, [fragmentHeader(0, true, 5)]), 6, 'ttl');
  assertDropped(director, withExtensions(whole6, [fragmentHeader(64, true, 5)]), 'unanswered');
  for (const family of FAMILIES) {
    for (const protocol of PROTOCOLS) {
      const quoted = replyBeginning(VIPS[family], EMPTY, CLIENTS[family], 40_000, protocol === 'tcp' ? 6 : 17);
      const macs = { destinationMac: DIRECTOR.mac, sourceMac: CLIENT_MAC };
      const type = family === 4 ? 3 : 2;
      const error = icmpError({ ...macs, router: CLIENTS[family], vip: VIPS[family], type, quoted });
      assertDropped(director, error, 'unanswered');
    }
  }
});

test('IPsec that is too long, or at the end of its TTL, is answered, so that its path MTU is found; later fragments are not', async () => {
  const IKE = 500;
  const policies: readonly Partial<Service>[] = [{ scheduler: 'rr' }, { track: 'moved' }, { scheduler: 'sh' }];
  for (const policy of policies) {
    const ike = FAMILIES.map((family) =>
      service(VIPS[family], IKE, [SERVERS[family]], { protocol: 'udp', ttl: 'decrement', ...policy }),
    );
    using director = new PacketDirector();
    const interfaces: Interface[] = [{ ...DIRECTOR, addresses: Object.values(ROUTERS) }];
    await director.publishModel({ services: ike }, { ...worldOf(ike), interfaces });
    for (const [family, protocol] of [
      [4, 50],
      [4, 51],
      [6, 50],
    ] as const) {
      const datagram = (bytes: number): Uint8Array =>
        frame(family, 'udp', IKE, { sourcePort: IKE, payload: new Uint8Array(bytes) });
      const ipsec = (bytes: number): Uint8Array => patched(datagram(bytes), [14 + (family === 4 ? 9 : 6), protocol]);
      const part = (whole: Uint8Array, offset: number): Uint8Array =>
        family === 4
          ? patched(ipv4Fragment(whole, offset, true, 5), [14 + 6, 0x60 | ((offset / 8) >> 8)])
          : withExtensions(whole, [fragmentHeader(offset, true, 5)]);
      assert.equal(director.send(datagram(10)).action, director.expect(datagram(10)).verdict === 'forwarded' && 'tx');
      assertAnswered(director, ipsec(1500), family, 'too-long');
      assertAnswered(director, withTtl(ipsec(100), 1), family, 'ttl');
      assertAnswered(director, part(ipsec(1500), 0), family, 'too-long');
      assertAnswered(director, withTtl(part(ipsec(100), 0), 1), family, 'ttl');
      assertDropped(director, part(ipsec(1500), 1448), 'unanswered');
      assertDropped(director, withTtl(part(ipsec(100), 1448), 1), 'unanswered');
    }
    assertDropped(
      director,
      patched(frame(4, 'udp', IKE, { payload: new Uint8Array(1500) }), [23, 50], [20, 0, 0]),
      'not-fragmented',
    );
  }
});

test('a first fragment that ends before the flags of TCP is answered too', async () => {
  using director = await directorWith();
  const flow = { sourcePort: 7, payload: new Uint8Array(64) };
  const beginning = ipv4Fragment(frame(4, 'tcp', HOPPING, flow), 0, true, 5).slice(0, 14 + 20 + 8);
  for (const flags of [0x02, 0x10]) {
    const whole = frame(4, 'tcp', HOPPING, { ...flow, flags });
    assert.equal(director.send(whole).action, 'tx');
    director.expect(whole);
  }
  assertAnswered(director, withTtl(withLengthField(beginning, 28), 1), 4, 'ttl');
});

test('what came from no single host is not answered', async () => {
  using director = await directorWith();
  const impossible = {
    4: ['0.0.0.0', '0.1.2.3', '127.0.0.1', '224.0.0.1', '239.255.255.255', '255.255.255.255'].map(ip),
    6: ['::', '::1', 'ff02::1'].map(ip),
  } as const;
  for (const family of FAMILIES) {
    for (const source of impossible[family]) {
      assertDropped(director, frame(family, 'udp', EMPTY, { source }), 'martian');
    }
    for (const sourceMac of ['ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01'].map(mac)) {
      assertDropped(director, frame(family, 'tcp', EMPTY, { sourceMac }), 'unanswered');
    }
  }
});

test('IPv4 that is too long is answered only if it must not be fragmented', async () => {
  using director = await directorWith();
  const long = packetFor('too-long', 4, 'udp');
  assertAnswered(director, long, 4, 'too-long');
  assertDropped(director, patched(long, [20, 0, 0]), 'not-fragmented');
});

test('an MTU below the least of IPv6 is not told to its clients', async () => {
  using director = await directorWith({}, { mtu: 900 });
  const { frame: answer } = director.send(packetFor('too-long', 6, 'tcp'));
  assert.equal(new DataView(answer.buffer).getUint32(14 + 40 + 4), 1280);
  assert.deepEqual(answer, new Uint8Array(director.expect(packetFor('too-long', 6, 'tcp')).frame));
});

test('answers come from another address than a VIP, or from none', async () => {
  using director = await directorWith({}, { addresses: [VIPS[4], VIPS[6]] });
  // RFC 7600: as the kernel does without an address.
  assertAnswered(director, packetFor('ttl', 4, 'tcp'), 4, 'ttl', ip('192.0.0.8'));
  assertDropped(director, packetFor('ttl', 6, 'tcp'), 'unanswered');
});

test('answers to one client are limited to six at once; those to another, and of an MTU, are not', async () => {
  using director = await directorWith({}, { icmpLimits: HOUR });
  for (const family of FAMILIES) {
    const other = family === 4 ? ip('10.1.2.4') : ip('fd77::4');
    for (let i = 0; i < 6; i += 1) {
      assertAnswered(
        director,
        packetFor(i % 2 === 0 ? 'ttl' : 'no-destination', family, 'tcp'),
        family,
        i % 2 === 0 ? 'ttl' : 'no-destination',
      );
    }
    for (let i = 0; i < 3; i += 1) {
      assertDropped(director, packetFor('ttl', family, 'udp'), 'limited');
      assertAnswered(director, frame(family, 'tcp', EMPTY, { source: other }), family, 'no-destination');
      assertAnswered(director, packetFor('too-long', family, 'tcp'), family, 'too-long');
    }
  }
});

test('a flood from forged clients gets no more answers than the kernel would send in all', async () => {
  using director = await directorWith({}, { icmpLimits: { ...HOUR, perSecond: 1, burst: 50 } });
  const began = performance.now();
  let answered = 0;
  for (let i = 0; i < 500; i += 1) {
    const source = ip(`10.9.${i >> 8}.${i & 0xff}`);
    answered += director.send(frame(4, 'udp', EMPTY, { source })).action === 'tx' ? 1 : 0;
  }
  const seconds = (performance.now() - began) / 1000;
  assert.ok(answered >= 50 && answered <= 51 + seconds, String(answered));
  assert.equal(director.verdicts(`udp ${VIPS[4]}:${EMPTY}`)['limited'], 500 - answered);
});

test('clients that had all their answers get more as soon as the limits are eased, and by no other publication', async () => {
  const never: IcmpLimits = { ...HOUR, perSecond: 0, burst: 3 };
  const cases: readonly [name: string, at: IcmpLimits, then: IcmpLimits, answers: number, more: boolean][] = [
    ['a shorter interval', HOUR, { ...HOUR, intervalMs: { 4: 60_000, 6: 60_000 } }, 6, true],
    ['none', HOUR, { ...HOUR, intervalMs: { 4: 0, 6: 0 } }, 6, true],
    ['the same interval', HOUR, HOUR, 6, false],
    ['more answers to all', HOUR, { ...HOUR, perSecond: 10_000, burst: 100 }, 6, false],
    ['the same answers to all', never, never, 3, false],
    ['answers to all', never, { ...never, perSecond: 1000 }, 3, true],
    ['fewer to all at once', never, { ...never, burst: 2 }, 3, true],
  ];
  for (const [name, at, then, answers, more] of cases) {
    for (const family of FAMILIES) {
      using director = await directorWith({}, { icmpLimits: at });
      const packet = packetFor('ttl', family, 'tcp');
      for (let i = 0; i < answers; i += 1) {
        assertAnswered(director, packet, family, 'ttl');
      }
      assertDropped(director, packet, 'limited');
      const all = services();
      const interfaces: Interface[] = [{ ...DIRECTOR, addresses: Object.values(ROUTERS), mtu: 1500 }];
      await director.publishModel({ services: all }, { ...worldOf(all), interfaces, icmpLimits: then });
      const { action } = director.send(packet);
      assert.equal(action, more ? 'tx' : 'drop', `${name}, IPv${family}`);
      assert.equal(director.expect(packet).verdict, more ? 'ttl' : 'limited', `${name}, IPv${family}`);
    }
  }
});

test('types that the kernel does not limit are not limited', async () => {
  using director = await directorWith({}, { icmpLimits: { ...HOUR, limitedTypes: { 4: 1 << 11, 6: 1 << 3 } } });
  for (const family of FAMILIES) {
    for (let i = 0; i < 20; i += 1) {
      assertAnswered(director, packetFor('no-destination', family, 'tcp'), family, 'no-destination');
    }
  }
});

test('large echoes and fragments for ports without a service still reach the host', async () => {
  using director = await directorWith();
  const echo = patched(frame(4, 'udp', EMPTY, { payload: new Uint8Array(64) }), [23, 1], [34, 8, 0]);
  const echo6 = (offset: number): Uint8Array =>
    withExtensions(patched(frame(6, 'udp', EMPTY, { payload: new Uint8Array(64) }), [20, 58], [54, 128, 0]), [
      fragmentHeader(offset, true, 9),
    ]);
  const other = frame(4, 'udp', 9999, { payload: new Uint8Array(64) });
  const other6 = (offset: number): Uint8Array =>
    withExtensions(frame(6, 'udp', 9999, { payload: new Uint8Array(64) }), [fragmentHeader(offset, true, 8)]);
  for (const part of [
    ...[0, 64].map((offset) => ipv4Fragment(echo, offset, true, 9)),
    ...[0, 64].map(echo6),
    ...[0, 64].map((offset) => ipv4Fragment(other, offset, true, 8)),
    ...[0, 64].map(other6),
  ]) {
    const { action, frame: after } = director.send(part);
    assert.equal(action, 'pass');
    assert.deepEqual(after, part);
    assert.equal(director.expect(part).frame, part);
  }
});

test('a packet that is answered is counted for no real server', async () => {
  using director = await directorWith({ scheduler: 'rr' });
  director.send(packetFor('ttl', 4, 'tcp'));
  const counters = director.publisher.counters().services.find(({ name }) => name === `tcp ${VIPS[4]}:${HOPPING}`)!;
  assert.deepEqual(
    counters.destinations.map(({ packets, flows }) => [packets, flows]),
    [[0, 0]],
  );
});
