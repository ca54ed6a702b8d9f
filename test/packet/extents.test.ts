/** Flows whose tables grow and shrink under them: none is lost, however many come at once. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { FIRST_EXTENT, moveFlows, wantedExtent } from '../../src/dataplane/index.js';
import { ip, type Family, type Service } from '../../src/model/index.js';
import { frameOf } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { service } from '../support/models.js';

const MOST = { ipv4: 1 << 17, ipv6: 1 << 17 };
const PASS = 2;

function serviceOf(family: Family, rest: Partial<Service> = {}): Service {
  const servers = [31, 32, 33, 34, 35].map((host) => ip(family === 4 ? `10.99.0.${host}` : `fd99::${host}`));
  return service(ip(family === 4 ? '10.99.0.10' : 'fd99::10'), 80, servers, { scheduler: 'rr', ...rest });
}

/** Sends packets of numbered clients, one buffer for all. */
class Crowd {
  readonly #director: PacketDirector;
  readonly #frames: Readonly<Record<string, Buffer>>;
  readonly #isIpv6: boolean;

  constructor(director: PacketDirector, asked: Service) {
    this.#director = director;
    this.#frames = {
      S: Buffer.from(frameOf(asked, { port: 1 }, 'S')),
      A: Buffer.from(frameOf(asked, { port: 1 }, 'A')),
    };
    this.#isIpv6 = this.#frames['S']!.length > 60;
  }

  /** Returns the last byte of the MAC that a client's packet goes to; undefined if it is not forwarded. */
  send(client: number, flags: 'S' | 'A'): number | undefined {
    const data = this.#frames[flags]!;
    data.writeUInt32BE(0x0a32_0000 + (client >> 8), this.#isIpv6 ? 34 : 26);
    data.writeUInt16BE(1024 + (client & 255), this.#isIpv6 ? 54 : 34);
    const { returnValue, data: sent } = this.#director.publisher.set!.program.run({ data });
    return returnValue === PASS ? undefined : sent[5];
  }

  /** Opens the flows of the clients from one number on, and returns where each went. */
  open(first: number, count: number, ...flags: ('S' | 'A')[]): (number | undefined)[] {
    return Array.from({ length: count }, (_, i) => flags.map((each) => this.send(first + i, each)).at(-1));
  }

  /** Every client's next packet goes where the one before went. */
  assertKept(servers: readonly (number | undefined)[], what: string): void {
    const lost = servers.filter((server, client) => server === undefined || this.send(client, 'A') !== server);
    assert.equal(lost.length, 0, `${what}: ${lost.length} of ${servers.length} flows were lost`);
  }
}

function extentsOf(director: PacketDirector, family: Family): { present: number; former: number } {
  return director.publisher.set!.control.flowExtents(family);
}

test('a table doubles while more than half of it is in use, and shrinks when it stayed nearly empty', () => {
  const wanted = (entries: number, used: number, idle = false): number =>
    wantedExtent(4, { entries, most: 1 << 20, used }, idle);
  assert.equal(wanted(1 << 13, 1 << 12), 1 << 13);
  assert.equal(wanted(1 << 13, (1 << 12) + 1), 1 << 14);
  assert.equal(wanted(1 << 13, 65_536), 1 << 17);
  assert.equal(wanted(1 << 20, 1 << 20), 1 << 20);
  assert.equal(wanted(1 << 20, 100), 1 << 20);
  assert.equal(wanted(1 << 20, 100, true), FIRST_EXTENT);
  assert.equal(wanted(1 << 20, 100_000, true), 1 << 19);
  assert.equal(wanted(8, 0, true), 8);
  for (const family of [4, 6] as const) {
    assert.equal(wantedExtent(family, { entries: 8, most: 8, used: 8 }, false), 8);
  }
  // A bucket of IPv6 has half as many entries, and is full sooner.
  assert.equal(wantedExtent(6, { entries: 1 << 13, most: 1 << 20, used: (1 << 11) + 1 }, false), 1 << 14);
});

for (const [what, family, rest] of [
  ['IPv4', 4, {}],
  ['IPv6', 6, {}],
  ['IPv4 with persistence', 4, { persistence: { timeout: 300 } }],
  ['IPv6 under sh', 6, { scheduler: 'sh', track: 'all' }],
  ['IPv4 under wlc', 4, { scheduler: 'wlc' }],
] as const) {
  test(`flows that come faster than anyone looks all have entries, and keep them when they are moved (${what})`, async () => {
    const asked = serviceOf(family, rest);
    using director = await PacketDirector.with([asked], {}, MOST);
    const crowd = new Crowd(director, asked);
    assert.deepEqual(extentsOf(director, family), { present: FIRST_EXTENT, former: FIRST_EXTENT });
    const servers = crowd.open(0, 30_000, 'S', 'A');
    // A packet found no room, and made the table as large as it can be.
    assert.deepEqual(extentsOf(director, family), { present: MOST.ipv4, former: FIRST_EXTENT });
    crowd.assertKept(servers, 'before they are moved');
    const moved = director.publisher.sweep([]);
    // Packets go on meanwhile, in this thread.
    crowd.assertKept(servers, 'while they are moved');
    await moved;
    assert.deepEqual(extentsOf(director, family), { present: MOST.ipv4, former: MOST.ipv4 });
    crowd.assertKept(servers, 'after they were moved');
    const { tables } = (await director.publisher.sweep([]))!;
    assert.ok(tables[`ipv${family}`].used >= 30_000, `${tables[`ipv${family}`].used} entries are in use`);
  });
}

test('a table grows to twice its size as soon as it is half full, and nothing is stored twice', async () => {
  for (const family of [4, 6] as const) {
    const asked = serviceOf(family);
    using director = await PacketDirector.with([asked], {}, MOST);
    const { publisher } = director;
    const crowd = new Crowd(director, asked);
    await publisher.sweep([]);
    const servers: (number | undefined)[] = [];
    let extent: number = FIRST_EXTENT;
    const part = family === 4 ? 2 : 4;
    for (const step of [FIRST_EXTENT / part, 1, FIRST_EXTENT / part]) {
      servers.push(...crowd.open(servers.length, step, 'S', 'A'));
      const isFuller = servers.length > extent / part;
      assert.equal(publisher.isSweepDue, isFuller);
      await publisher.sweep([]);
      extent = isFuller ? extent * 2 : extent;
      assert.deepEqual(extentsOf(director, family), { present: extent, former: extent });
      crowd.assertKept(servers, `${servers.length} flows`);
      assert.equal((await publisher.sweep([]))!.tables[`ipv${family}`].used, servers.length);
    }
  }
});

test('a table that shrinks loses no flow, also where flows come back before it is done', async () => {
  for (const family of [4, 6] as const) {
    const asked = serviceOf(family);
    using director = await PacketDirector.with([asked], {}, MOST);
    const { publisher } = director;
    const { control } = publisher.set!;
    const crowd = new Crowd(director, asked);
    const servers = crowd.open(0, 15_000, 'S', 'A');
    await publisher.settle();
    await publisher.sweep([]);
    assert.ok(control.resizeFlows(family, 1 << 16));
    crowd.assertKept(servers, 'before the move');
    await publisher.sweep([]);
    assert.deepEqual(control.flowExtents(family), { present: 1 << 16, former: 1 << 16 });
    crowd.assertKept(servers, 'after it');
    // Too small for what there is: a packet turns back.
    assert.ok(control.resizeFlows(family, FIRST_EXTENT));
    servers.push(...crowd.open(servers.length, 20_000, 'S', 'A'));
    assert.deepEqual(control.flowExtents(family), { present: 1 << 16, former: FIRST_EXTENT });
    crowd.assertKept(servers, 'after a packet turned back');
    const moved = publisher.sweep([]);
    crowd.assertKept(servers, 'while they are moved back');
    await moved;
    await publisher.sweep([]);
    assert.equal(control.flowExtents(family).former, control.flowExtents(family).present);
    crowd.assertKept(servers, 'at the end');
    assert.equal((await publisher.sweep([]))!.tables[`ipv${family}`].used, servers.length);
  }
});

test('a table that is too small for its flows turns back, and none that found no room in it is lost', async () => {
  const asked = serviceOf(4);
  using director = await PacketDirector.with([asked], {}, MOST);
  const { publisher } = director;
  const { control } = publisher.set!;
  const crowd = new Crowd(director, asked);
  const servers = crowd.open(0, 20_000, 'S', 'A');
  await publisher.settle();
  await publisher.sweep([]);
  assert.ok(control.resizeFlows(4, FIRST_EXTENT));
  await moveFlows(() => publisher.set);
  assert.deepEqual(control.flowExtents(4), { present: FIRST_EXTENT, former: MOST.ipv4 });
  crowd.assertKept(servers, 'beyond the smaller table');
  await publisher.sweep([]);
  crowd.assertKept(servers, 'after it turned back');
  assert.deepEqual(control.flowExtents(4), { present: MOST.ipv4, former: MOST.ipv4 });
});

test('larger tables of services take over flows that were to be moved, and a larger table of flows holds them all', async () => {
  const asked = serviceOf(4);
  const others = Array.from({ length: 600 }, (_, i) => service(ip('10.99.0.11'), 1 + i, [ip('10.99.0.31')]));
  using director = await PacketDirector.with([asked], {}, MOST);
  const crowd = new Crowd(director, asked);
  const servers = crowd.open(0, 20_000, 'S', 'A');
  assert.notEqual(extentsOf(director, 4).former, extentsOf(director, 4).present);
  await director.publish([asked, ...others], {}, MOST);
  crowd.assertKept(servers, 'after more services came');
  await director.publish([asked, ...others], {}, { ipv4: MOST.ipv4 * 2, ipv6: MOST.ipv6 });
  crowd.assertKept(servers, 'after the ceiling was raised');
  servers.push(...crowd.open(servers.length, 60_000, 'S', 'A'));
  await director.publisher.sweep([]);
  crowd.assertKept(servers, 'after more flows came');
});

test('a table holds as many flows as the configuration says, rounded up, and then says that it is full', async () => {
  const asked = serviceOf(4);
  using director = await PacketDirector.with([asked], {}, { ipv4: 20_000, ipv6: 8 });
  const crowd = new Crowd(director, asked);
  crowd.open(0, 40_000, 'S');
  const { ipv4 } = (await director.publisher.sweep([]))!.tables;
  assert.deepEqual([ipv4.entries, ipv4.most, ipv4.full], [32_768, 32_768, true]);
});
