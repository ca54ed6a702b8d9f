/** The JSON Schema's patterns: they take all that the parser takes, and refuse what people mistake for it. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { jsonSchema } from '../../../src/config/index.js';
import { PATTERNS } from '../../../src/config/patterns.js';
import { isInterfaceName } from '../../../src/config/schema-values.js';
import { parseIp, parseMarkMatch } from '../../../src/model/index.js';

const matches = (name: keyof typeof PATTERNS, text: string): boolean => new RegExp(PATTERNS[name]).test(text);

const hex = fc.stringMatching(/^[0-9a-fA-F]{1,4}$/);
const ipv6 = fc
  .tuple(
    fc.array(hex, { maxLength: 8 }),
    fc.array(hex, { maxLength: 8 }),
    fc.constantFrom('::', ':'),
    fc.constantFrom('', ':1.2.3.4', '1.2.3.4'),
  )
  .map(([left, right, colons, tail]) => `${left.join(':')}${colons}${right.join(':')}${tail}`);
const addresses = fc.oneof(fc.ipV4(), fc.ipV6(), ipv6, fc.stringMatching(/^[0-9.:a-f]{1,20}$/));

test('whatever is an address has the pattern of one, in every spelling', () => {
  fc.assert(
    fc.property(addresses, (text) => {
      if (parseIp(text) !== undefined) {
        assert.ok(matches('address', text), text);
        assert.ok(matches('director', text), text);
      } else if (!/ffff/i.test(text)) {
        // IPv4 in IPv6 is left to the parser.
        assert.ok(!matches('address', text), text);
      }
    }),
    { numRuns: 2000 },
  );
});

test('networks, ports, zones, names and other spellings of numbers are refused by editors too', () => {
  for (const text of [
    '192.168.1.0/24',
    '192.168.1.100:80',
    'fe80::1%eth0',
    '[fd00::100]:80',
    '[fd00::100]',
    'fd00::/64',
    'web.example.com',
    'localhost',
    'cafe:80',
    '010.0.0.1',
    '127.1',
    '256.1.1.1',
    '1::2::3',
    ' 192.168.1.1',
    '',
  ]) {
    assert.equal(parseIp(text), undefined, text);
    assert.ok(!matches('address', text), text);
    assert.ok(!matches('director', text), text);
  }
  for (const text of ['00:50:00:00:01', '01:00:5e:00:00:01', '00-50-00-00-01-00', '0050.0000.0100']) {
    assert.ok(!matches('mac', text), text);
  }
  assert.ok(matches('mac', '00:50:00:00:0A:ff') && matches('director', '00:50:00:00:0A:ff'));
});

test('matches of marks have the pattern of one', () => {
  for (const text of [
    'tcp:192.168.1.100:80',
    'UDP:192.168.1.0/28:5000-5010',
    'tcp:[fd00::100]:443',
    'tcp:[fd00::]/64:*',
    'tcp:192.168.1.100',
    '192.168.1.100:80',
    'sctp:192.168.1.100:80',
    'tcp:fd00::100:80',
    'tcp:web:80',
  ]) {
    assert.equal(matches('match', text), parseMarkMatch(text) !== undefined, text);
  }
});

test('interface names are those that the kernel takes: by bytes, without white space, slashes and colons', () => {
  const cases: readonly (readonly [name: string, taken: boolean])[] = [
    ['eth0', true],
    ['a', true],
    ['123456789012345', true],
    ['1234567890123456', false],
    ['', false],
    ['.', false],
    ['..', false],
    ['...', true],
    ['eth0.100', true],
    ['eth0:1', false],
    ['a/b', false],
    ['a b', false],
    ['a\tb', false],
    ['a\u0000b', false],
    ['ü'.repeat(7), true],
    ['ü'.repeat(8), false],
    // The kernel looks at bytes: "à" ends with 0xa0, Latin-1's no-break space.
    ['à', false],
    ['名前', true],
    ['\u001b[2J', true],
  ];
  for (const [name, taken] of cases) {
    assert.equal(isInterfaceName(name), taken, JSON.stringify(name));
    if (taken) {
      assert.ok(matches('interface', name), JSON.stringify(name));
    }
  }
});

test('the patterns are in the schema', () => {
  const text = JSON.stringify(jsonSchema());
  for (const [name, pattern] of Object.entries(PATTERNS)) {
    assert.ok(text.includes(JSON.stringify(pattern)), name);
  }
});
