/** Netlink messages: encoded and decoded as in the kernel. Incomplete ones are ignored. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { ip, mac } from '../../../src/model/index.js';
import {
  decodeAnswer,
  decodeAttributes,
  decodeMessages,
  encodeMessage,
  encodePayload,
  type NetlinkMessage,
  numberOf,
  stringOf,
  u32,
} from '../../../src/net/netlink.js';
import {
  decodeLink,
  decodeNeighbour,
  decodeRoute,
  neighbourPayload,
  permanentNeighbourPayload,
} from '../../../src/net/rtnetlink.js';

const message = (type: number, payload: Uint8Array): NetlinkMessage => ({ type, flags: 0, sequence: 1, payload });
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

test('attributes of any length are the same after encoding and decoding', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.nat(200).map(String), fc.uint8Array({ maxLength: 20 })), (values) => {
      const attributes = new Map(Object.entries(values).map(([type, value]) => [Number(type), value]));
      const header = new Uint8Array(12);
      const decoded = decodeAttributes(encodePayload(header, attributes), header.length);
      assert.deepEqual(
        [...decoded].map(([type, value]) => [type, [...value]]),
        [...attributes].map(([type, value]) => [type, [...value]]),
      );
    }),
  );
});

test('a datagram with several messages is decoded, and a message that is cut off is left out', () => {
  const parts = [1, 2, 3].map((type) => encodeMessage(message(type, new Uint8Array(4 * type))));
  const datagram = Buffer.concat(parts);
  assert.deepEqual(
    decodeMessages(datagram).map(({ type, payload }) => [type, payload.length]),
    [
      [1, 4],
      [2, 8],
      [3, 12],
    ],
  );
  assert.equal(decodeMessages(datagram.subarray(0, datagram.length - 1)).length, 2);
});

test('no bytes, however wrong, make the decoders throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      decodeMessages(bytes).forEach(decodeAnswer);
      for (const decode of [decodeLink, decodeNeighbour, decodeRoute, decodeAnswer]) {
        decode(message(16, bytes));
      }
    }),
    { numRuns: 1000 },
  );
});

test('an attribute that is longer than its message is not read', () => {
  assert.equal(decodeAttributes(hex('ff00 0100 41424344'), 0).size, 0);
});

test("a refusal carries errno and the kernel's explanation", () => {
  const explanation = Buffer.from('Device does not exist\0');
  const text = encodePayload(new Uint8Array(), new Map([[1, explanation]]));
  // errno, then the header of the request, then attributes: flags say "capped" and "with attributes".
  const payload = Buffer.concat([Uint8Array.from(new Uint8Array(Int32Array.of(-19).buffer)), new Uint8Array(16), text]);
  assert.deepEqual(decodeAnswer({ ...message(2, payload), flags: 0x300 }), {
    errno: 19,
    explanation: 'Device does not exist',
  });
});

test("a neighbour is decoded from the kernel's message: reachable and managed", () => {
  // ip monitor neigh, kernel 6.18: 192.168.1.31 dev ens3 lladdr 00:50:00:00:01:00 managed REACHABLE
  const payload = hex(
    `02000000 02000000 0200 00 01
     0800 0100 c0a8011f
     0a00 0200 005000000100 0000
     0800 0f00 01000000`,
  );
  assert.deepEqual(decodeNeighbour(message(28, payload)), {
    ifindex: 2,
    address: '192.168.1.31',
    mac: '00:50:00:00:01:00',
    failed: false,
    permanent: false,
    managed: true,
    ours: false,
  });
});

test('a neighbour that failed has no MAC, although the kernel still has one', () => {
  const payload = hex('02000000 02000000 2000 00 01 0800 0100 c0a8011f 0a00 0200 005000000100 0000');
  const neighbour = decodeNeighbour(message(28, payload));
  assert.deepEqual([neighbour?.mac, neighbour?.failed], [undefined, true]);
});

test('a neighbour that is being resolved has not failed', () => {
  const payload = hex('02000000 02000000 0100 00 01 0800 0100 c0a8011f');
  const neighbour = decodeNeighbour(message(28, payload));
  assert.deepEqual([neighbour?.mac, neighbour?.failed], [undefined, false]);
});

test('messages of a bridge about its ports and its forwarding table add or remove no interface or neighbour', () => {
  // RTM_DELLINK and RTM_NEWNEIGH of AF_BRIDGE: a port left its bridge; a VXLAN's entry with an address.
  const link = hex('0700 0100 02000000 43100100 00000000 0900 0300 656e7333 00000000');
  assert.equal(decodeLink(message(17, link)), undefined);
  const entry = hex('07000000 02000000 8000 00 00 0800 0100 c0a8011f 0a00 0200 005000000100 0000');
  assert.equal(decodeNeighbour(message(28, entry)), undefined);
});

test('managing and releasing a neighbour are different messages', () => {
  const managed = decodeAttributes(neighbourPayload(ip('10.0.0.1'), 3, true), 12);
  assert.equal(numberOf(managed.get(15)), 1);
  const released = neighbourPayload(ip('10.0.0.1'), 3, false);
  assert.equal(decodeAttributes(released, 12).get(15), undefined);
  assert.equal(released[10], 1);
});

test('a neighbour entry that is made for good is known as ours, and the message that removes it has no MAC', () => {
  const made = permanentNeighbourPayload(ip('fd00::1'), 3, mac('02:00:00:00:00:01'));
  assert.deepEqual(decodeNeighbour(message(28, made)), {
    ifindex: 3,
    address: 'fd00::1',
    mac: '02:00:00:00:00:01',
    failed: false,
    permanent: true,
    managed: false,
    ours: true,
  });
  assert.equal(decodeAttributes(permanentNeighbourPayload(ip('fd00::1'), 3), 12).get(2), undefined);
});

test('a route tells the source that the kernel would choose', () => {
  const header = new Uint8Array(12);
  header[7] = 1;
  const payload = encodePayload(
    header,
    new Map([
      [4, u32(2)],
      [7, Uint8Array.of(10, 0, 0, 9)],
    ]),
  );
  assert.equal(decodeRoute(message(24, payload))?.source, '10.0.0.9');
});

test('a route through a gateway of the other family is a route through a gateway', () => {
  const via = Buffer.concat([Uint8Array.of(10, 0), hex('fe80 0000 0000 0000 0000 0000 0000 0001')]);
  const header = new Uint8Array(12);
  header[7] = 1;
  const payload = encodePayload(
    header,
    new Map([
      [4, u32(2)],
      [18, via],
    ]),
  );
  const route = { kind: 'unicast', prefixLength: 0, ifindex: 2, gateway: 'fe80::1' };
  assert.deepEqual(decodeRoute(message(24, payload)), route);
});

test('text ends at its zero byte', () => {
  assert.equal(stringOf(Buffer.from('ens3\0\0garbage')), 'ens3');
  assert.equal(stringOf(undefined), '');
});
