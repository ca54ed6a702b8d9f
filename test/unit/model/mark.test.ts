/** Mark rules as people write them: one spelling for each, nothing else taken, and which of them overlap. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { formatMarkRules } from '../../../src/cli/index.js';
import {
  ipBytes,
  ipFromBytes,
  type MarkMatch,
  markMatchName,
  overlap,
  parseMarkMatch,
} from '../../../src/model/index.js';

const anyMatch: fc.Arbitrary<MarkMatch> = fc
  .record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    bytes: fc.constantFrom(4, 16).chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
    prefix: fc.nat(128),
    ports: fc.oneof(
      fc.constant([0, 65_535] as const),
      fc.tuple(fc.nat(65_535), fc.nat(65_535)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
    ),
  })
  .map(({ protocol, bytes, prefix, ports: [firstPort, lastPort] }) => {
    const prefixLength = Math.min(prefix, bytes.length * 8);
    const network = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, prefixLength - i * 8))));
    return { protocol, address: ipFromBytes(network), prefixLength, firstPort, lastPort };
  })
  // IPv4 in IPv6 is no address here.
  .filter(({ address }) => !/^::ffff:.*\./.test(address));

test('a written match is read back the same', () => {
  fc.assert(
    fc.property(anyMatch, (match) => {
      assert.deepEqual(parseMarkMatch(markMatchName(match)), match);
    }),
  );
});

test('the examples in help and documentation are valid', () => {
  for (const text of [
    'tcp:192.168.1.100:80',
    'udp:192.168.1.0/24:*',
    'tcp:192.168.1.100:8000-8999',
    'tcp:[fd00::100]:443',
    'tcp:[fd00::]/64:*',
  ]) {
    assert.equal(markMatchName(parseMarkMatch(text)!), text);
  }
  assert.equal(markMatchName(parseMarkMatch('TCP:192.168.1.100/32:0-65535')!), 'tcp:192.168.1.100:*');
});

test('text that is not a match is refused, and no text makes the parser throw', () => {
  for (const text of [
    '',
    'tcp',
    'tcp:192.168.1.100',
    'sctp:192.168.1.100:80',
    'tcp:192.168.1.100:65536',
    'tcp:192.168.1.100:90-80',
    'tcp:192.168.1.100:80-',
    'tcp:192.168.1.100/33:80',
    'tcp:192.168.1.100/24:80',
    'tcp:[fd00::1]/64:80',
    'tcp:[192.168.1.100]:80',
    'tcp:fd00::1:80',
    'tcp:010.0.0.1:80',
    'tcp:host:80',
  ]) {
    assert.equal(parseMarkMatch(text), undefined, text);
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseMarkMatch(text);
    }),
  );
});

test('matches overlap if one packet matches both', () => {
  const packet = fc.record({ match: anyMatch, other: anyMatch, port: fc.nat(65_535) });
  fc.assert(
    fc.property(packet, ({ match, other }) => {
      assert.ok(overlap(match, match));
      assert.equal(overlap(match, other), overlap(other, match));
    }),
  );
  fc.assert(
    fc.property(anyMatch, fc.nat(128), ({ address, ...match }, prefix) => {
      const bytes = ipBytes(address);
      const prefixLength = Math.min(prefix, match.prefixLength);
      const network = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, prefixLength - i * 8))));
      assert.ok(overlap({ ...match, address }, { ...match, address: ipFromBytes(network), prefixLength }));
    }),
  );
});

test('the list of mark rules is a table', () => {
  assert.equal(formatMarkRules([]), 'no mark rules\n');
  const rules = ['tcp:192.168.1.100:80', 'tcp:[fd00::]/64:*'].map((text, i) => ({
    mark: 9 + i,
    match: parseMarkMatch(text)!,
  }));
  assert.equal(
    formatMarkRules(rules),
    `MARK  PACKETS
   9  tcp:192.168.1.100:80
  10  tcp:[fd00::]/64:*
`,
  );
});
