/** IP addresses: what is one, how it is written, what its bytes are. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { compareIp, ip, ipBytes, ipFromBytes, mac, macBytes, macFromBytes, parseIp } from '../../../src/model/index.js';

test('spellings that other programs read differently are refused', () => {
  for (const text of [
    '010.0.0.1',
    '127.1',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '0x7f.1',
    ' 1.2.3.4',
    '1.2.3.4/24',
    '',
  ]) {
    assert.equal(parseIp(text), undefined, text);
  }
  for (const text of [
    'fe80::1%eth0',
    '::ffff:10.0.0.1',
    '::ffff:a00:1',
    ':::',
    'fd00::1::2',
    '[fd00::1]',
    'fd00::12345',
  ]) {
    assert.equal(parseIp(text), undefined, text);
  }
});

test('one address has one canonical spelling', () => {
  assert.equal(parseIp('192.168.1.100'), '192.168.1.100');
  assert.equal(parseIp('FD00:0:0:0:0:0:0:100'), 'fd00::100');
  assert.equal(parseIp('fd00:0:0:1::'), 'fd00:0:0:1::');
  assert.equal(parseIp('2001:db8:0:0:1:0:0:1'), '2001:db8::1:0:0:1');
});

test('any address survives formatting and parsing', () => {
  fc.assert(
    fc.property(fc.constantFrom(4, 16), fc.uint8Array({ minLength: 16, maxLength: 16 }), (length, random) => {
      const bytes = random.subarray(0, length);
      assert.deepEqual(ipBytes(ipFromBytes(bytes)), new Uint8Array(bytes));
    }),
  );
});

test('addresses with an embedded IPv4 part keep their bytes', () => {
  assert.deepEqual([...ipBytes(ip('::1.2.3.4'))], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
});

test('addresses sort by their bytes and not by their text', () => {
  const sorted = ['fd00::2', '10.0.0.9', '10.0.0.10', 'fd00::10', '9.0.0.0'].map(ip).sort(compareIp);
  assert.deepEqual(sorted, ['9.0.0.0', '10.0.0.9', '10.0.0.10', 'fd00::2', 'fd00::10']);
});

test('a MAC address survives formatting and parsing', () => {
  assert.equal(macFromBytes(macBytes(mac('00:50:00:00:04:0a'))), '00:50:00:00:04:0a');
});
