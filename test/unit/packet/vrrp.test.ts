/** VRRP's advertisements: both versions and families are read, and garbage is nothing. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { parseVrrp } from '../../../src/packet/index.js';
import { advertisement } from '../../support/vrrp.js';

test('version 3 is read in IPv4 and IPv6, with its interval in hundredths of a second', () => {
  const four = parseVrrp(advertisement({ id: 51, priority: 240, interval: 0.1, addresses: ['192.168.1.100'] }));
  assert.equal(four?.version, 3);
  assert.equal(four.id, 51);
  assert.equal(four.priority, 240);
  assert.equal(four.intervalMs, 100);
  assert.deepEqual(four.addresses, ['192.168.1.100']);
  assert.equal(four.source, '192.168.1.22');
  assert.equal(four.sourceMac, '00:50:00:00:05:00');
  assert.equal(four.authentication, undefined);

  const six = parseVrrp(
    advertisement({ source: 'fe80::22', interval: 40.95, addresses: ['fe80::200:5eff:fe00:233', 'fd00::100'] }),
  );
  assert.equal(six?.family, 6);
  assert.equal(six.intervalMs, 40_950);
  assert.deepEqual(six.addresses, ['fe80::200:5eff:fe00:233', 'fd00::100']);
});

test('version 2 is read with whole seconds and its kind of authentication, and the padding of the frame is no address', () => {
  const none = parseVrrp(advertisement({ version: 2, interval: 3, addresses: ['192.168.1.100'] }));
  assert.equal(none?.intervalMs, 3_000);
  assert.equal(none.authentication, 'none');
  assert.equal(parseVrrp(advertisement({ version: 2, authentication: 1 }))?.authentication, 'password');
  assert.equal(parseVrrp(advertisement({ version: 2, authentication: 77 }))?.authentication, 'unknown');
  const padded = Uint8Array.from([...advertisement({ addresses: [] }), ...new Array<number>(26).fill(7)]);
  assert.deepEqual(parseVrrp(padded)?.addresses, []);
});

test('what came from another network, or is no advertisement, is nothing', () => {
  const frame = advertisement({});
  const changed = (at: number, value: number): Uint8Array => frame.map((byte, i) => (i === at ? value : byte));
  assert.ok(parseVrrp(frame));
  assert.equal(parseVrrp(changed(14 + 8, 254)), undefined, 'TTL');
  assert.equal(parseVrrp(changed(14 + 9, 89)), undefined, 'protocol');
  assert.equal(parseVrrp(changed(34, 0x32)), undefined, 'type');
  assert.equal(parseVrrp(changed(34, 0x41)), undefined, 'version');
  assert.equal(parseVrrp(changed(34 + 3, 200)), undefined, 'more addresses than there are');
});

test('no frame, however short or spoilt, makes it throw', () => {
  const frames = [advertisement({}), advertisement({ source: 'fe80::22', addresses: ['fd00::100'] })];
  let seed = 1;
  const random = (below: number): number => {
    seed = (seed * 48_271) % 0x7fffffff;
    return seed % below;
  };
  for (const frame of frames) {
    for (let length = 0; length <= frame.length; length += 1) {
      parseVrrp(frame.subarray(0, length));
    }
    for (let i = 0; i < 20_000; i += 1) {
      const spoilt = frame.slice(0, random(frame.length + 1));
      for (let times = random(4); times > 0 && spoilt.length > 0; times -= 1) {
        spoilt[random(spoilt.length)] = random(256);
      }
      parseVrrp(spoilt);
    }
  }
});
