/** Announcements are the frames that arping and keepalived send, byte by byte. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { ip, mac } from '../../../src/model/index.js';
import { announcement } from '../../../src/packet/index.js';

const MAC = mac('00:50:00:00:04:00');
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('gratuitous ARP is a request to everybody from the address for itself, as long as a frame must be', () => {
  // "arping -U -I ens3 192.168.1.100" (iputils 20221126), padded.
  const ether = 'ffffffffffff0050000004000806';
  const arp = '0001080006040001' + '005000000400' + 'c0a80164' + '000000000000' + 'c0a80164';
  assert.equal(hex(announcement(ip('192.168.1.100'), MAC, true)), ether + arp + '00'.repeat(18));
});

test('a neighbour advertisement overrides what neighbours know, with a checksum that comes out even', () => {
  const frame = announcement(ip('fd00::100'), MAC, false);
  assert.equal(frame.length, 14 + 40 + 32);
  assert.equal(hex(frame.subarray(0, 14)), '333300000001' + '005000000400' + '86dd');
  const packet = frame.subarray(14);
  assert.deepEqual([packet[6], packet[7]], [58, 255]);
  const message = packet.subarray(40);
  assert.equal(hex(message.subarray(0, 2)) + hex(message.subarray(4, 8)), '8800' + '20000000');
  assert.equal(hex(message.subarray(8)), 'fd000000000000000000000000000100' + '0201' + '005000000400');
  const pseudo = [...packet.subarray(8, 40), 0, 0, 0, message.length, 0, 0, 0, 58, ...message];
  let sum = 0;
  for (let i = 0; i < pseudo.length; i += 2) {
    sum += pseudo[i]! * 256 + pseudo[i + 1]!;
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >> 16);
  }
  assert.equal(sum, 0xffff);
  assert.equal(announcement(ip('fd00::100'), MAC, true)[14 + 40 + 4], 0xa0);
});
