/** Fragments that come before their first one: what the program hands to the daemon, and what a flood of them costs. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { EarlyFragments, Explainer, EXPLAIN_OBJECT } from '../../src/dataplane/index.js';
import * as layout from '../../src/layout/index.js';
import { RingBuffer } from '../../src/libbpf/index.js';
import { ip, type IpAddress } from '../../src/model/index.js';
import { buildFrame, fragmentHeader, ipv4Fragment, withExtensions } from '../../src/packet/index.js';
import { PacketDirector } from '../support/director.js';
import { CLIENT_MAC, DIRECTOR, service, worldOf } from '../support/models.js';

const [VIP, VIP6] = [ip('192.168.1.100'), ip('fd00::100')];
const SERVICES = [
  service(VIP, 53, [ip('192.168.1.31')], { protocol: 'udp' }),
  service(VIP6, 53, [ip('fd00::31')], { protocol: 'udp' }),
];
const VIPS = [
  ['IPv4', VIP],
  ['IPv6', VIP6],
] as const;
const { frame: FRAME, timeNs: TIME, ifindex: IFINDEX } = layout.earlyFragment;

function frameOf(destination: IpAddress, bytes = 64): Uint8Array {
  return buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    source: destination === VIP ? ip('192.168.1.12') : ip('fd00::12'),
    destination,
    protocol: 'udp',
    sourcePort: 40_000,
    destinationPort: 53,
    payload: new Uint8Array(bytes).map((_, i) => i),
  });
}

function fragment(destination: IpAddress, offset: number, id: number, bytes?: number): Uint8Array {
  const whole = frameOf(destination, bytes);
  return destination === VIP
    ? ipv4Fragment(whole, offset, true, id)
    : withExtensions(whole, [fragmentHeader(offset, true, id)]);
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !isSo(); i += 1) {
    await sleep(10);
  }
  assert.ok(isSo());
}

/** Takes the records that are there. */
function taken(director: PacketDirector): Uint8Array[] {
  using ring = new RingBuffer(director.publisher.set!.early, () => undefined);
  const all: Uint8Array[] = [];
  for (let some = ring.consume(); some.length > 0; some = ring.consume()) {
    all.push(...some);
  }
  return all;
}

for (const [name, vip] of VIPS) {
  test(`${name}: a fragment before its first one is handed over whole, others are not`, async () => {
    using director = await PacketDirector.with(SERVICES);
    const before = process.hrtime.bigint();
    const early = [40, 1400, 8000].map((bytes, i) => fragment(vip, 1480, 10 + i, bytes));
    for (const each of early) {
      assert.equal(director.send(each).action, 'drop');
    }
    const records = taken(director);
    assert.deepEqual(
      records.map((record) => Buffer.from(record.subarray(FRAME.offset)).toString('hex')),
      early.map((each) => Buffer.from(each).toString('hex')),
    );
    for (const record of records) {
      const view = new DataView(record.buffer, record.byteOffset);
      // The loopback interface, by which BPF_PROG_RUN's frames come; a coarse clock is up to a tick behind.
      assert.equal(view.getUint32(IFINDEX.offset, true), 1);
      const time = view.getBigUint64(TIME.offset, true);
      assert.ok(time > before - 20_000_000n && time <= process.hrtime.bigint());
    }
    assert.equal(director.verdicts()['early'], 3);

    assert.equal(director.send(fragment(vip, 0, 20)).action, 'tx');
    assert.equal(director.send(fragment(vip, 1480, 20)).action, 'tx');
    assert.equal(director.send(frameOf(vip)).action, 'tx');
    assert.deepEqual(taken(director), []);
  });
}

test('a flood of early fragments fills the ring buffer and costs no more; what comes later is handed over again', async () => {
  using director = await PacketDirector.with(SERVICES);
  const flood = fragment(VIP, 1480, 7, 1400);
  const { program } = director.publisher.set!;
  program.run({ data: flood, repeat: 20_000 });
  assert.equal(director.verdicts()['early'], 20_000);
  const records = taken(director);
  // Records have a header, and begin at multiples of eight.
  const bytes = records.reduce((sum, { length }) => sum + 8 + Math.ceil(length / 8) * 8, 0);
  const { 'ring-bytes': most } = layout.early;
  assert.ok(bytes <= most && bytes > most - 2 * layout.earlyFragment.byteLength, String(bytes));
  program.run({ data: flood });
  assert.equal(taken(director).length, 1);
});

test('what a frame of the largest MTU cannot hold is dropped and not handed over', async () => {
  using director = await PacketDirector.with(SERVICES);
  assert.equal(director.send(fragment(VIP, 1480, 7, 9300)).action, 'drop');
  assert.equal(director.verdicts()['early'], 1);
  assert.deepEqual(taken(director), []);
});

test('with fragments off, and for what is no fragment of TCP or UDP, nothing is handed over', async () => {
  using director = new PacketDirector();
  await director.publishModel({ services: SERVICES, fragments: false }, worldOf(SERVICES, {}));
  director.send(fragment(VIP, 1480, 7));
  assert.deepEqual(director.verdicts(), { fragment: 1 });
  assert.deepEqual(taken(director), []);
});

for (const [name, vip] of VIPS) {
  test(`${name}: a daemon that ends leaves early fragments to the next one, which sends them after their first`, async () => {
    using director = await PacketDirector.with(SERVICES);
    const { set } = director.publisher;
    const packets = (): number =>
      director.publisher
        .counters()
        .services.flatMap(({ destinations }) => destinations)
        .reduce((sum, each) => sum + each.packets, 0);
    const options = { image: () => director.publisher.image, onEvent: () => undefined };
    const first = new EarlyFragments(options);
    first.follow(set!);
    const parts = [2960, 1480].map((offset) => fragment(vip, offset, 7));
    parts.forEach((each) => director.send(each));
    await until(() => first.waiting === 2);
    first.close();
    assert.deepEqual(
      taken(director).map((record) => Buffer.from(record.subarray(FRAME.offset)).toString('hex')),
      parts.toReversed().map((each) => Buffer.from(each).toString('hex')),
    );

    parts.forEach((each) => director.send(each));
    assert.equal(director.send(fragment(vip, 0, 7)).action, 'tx');
    using next = new EarlyFragments(options);
    // As long as a start takes.
    await sleep(1500);
    next.follow(set!);
    await until(() => packets() === 3);
    assert.equal(next.waiting, 0);
  });
}

test('what waits in the ring buffer goes on into other maps', async () => {
  using director = await PacketDirector.with(SERVICES);
  director.send(fragment(VIP, 1480, 7));
  // A larger table of services: new maps.
  const set = director.publisher.set;
  const many = Array.from({ length: 600 }, (_, i) => service(VIP, 1000 + i, [ip('192.168.1.31')], { protocol: 'udp' }));
  await director.publish([...SERVICES, ...many]);
  assert.notEqual(director.publisher.set, set);
  assert.equal(taken(director).length, 1);
});

test('a fragment that is explained has the verdict, and is not handed over', async () => {
  using director = await PacketDirector.with(SERVICES);
  using explainer = await Explainer.load(EXPLAIN_OBJECT, director.publisher.set!);
  for (const vip of [VIP, VIP6]) {
    assert.equal(explainer.explain(fragment(vip, 1480, 7)).trace.verdict, 'early');
  }
  assert.deepEqual(taken(director), []);
});
