/** The tc programs of checks, packet by packet: what is a check's gets the other address, all else stays as it is. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { CHECK_OBJECT } from '../../src/health/index.js';
import { check as entry } from '../../src/layout/index.js';
import { BpfObject, type Mapping } from '../../src/libbpf/index.js';
import { type Family, familyOf, ip, type IpAddress, ipBytes, mac } from '../../src/model/index.js';
import { buildFrame, ETHERNET, icmpAnswer, IPV4, patched, tagged, withOptions } from '../../src/packet/index.js';

const MACS = { destinationMac: mac('02:00:00:00:00:02'), sourceMac: mac('02:00:00:00:00:01') };
const FIRST = 61_000;
const PORT = FIRST + 7;
const SERVICE_PORT = 443;
/** TC_ACT_UNSPEC: the next program decides. */
const NEXT = 0xffff_ffff;

const ADDRESSES = {
  4: { local: ip('10.0.0.1'), rip: ip('10.0.0.31'), vip: ip('10.0.0.100') },
  6: { local: ip('fd00::1'), rip: ip('fd00::31'), vip: ip('fd00::100') },
} as const;
const FAMILIES = [4, 6] as const;
const PROTOCOLS = { tcp: 6, udp: 17, ping: 1 } as const;
type Kind = keyof typeof PROTOCOLS;

const object = new BpfObject(CHECK_OBJECT);
object.load();
const table = object.map('checks').mmap('write');

function setEntry(memory: Mapping, port: number, family: Family, protocol: number): void {
  const bytes = new Uint8Array(entry.byteLength);
  bytes.set(ipBytes(ADDRESSES[family].vip), entry.vip.offset);
  bytes.set(ipBytes(ADDRESSES[family].rip), entry.rip.offset);
  bytes.set(ipBytes(ADDRESSES[family].local), entry.local.offset);
  bytes[entry.family.offset] = family;
  bytes[entry.protocol.offset] = protocol;
  memory.write((port - FIRST) * entry.byteLength, bytes);
}

const wasForwarded = (port = PORT): boolean =>
  table.load32((port - FIRST) * entry.byteLength + entry.forwarded.offset) === 1;

const wasAnswered = (port = PORT): boolean =>
  table.load32((port - FIRST) * entry.byteLength + entry.family.offset) >>> 16 === 1;

const protocolNumber = (kind: Kind, family: Family): number => (kind === 'ping' && family === 6 ? 58 : PROTOCOLS[kind]);

function sum16(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return sum;
}

const CHECKSUM_AT: Readonly<Record<number, number>> = { 6: 16, 17: 6, 1: 2, 58: 2 };

/** Sets the checksums of a frame whose IP header has no options: that of IPv4, and the transport's. */
function withChecksums(frame: Uint8Array): Uint8Array {
  const result = Uint8Array.from(frame);
  const view = new DataView(result.buffer);
  const isIpv4 = view.getUint16(ETHERNET.type) === 0x0800;
  const network = ETHERNET.bytes;
  const transport = network + (isIpv4 ? 20 : 40);
  const protocol = result[network + (isIpv4 ? 9 : 6)]!;
  const length = isIpv4 ? view.getUint16(network + 2) - 20 : view.getUint16(network + 4);
  if (isIpv4) {
    view.setUint16(network + 10, 0);
    view.setUint16(network + 10, 0xffff - sum16(result.subarray(network, transport)));
  }
  const at = transport + CHECKSUM_AT[protocol]!;
  view.setUint16(at, 0);
  const addresses = result.subarray(network + (isIpv4 ? 12 : 8), transport);
  const pseudo = protocol === 1 ? 0 : sum16(addresses, protocol + length);
  view.setUint16(at, 0xffff - sum16(result.subarray(transport, transport + length), pseudo));
  return result;
}

