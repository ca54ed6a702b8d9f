/** What the doctor reads of programs and files, as those print it. */

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  parseCpus,
  parseExtent,
  parseInterrupts,
  parseQueues,
  parseSpread,
  parseXdpCounters,
} from '../../../src/doctor/gather/cards.js';
import { parseIpv6Routes, parseMemory, parseNeighbours, parseRoutes } from '../../../src/doctor/gather/host.js';

const CHANNELS = `Channel parameters for eth0:
Pre-set maximums:
RX:		n/a
TX:		n/a
Other:		1
Combined:	63
Current hardware settings:
RX:		n/a
TX:		n/a
Other:		1
Combined:	8
`;

test('queues are those that receive: combined ones, or those for receiving alone', () => {
  assert.deepEqual(parseQueues(CHANNELS), { now: 8, most: 63 });
  const apart = CHANNELS.replaceAll(/Combined:\t\d+/g, 'Combined:\tn/a').replace('RX:\t\tn/a', 'RX:\t\t4');
  assert.deepEqual(parseQueues(apart.replace('settings:\nRX:\t\tn/a', 'settings:\nRX:\t\t2')), { now: 2, most: 4 });
  assert.equal(parseQueues('netlink error: Operation not supported\n'), undefined);
});

test('the ring is what it has and what it could have', () => {
  const text = 'Pre-set maximums:\nRX:\t\t4096\nRX Mini:\tn/a\nTX:\t\t4096\nCurrent hardware settings:\nRX:\t\t512\n';
  assert.deepEqual(parseExtent(text, 'RX'), { now: 512, most: 4096 });
});

test("the hash's table is read over all its lines", () => {
  const text =
    'RX flow hash indirection table for eth0 with 4 RX ring(s):\n    0:      0     1\n    2:      2     3\nRSS hash key:\n';
  assert.deepEqual(parseSpread(text), [0, 1, 2, 3]);
});

test('counters of XDP are those that are not zero', () => {
  const text =
    'NIC statistics:\n     rx_queue_0_xdp_tx: 17\n     rx_queue_0_xdp_tx_errors: 0\n     rx_queue_0_drops: 4\n';
  assert.deepEqual(parseXdpCounters(text), { rx_queue_0_xdp_tx: 17 });
});

test('an interrupt is counted over all CPUs, and named by what ends its line', () => {
  const text = `           CPU0       CPU1
 38:          1       4661  PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0
NMI:          0          0   Non-maskable interrupts`;
  assert.deepEqual(parseInterrupts(text), [{ number: 38, name: 'virtio2-input.0', count: 4662 }]);
});

test('lists of CPUs', () => {
  assert.deepEqual(parseCpus('0-2,8'), [0, 1, 2, 8]);
  assert.deepEqual(parseCpus(''), []);
});

test("the kernel's table of neighbours: entries once, what found no room over all CPUs", () => {
  const text = 'entries  allocs table_fulls\n0000001a  000006b9 00000002\n0000001a  000004c0 00000001';
  assert.deepEqual(parseNeighbours(4, text), [{ family: 4, entries: 26, refused: 3 }]);
  assert.deepEqual(parseNeighbours(4, undefined), []);
});

test('default routes: of IPv4 by destination and mask, of IPv6 without the one to nowhere', () => {
  const v4 = `Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask
ens3\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000
ens4\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF`;
  assert.deepEqual(parseRoutes(v4), ['ens3']);
  const zero = '0'.repeat(32);
  const row = (name: string): string => `${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200     ${name}`;
  assert.deepEqual(parseIpv6Routes(`${row('lo')}\n${row('ens3')}`), ['ens3']);
});

test('memory that is available', () => {
  assert.deepEqual(parseMemory('MemTotal:        2048 kB\nMemFree: 1 kB\nMemAvailable:    1024 kB\n'), {
    availableBytes: 1 << 20,
    totalBytes: 1 << 21,
  });
  assert.equal(parseMemory(''), undefined);
});
