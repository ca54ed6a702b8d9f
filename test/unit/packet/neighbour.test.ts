/** Frames of ARP, neighbour and router discovery, and of probes: what was built is read, and garbage breaks nothing. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import {
  ip,
  ipBytes,
  ipFromBytes,
  type IpAddress,
  mac,
  macFromBytes,
  type MacAddress,
} from '../../../src/model/index.js';
import {
  announcement,
  echoRequest,
  ETHER_TYPE,
  etherTypeOf,
  parseFrame,
  parseNeighbour,
  parseRouterAdvertisement,
  routerSolicitation,
  tcpSegment,
  whoHas,
} from '../../../src/packet/index.js';

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const macs: fc.Arbitrary<MacAddress> = bytes(6).map((each) => macFromBytes(each));
const v4: fc.Arbitrary<IpAddress> = bytes(4).map((each) => ipFromBytes(each));
const v6: fc.Arbitrary<IpAddress> = bytes(16).map((each) => ipFromBytes(each));
/** Two addresses of one family. */
const pairs = fc.oneof(fc.tuple(v4, v4), fc.tuple(v6, v6));

/** The sum of RFC 1071 over bytes with their checksum in place: 0xffff if that is right. */
function sumOf(covered: readonly number[]): number {
  let sum = 0;
  covered.forEach((byte, i) => {
    sum += i % 2 === 0 ? byte * 256 : byte;
  });
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return sum;
}

/** Asserts the checksums of a frame's IP header and of what it carries. */
function assertChecksums(frame: Uint8Array): void {
  const { ip: packet } = parseFrame(frame);
  assert.ok(packet !== undefined);
  const { family, source, destination, protocol, bytes: whole } = packet;
  const header = family === 4 ? 20 : 40;
  if (family === 4) {
    assert.equal(sumOf([...whole.subarray(0, header)]), 0xffff);
  }
  const payload = [...whole.subarray(header)];
  const pseudo = [...ipBytes(source), ...ipBytes(destination), protocol, payload.length >> 8, payload.length & 0xff];
  // The bytes of the pseudo header that are 0 change nothing but where the others stand.
  const covered = protocol === 1 ? [] : [...pseudo.slice(0, -3), 0, ...pseudo.slice(-3)];
  assert.equal(sumOf([...covered, ...payload]), 0xffff);
}

test('a question who has an address is read as it was asked', () => {
  fc.assert(
    fc.property(pairs, macs, ([address, asker], from) => {
      const said = parseNeighbour(whoHas(address, { mac: from, address: asker }));
      const isGratuitous = address === asker && ipBytes(address).length === 4;
      assert.equal(said?.kind, isGratuitous ? 'says' : 'asks');
      assert.deepEqual([said.address, said.mac, said.sourceMac], [address, from, from]);
      if (!isGratuitous) {
        const isNobody = asker === '0.0.0.0' || asker === '::';
        assert.equal(said.asker, isNobody ? undefined : asker);
      }
    }),
  );
});

test('a host without an address asks as one that checks for duplicates, in whose cache nothing stays', () => {
  const from = { mac: mac('02:00:00:00:00:01') };
  assert.equal(parseNeighbour(whoHas(ip('192.168.1.100'), from))?.asker, undefined);
  const six = parseNeighbour(whoHas(ip('fd00::100'), from));
  assert.deepEqual([six?.asker, six?.mac], [undefined, undefined]);
  assert.equal(six?.destinationMac, '33:33:ff:00:01:00');
});

test('an announcement is read as what nobody asked for', () => {
  fc.assert(
    fc.property(fc.oneof(v4, v6), macs, (address, from) => {
      const said = parseNeighbour(announcement(address, from));
      assert.deepEqual([said?.kind, said?.address, said?.mac, said?.unasked], ['says', address, from, true]);
    }),
  );
});

