/** Frames: built, changed, parsed and summarized. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { ip } from '../../../src/model/index.js';
import {
  buildFrame,
  ETHER_TYPE,
  fragmentHeader,
  icmpError,
  ipv4Fragment,
  mayHoldIp,
  parseFrame,
  replyBeginning,
  summarizeFrame,
  tagged,
  withExtensions,
  withLengthField,
  withOptions,
  withTtl,
} from '../../../src/packet/index.js';
import { PLAIN } from '../../support/frames.js';

test('a summary has addresses, ports, flags, tags and fragments', () => {
  const ends = { source: ip('192.168.1.12'), destination: ip('192.168.1.100') };
  const macs = { destinationMac: PLAIN.destinationMac, sourceMac: PLAIN.sourceMac };
  const ports = { sourcePort: 40_000, destinationPort: 80 };
  const syn = buildFrame({ ...PLAIN, flags: 0x12 });
  const tcp = { ...macs, ...ends, ...ports, protocol: 'tcp' };
  assert.deepEqual(summarizeFrame(syn), { ...tcp, bytes: 60, vlans: [], flags: ['SYN', 'ACK'] });
  assert.deepEqual(summarizeFrame(tagged(tagged(syn, 0x8100, 0x2014), 0x88a8, 100)).vlans, [100, 20]);
  const udp = buildFrame({ ...PLAIN, protocol: 'udp' });
  assert.deepEqual(summarizeFrame(ipv4Fragment(udp, 0, true, 5)).fragment, 'first');
  const later = summarizeFrame(ipv4Fragment(udp, 1480, false, 5));
  assert.deepEqual([later.fragment, later.sourcePort], ['later', undefined]);
  const quoted = replyBeginning(ends.destination, 80, ends.source, 40_000, 6, 8);
  const icmp = summarizeFrame(icmpError({ ...macs, router: ip('10.9.9.9'), vip: ends.destination, type: 3, quoted }));
  assert.deepEqual([icmp.protocol, icmp.source, icmp.sourcePort], ['icmp', '10.9.9.9', undefined]);
  const six = buildFrame({ ...PLAIN, source: ip('fd00::12'), destination: ip('fd00::100') });
  const extended = withExtensions(six, [{ number: 60, rest: [0, 1, 4, 0, 0, 0, 0] }, fragmentHeader(0, true, 7)]);
  const { source, protocol, destinationPort, fragment } = summarizeFrame(extended);
  assert.deepEqual([source, protocol, destinationPort, fragment], ['fd00::12', 'tcp', 80, 'first']);
});

test('a frame that is cut anywhere, or is no IP packet, is summarized as far as it goes', () => {
  const frame = withExtensions(buildFrame({ ...PLAIN, source: ip('fd00::12'), destination: ip('fd00::100') }), [
    { number: 60, rest: [0, 1, 4, 0, 0, 0, 0] },
  ]);
  for (let length = 14; length <= frame.length; length += 1) {
    assert.equal(summarizeFrame(tagged(frame, 0x8100, 5).subarray(0, length)).bytes, length);
  }
  assert.equal(summarizeFrame(new Uint8Array(14)).source, undefined);
});

test('a parsed packet ends where its header says, without the padding of short frames', () => {
  const udp = buildFrame({ ...PLAIN, protocol: 'udp', payload: Uint8Array.of(1, 2, 3) });
  assert.equal(udp.length, 60);
  assert.equal(parseFrame(udp).ip!.bytes.length, 20 + 8 + 3);
  const six = buildFrame({ ...PLAIN, source: ip('fd00::12'), destination: ip('fd00::100') });
  assert.equal(parseFrame(tagged(six, ETHER_TYPE.vlan, 5)).ip!.bytes.length, 40 + 20);
  assert.equal(parseFrame(withLengthField(udp, 65_535)).ip!.bytes.length, 46);
});

test('a TTL or hop limit, IP options and a false length are where a parser looks for them', () => {
  for (const ends of [{}, { source: ip('fd00::12'), destination: ip('fd00::100') }]) {
    const frame = buildFrame({ ...PLAIN, ...ends });
    assert.equal(parseFrame(frame).ip!.ttl, 64);
    assert.equal(parseFrame(withTtl(frame, 3)).ip!.ttl, 3);
    const { transport, bytes } = parseFrame(withLengthField(frame, 12)).ip!;
    assert.equal(bytes.length, transport === 34 ? 12 : 40 + 12);
  }
  const options = withOptions(buildFrame(PLAIN), [1, 1, 1, 1]);
  const { transport, bytes } = parseFrame(options).ip!;
  assert.deepEqual([transport, bytes.length], [38, 44]);
  assert.deepEqual(summarizeFrame(options).flags, ['ACK']);
});

test('frames of other protocols are distinguished from IP packets and tags', () => {
  const frame = buildFrame(PLAIN);
  assert.ok(mayHoldIp(frame));
  assert.ok(mayHoldIp(tagged(frame, ETHER_TYPE.serviceVlan, 5)));
  const arp = frame.with(12, 0x08).with(13, 0x06);
  assert.ok(!mayHoldIp(arp));
  assert.ok(!mayHoldIp(frame.subarray(0, 14)));
});