/** A packet of a check: a request, or with `reply` the answer to one. */
function packet(
  kind: Kind,
  source: IpAddress,
  destination: IpAddress,
  { reply = false, port = PORT, ttl = 64 } = {},
): Uint8Array {
  const family = familyOf(source);
  const [sourcePort, destinationPort] = reply ? [SERVICE_PORT, port] : [port, SERVICE_PORT];
  const frame = buildFrame({
    ...MACS,
    source,
    destination,
    protocol: kind === 'tcp' ? 'tcp' : 'udp',
    sourcePort,
    destinationPort,
    payload: Buffer.from('some payload of odd length'),
  });
  const transport = ETHERNET.bytes + (family === 4 ? 20 : 40);
  const network = ETHERNET.bytes;
  const patches: [number, ...number[]][] = [[network + (family === 4 ? 8 : 7), ttl]];
  if (kind === 'ping') {
    const type = family === 4 ? (reply ? 0 : 8) : reply ? 129 : 128;
    patches.push([network + (family === 4 ? 9 : 6), protocolNumber(kind, family)]);
    patches.push([transport, type, 0, 0, 0, port >> 8, port & 0xff, 0, 1]);
  }
  return withChecksums(patched(frame, ...patches));
}

function run(program: 'check_egress' | 'check_ingress', data: Uint8Array): Uint8Array {
  const result = object.program(program).run({ data });
  assert.equal(result.returnValue, NEXT);
  return new Uint8Array(result.data);
}

for (const family of FAMILIES) {
  const { local, rip, vip } = ADDRESSES[family];
  for (const kind of ['tcp', 'udp', 'ping'] as const) {
    test(`a check leaves to the VIP with a hop limit of 1, and its answer comes from the RIP: IPv${family}, ${kind}`, () => {
      setEntry(table, PORT, family, protocolNumber(kind, family));
      assert.deepEqual(run('check_egress', packet(kind, local, rip)), packet(kind, local, vip, { ttl: 1 }));
      const answer = packet(kind, vip, local, { reply: true });
      assert.deepEqual(run('check_ingress', answer), packet(kind, rip, local, { reply: true }));
    });

    test(`only what comes from the VIP to the check’s own address is its answer: IPv${family}, ${kind}`, () => {
      const elsewhere = family === 4 ? ip('10.0.0.2') : ip('fd00::2');
      setEntry(table, PORT, family, protocolNumber(kind, family));
      for (const frame of [
        packet(kind, rip, local, { reply: true }),
        packet(kind, vip, elsewhere, { reply: true }),
        packet(kind, vip, local, { reply: true, port: PORT + 1 }),
      ]) {
        assert.deepEqual(run('check_ingress', frame), frame);
        assert.equal(wasAnswered(), false);
      }
      run('check_ingress', packet(kind, vip, local, { reply: true }));
      assert.equal(wasAnswered(), true);
    });

    test(`another socket that has a check’s port at another address is left alone: IPv${family}, ${kind}`, () => {
      const elsewhere = family === 4 ? ip('10.0.0.2') : ip('fd00::2');
      setEntry(table, PORT, family, protocolNumber(kind, family));
      const leaving = packet(kind, elsewhere, rip);
      assert.deepEqual(run('check_egress', leaving), leaving);
      const error = icmpAnswer(packet(kind, elsewhere, vip, { ttl: 1 }), {
        router: rip,
        type: family === 4 ? 11 : 3,
        code: 0,
      });
      assert.deepEqual(run('check_ingress', error), error);
      assert.equal(wasForwarded(), false);
    });

    test(`an ICMP error about a check is about the RIP when it arrives: IPv${family}, ${kind}`, () => {
      const [exceeded, unreachable] = family === 4 ? [11, 3] : [3, 1];
      // The real server answers from its RIP, or from the VIP if it has it.
      for (const [type, code, router, isForwarded] of [
        [exceeded, 0, rip, true],
        [exceeded, 1, rip, false],
        [unreachable, 3, vip, false],
        [family === 4 ? 12 : 4, 0, rip, false],
      ] as const) {
        setEntry(table, PORT, family, protocolNumber(kind, family));
        const onWire = icmpAnswer(packet(kind, local, vip, { ttl: 1 }), { router, type, code });
        const arrived = run('check_ingress', onWire);
        assert.equal(wasForwarded(), isForwarded);
        // The quoted transport's checksum is as it was sent: nobody looks at it.
        const quoted = packet(kind, local, rip, { ttl: 1 });
        const transport = ETHERNET.bytes + (family === 4 ? 20 : 40) + CHECKSUM_AT[protocolNumber(kind, family)]!;
        quoted.set(packet(kind, local, vip, { ttl: 1 }).subarray(transport, transport + 2), transport);
        assert.deepEqual(arrived, icmpAnswer(quoted, { router: rip, type, code }));
      }
    });
  }
}