test('the checksums of all frames that are built are right', () => {
  fc.assert(
    fc.property(pairs, macs, macs, fc.nat(65_535), fc.nat(1500), ([source, destination], from, to, number, length) => {
      const way = { source, destination, sourceMac: from, destinationMac: to, ttl: 1 };
      const echo = echoRequest(way, { id: number, sequence: length, length });
      assertChecksums(echo);
      assert.ok(parseFrame(echo).ip!.bytes.length >= length);
      const segment = tcpSegment(way, {
        ...{ sourcePort: number, destinationPort: length, flags: 'syn', sequence: number * 60_000 },
      });
      assertChecksums(segment);
      const { ip: packet } = parseFrame(segment);
      assert.deepEqual(packet?.ports, { source: number, destination: length });
      assert.deepEqual([packet.source, packet.destination, packet.ttl], [source, destination, 1]);
      if (ipBytes(source).length === 16) {
        assertChecksums(whoHas(destination, { mac: from, address: source }));
        assertChecksums(announcement(source, from));
        assertChecksums(routerSolicitation({ mac: from, address: source }));
      }
    }),
  );
});

test('a frame of another host, captured, is read as tcpdump does', () => {
  // "Request who-has 192.168.1.100 tell 192.168.1.12", and "neighbor advertisement, tgt is fd00::100".
  const request = 'ffffffffffff005000000300080600010800060400010050000003 00c0a8010c000000000000c0a80164'.replace(
    ' ',
    '',
  );
  const asked = parseNeighbour(Buffer.from(request, 'hex'));
  assert.deepEqual(asked, {
    ...{ kind: 'asks', protocol: 'ARP', sourceMac: '00:50:00:00:03:00', destinationMac: 'ff:ff:ff:ff:ff:ff' },
    ...{ address: '192.168.1.100', mac: '00:50:00:00:03:00', asker: '192.168.1.12', unasked: false },
  });
  const advertisement =
    '00500000030000500000040086dd6000000000203afffd000000000000000000000000000100fd000000000000000000000000000012' +
    '88000000' +
    '60000000' +
    'fd000000000000000000000000000100' +
    '0201005000000400';
  const said = parseNeighbour(Buffer.from(advertisement, 'hex'));
  assert.deepEqual(
    [said?.kind, said?.address, said?.mac, said?.unasked],
    ['says', 'fd00::100', '00:50:00:00:04:00', false],
  );
});

test('neighbour discovery that came through a router is worth nothing, nor a router advertisement', () => {
  const frame = announcement(ip('fd00::100'), mac('02:00:00:00:00:01'));
  frame[14 + 7] = 254;
  assert.equal(parseNeighbour(frame), undefined);
});

test('a router advertisement is read with its lifetime, and nothing else is one', () => {
  const frame = new Uint8Array(14 + 40 + 16);
  frame.set([0x86, 0xdd, 0x60, 0, 0, 0, 0, 16, 58, 255, 0xfe, 0x80], 12);
  frame.set([134, 0, 0, 0, 64, 0, 7, 8], 54);
  assert.equal(parseRouterAdvertisement(frame)?.lifetime, 1800);
  for (const [at, value] of [
    [12, 8],
    [20, 6],
    [21, 64],
    [54, 133],
  ] as const) {
    assert.equal(parseRouterAdvertisement(frame.with(at, value)), undefined);
  }
  const from = { mac: mac('02:00:00:00:00:01'), address: ip('fe80::1') };
  assert.equal(parseRouterAdvertisement(routerSolicitation(from)), undefined);
});

test('garbage and frames that are cut anywhere throw nothing and are read as far as they are whole', () => {
  const whole = [
    whoHas(ip('192.168.1.100'), { mac: mac('02:00:00:00:00:01'), address: ip('192.168.1.1') }),
    announcement(ip('fd00::100'), mac('02:00:00:00:00:01')),
  ];
  for (const frame of whole) {
    for (let length = 0; length < frame.length; length += 1) {
      parseNeighbour(frame.subarray(0, length));
      parseRouterAdvertisement(frame.subarray(0, length));
    }
  }
  const types = [ETHER_TYPE.arp, ETHER_TYPE.ipv6, ETHER_TYPE.ipv4];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...types), fc.nat(200), (frame, type, offset) => {
      // From the middle of a larger memory, as frames of a socket are.
      const memory = new Uint8Array(offset + frame.length);
      memory.set(frame, offset);
      const view = memory.subarray(offset);
      if (view.length >= 14) {
        view.set([type >> 8, type & 0xff], 12);
        assert.equal(etherTypeOf(view), type);
      }
      parseNeighbour(view);
      parseRouterAdvertisement(view);
    }),
  );
});