test('packets that are no check’s stay as they are, byte for byte', () => {
  for (const family of FAMILIES) {
    const { local, rip, vip } = ADDRESSES[family];
    setEntry(table, PORT, family, PROTOCOLS.tcp);
    const other = family === 4 ? ip('10.0.0.32') : ip('fd00::32');
    const leaving: Record<string, Uint8Array> = {
      'to another address': packet('tcp', local, other),
      'of another protocol': packet('udp', local, rip),
      'from a port without a check': packet('tcp', local, rip, { port: PORT + 1 }),
      'from a port before the range': packet('tcp', local, rip, { port: FIRST - 1 }),
      'from a port behind the range': packet('tcp', local, rip, { port: FIRST + 4096 }),
      'with a tag': tagged(packet('tcp', local, rip), 0x8100, 5),
      'an answer from the port': packet('tcp', local, rip, { reply: true }),
    };
    const arriving: Record<string, Uint8Array> = {
      'from another address': packet('tcp', other, local, { reply: true }),
      'from the RIP': packet('tcp', rip, local, { reply: true }),
      'of another protocol': packet('udp', vip, local, { reply: true }),
      'to a port without a check': packet('tcp', vip, local, { reply: true, port: PORT + 1 }),
      'a request to the VIP': packet('tcp', local, vip),
      'an error about another address': icmpAnswer(packet('tcp', local, other), {
        router: rip,
        type: family === 4 ? 11 : 3,
        code: 0,
      }),
      'an error about another port': icmpAnswer(packet('tcp', local, vip, { port: PORT + 1 }), {
        router: rip,
        type: family === 4 ? 11 : 3,
        code: 0,
      }),
      'a request for an echo': packet('ping', vip, local),
    };
    for (const [what, frame] of Object.entries(leaving)) {
      assert.deepEqual(run('check_egress', frame), frame, `leaving, IPv${family}: ${what}`);
    }
    for (const [what, frame] of Object.entries(arriving)) {
      assert.deepEqual(run('check_ingress', frame), frame, `arriving, IPv${family}: ${what}`);
      assert.equal(wasForwarded(), false, what);
    }
  }
});

test('fragments, options and packets that are cut short stay as they are', () => {
  const { local, rip, vip } = ADDRESSES[4];
  setEntry(table, PORT, 4, PROTOCOLS.udp);
  const answer = packet('udp', vip, local, { reply: true });
  const later = patched(answer, [ETHERNET.bytes + IPV4.fragment, 0x00, 0x10]);
  const optioned = withOptions(answer, [1, 1, 1, 0]);
  for (const frame of [later, optioned]) {
    assert.deepEqual(run('check_ingress', frame), frame);
  }
  const request = packet('udp', local, rip);
  // The first fragment has the port, and would go where the later ones do not.
  const first = patched(request, [ETHERNET.bytes + IPV4.fragment, 0x20, 0x00]);
  const last = patched(request, [ETHERNET.bytes + IPV4.fragment, 0x00, 0x10]);
  for (const frame of [first, last]) {
    assert.deepEqual(run('check_egress', frame), frame);
  }
  const whole = patched(request, [ETHERNET.bytes + IPV4.fragment, 0x40, 0x00]);
  assert.notDeepEqual(run('check_egress', whole), whole);
  for (const program of ['check_egress', 'check_ingress'] as const) {
    for (const frame of [answer, request]) {
      // The kernel runs tc programs with no less than an Ethernet and an IP header.
      for (let length = 34; length < 40; length += 1) {
        assert.deepEqual(run(program, frame.subarray(0, length)), Uint8Array.from(frame.subarray(0, length)));
      }
    }
  }
});

test('a UDP answer without a checksum gets none', () => {
  const { local, rip, vip } = ADDRESSES[4];
  setEntry(table, PORT, 4, PROTOCOLS.udp);
  const without = (frame: Uint8Array): Uint8Array => patched(frame, [ETHERNET.bytes + 20 + 6, 0, 0]);
  const arrived = run('check_ingress', without(packet('udp', vip, local, { reply: true })));
  assert.deepEqual(arrived, without(packet('udp', rip, local, { reply: true })));
});
