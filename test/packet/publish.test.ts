/** Publishing: packets see one configuration or the other, counts stay with their owners, tables grow. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { DIRECTOR_OBJECT, MapSet, Publisher } from '../../src/dataplane/index.js';
import { compile, type Image } from '../../src/image/index.js';
import { feature } from '../../src/layout/index.js';
import { ip, type IpAddress, type Service } from '../../src/model/index.js';
import { buildFrame, TCP_FLAG } from '../../src/packet/index.js';
import { PacketDirector } from '../support/director.js';
import { CLIENT_MAC, DIRECTOR, macFor, service, worldOf } from '../support/models.js';

const VIP = ip('192.168.1.100');

function packet(sourcePort: number, destination = VIP, destinationPort = 80, flags = 0): Uint8Array {
  return buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    source: ip('192.168.1.12'),
    destination,
    protocol: 'tcp',
    sourcePort,
    destinationPort,
    flags,
  });
}

/** The real server, by its MAC, that a packet leaves for. */
function serverOf(director: PacketDirector, frame: Uint8Array): string {
  const { action, frame: sent } = director.send(frame);
  return action === 'tx'
    ? Buffer.from(sent.subarray(0, 6))
        .toString('hex')
        .replaceAll(/(..)(?=.)/g, '$1:')
    : action;
}

test('packets follow each publication, whichever copy it was written to', async () => {
  using director = new PacketDirector();
  for (let round = 0; round < 6; round += 1) {
    const server = ip(`192.168.1.${31 + (round % 3)}`);
    await director.publish([service(VIP, 80, [server])]);
    assert.equal(serverOf(director, packet(1)), macFor(server));
    assert.equal(director.publisher.set!.control.activeCopy, (round % 2) as 0 | 1);
  }
});

test('a service stays whole in a copy that is written again for the sake of another service', async () => {
  const first = service(VIP, 80, [ip('192.168.1.31'), ip('192.168.1.32')]);
  using director = new PacketDirector();
  for (let round = 0; round < 4; round += 1) {
    await director.publish([first, service(VIP, 81, [ip(`192.168.1.${41 + round}`)])]);
    const servers = new Set(Array.from({ length: 40 }, (_, i) => serverOf(director, packet(1000 + i))));
    assert.deepEqual(servers, new Set(first.destinations.map(({ address }) => String(macFor(address)))));
  }
});

test('removing a service leaves the other services of its VIP alone', async () => {
  using director = new PacketDirector();
  await director.publish([service(VIP, 80, [ip('10.0.0.1')]), service(VIP, 81, [ip('10.0.0.2')])]);
  await director.publish([service(VIP, 81, [ip('10.0.0.2')])]);
  assert.equal(serverOf(director, packet(1, VIP, 80, TCP_FLAG.syn)), 'pass');
  assert.equal(serverOf(director, packet(1, VIP, 81)), macFor(ip('10.0.0.2')));
});

test('counters stay with their destination through changes, and no other inherits them', async () => {
  using director = new PacketDirector();
  const counts = (): Record<string, number> =>
    Object.fromEntries(
      director.publisher
        .counters()
        .services.flatMap(({ name, destinations }) =>
          destinations.map(({ address, packets }) => [`${name} ${address}`, packets]),
        ),
    );
  await director.publish([service(VIP, 80, [ip('10.0.0.1')])]);
  director.send(packet(1));
  director.send(packet(2));
  await director.publish([service(VIP, 80, [[ip('10.0.0.1'), 5]]), service(VIP, 81, [ip('10.0.0.1')])]);
  director.send(packet(1, VIP, 81));
  assert.deepEqual(counts(), { 'tcp 192.168.1.100:80 10.0.0.1': 2, 'tcp 192.168.1.100:81 10.0.0.1': 1 });
  await director.publish([service(VIP, 81, [ip('10.0.0.1')])]);
  await director.publish([service(VIP, 81, [ip('10.0.0.1')]), service(VIP, 82, [ip('10.0.0.9')])]);
  assert.deepEqual(counts(), { 'tcp 192.168.1.100:81 10.0.0.1': 1, 'tcp 192.168.1.100:82 10.0.0.9': 0 });
});

test('tables grow under traffic: every packet finds its service, every count is kept', async () => {
  using director = new PacketDirector();
  const first = service(VIP, 80, [ip('10.0.0.1'), ip('10.0.0.2')]);
  await director.publish([first]);
  for (let i = 0; i < 100; i += 1) {
    director.send(packet(i));
  }
  director.send(packet(1, VIP, 99));
  const before = director.publisher.counters();
  const geometry = director.publisher.set!.geometry;

  const many = Array.from({ length: 700 }, (_, i) =>
    service(ip(`10.1.${i >> 8}.${i & 255}`), 80, [ip(`10.2.${i >> 8}.${i & 255}`), ip(`10.3.${i >> 8}.${i & 255}`)]),
  );
  await director.publish([first, ...many]);
  assert.ok(director.publisher.set!.geometry.services4 > geometry.services4);
  const after = director.publisher.counters();
  assert.deepEqual(
    after.services.find(({ name }) => name === 'tcp 192.168.1.100:80'),
    before.services[0],
  );
  assert.deepEqual(after.noService, { 'no-service': 1 });
  for (let i = 0; i < 700; i += 1) {
    const frame = packet(i, ip(`10.1.${i >> 8}.${i & 255}`));
    assert.deepEqual(director.send(frame).frame, new Uint8Array(director.expect(frame).frame));
  }
  director.send(packet(1));
  const { services } = director.publisher.counters();
  const { destinations } = services.find(({ name }) => name === 'tcp 192.168.1.100:80')!;
  assert.equal(
    destinations.reduce((sum, { packets }) => sum + packets, 0),
    101,
  );
});

test('a packet never meets half a change: service, ring and MAC belong together', async () => {
  // Two configurations that share nothing are published in turn while packets run; each must come out of one of them.
  using director = new PacketDirector();
  const even: Service[] = [service(VIP, 80, [ip('10.0.0.1'), ip('10.0.0.2'), ip('10.0.0.3')])];
  const odd: Service[] = [service(VIP, 80, [ip('10.9.0.1'), ip('10.9.0.2')], { slots: 64 })];
  const macs = [even, odd].map(
    (services) => new Set<string>(services[0]!.destinations.map(({ address }) => macFor(address))),
  );
  await director.publish(even);
  for (let round = 1; round < 40; round += 1) {
    const publication = director.publish(round % 2 === 0 ? even : odd);
    for (let port = 0; port < 50; port += 1) {
      const server = serverOf(director, packet(port));
      assert.ok(
        macs.some((set) => set.has(server)),
        server,
      );
    }
    await publication;
    for (let port = 0; port < 50; port += 1) {
      assert.ok(macs[round % 2]!.has(serverOf(director, packet(port))));
    }
  }
});

test('an image that the kernel has no room for leaves the old configuration in place', async () => {
  using director = new PacketDirector();
  const image = await director.publish([service(VIP, 80, [ip('10.0.0.1')], { slots: 1 << 20 })]);
  const [large] = image.services;
  // 1,200 rings of a million slots, which are not shared only because each is a separate object.
  const huge = Array.from({ length: 1200 }, (_, i) => {
    const each = service(ip(`10.1.${i >> 8}.${i & 255}`), 80, [ip('10.0.0.1')]);
    return { ...large!, service: each, name: `tcp ${each.address}:80`, ring: large!.ring!.subarray() };
  });
  await assert.rejects(director.publisher.publish({ ...image, services: huge }), {
    code: 'TABLE_FULL',
    message: /rings need 4\.3 GB/,
  });
  assert.equal(serverOf(director, packet(1)), macFor(ip('10.0.0.1')));
  await director.publish([service(VIP, 80, [ip('10.0.0.2')])]);
  assert.equal(serverOf(director, packet(1)), macFor(ip('10.0.0.2')));
});

test('if new maps cannot be installed, the old maps and their state stay in use', async () => {
  const servers = (count: number): IpAddress[] =>
    Array.from({ length: count }, (_, i) => ip(`10.0.${i >> 8}.${i & 255}`));
  let refuse = false;
  using director = new PacketDirector(() => {
    if (refuse) {
      throw new Error('the link is gone');
    }
  });
  await director.publish([service(VIP, 80, [ip('10.9.0.1')]), service(VIP, 81, [ip('10.9.0.2')])]);
  refuse = true;
  await assert.rejects(director.publish([service(VIP, 80, servers(3000))]), /the link is gone/);
  assert.equal(serverOf(director, packet(1)), macFor(ip('10.9.0.1')));
  refuse = false;
  await director.publish([service(VIP, 80, [ip('10.9.0.3')]), service(VIP, 81, [ip('10.9.0.2')])]);
  assert.equal(serverOf(director, packet(1)), macFor(ip('10.9.0.3')));
  assert.equal(serverOf(director, packet(1, VIP, 81)), macFor(ip('10.9.0.2')));
  await director.publish([service(VIP, 80, [ip('10.9.0.4'), ...servers(3000)])]);
  assert.notEqual(serverOf(director, packet(1)), 'pass');
});

test("no destination inherits another's counters when tables grow", async () => {
  using director = new PacketDirector();
  const many = (count: number): IpAddress[] => Array.from({ length: count }, (_, i) => ip(`10.1.${i >> 8}.${i & 255}`));
  await director.publish([service(VIP, 80, [ip('10.9.0.1')]), service(VIP, 81, [ip('10.9.0.2')])]);
  for (let i = 0; i < 5; i += 1) {
    director.send(packet(i));
    director.send(packet(i, VIP, 82));
  }
  // The first one's number is free from here on, and given away with the next growth.
  await director.publish([service(VIP, 81, [ip('10.9.0.2')]), service(VIP, 83, many(2000))]);
  await director.publish([
    service(VIP, 81, [ip('10.9.0.2')]),
    service(VIP, 83, [...many(2000), ip('10.9.0.3')]),
    service(VIP, 84, many(5000)),
  ]);
  const { services } = director.publisher.counters();
  for (const { destinations } of services) {
    assert.ok(destinations.every(({ packets }) => packets === 0));
  }
  assert.deepEqual(director.verdicts(), { 'no-service': 5 });
});

/** A publisher that counts the programs that it loads. */
function countingLoads(surplusMs: number): { readonly publisher: Publisher; readonly loads: string[] } {
  const loads: string[] = [];
  const publisher = new Publisher({
    create: (geometry, features) => {
      loads.push('create');
      return MapSet.create(DIRECTOR_OBJECT, geometry, features);
    },
    reload: (from, features) => {
      loads.push('reload');
      return MapSet.reload(DIRECTOR_OBJECT, from, features);
    },
    install: () => undefined,
    surplusMs,
  });
  return { publisher, loads };
}

const imageOf = (services: readonly Service[]): Image => compile({ services }, worldOf(services));
const BOTH = [
  service(VIP, 80, [ip('192.168.1.31')]),
  service(ip('fd00::100'), 80, [ip('fd00::31')], { scheduler: 'rr' }),
];

test('a script that takes all services out and puts them back waits for no other program', async () => {
  const { publisher, loads } = countingLoads(60_000);
  using _closed = publisher;
  for (const services of [BOTH, [], BOTH]) {
    await publisher.publish(imageOf(services));
  }
  assert.deepEqual(loads, ['create']);
  assert.equal(publisher.isDue, false);
});

test('features that nothing needs any more go after a time', async () => {
  const { publisher, loads } = countingLoads(50);
  using _closed = publisher;
  await publisher.publish(imageOf(BOTH));
  const all = publisher.image!.features;
  // Until its flows are looked at, a service that is gone asks for its family too.
  await publisher.publish(imageOf(BOTH.slice(0, 1)));
  assert.equal(publisher.image!.features, all, 'the image has what its program can do');
  while (loads.length === 1) {
    await sleep(100);
    await publisher.sweep([]);
    if (publisher.isDue) {
      await publisher.publish(imageOf(BOTH.slice(0, 1)));
    }
  }
  assert.deepEqual(loads, ['create', 'reload']);
  assert.equal(publisher.image!.features & feature.ipv6, 0);
  assert.equal(publisher.set!.control.features, publisher.image!.features);
  assert.equal(publisher.isDue, false);
});

test('the first service of a director without services waits for no other program', async () => {
  const { publisher, loads } = countingLoads(0);
  using _closed = publisher;
  await publisher.publish(imageOf([]));
  await publisher.publish(imageOf(BOTH.slice(0, 1)));
  assert.deepEqual(loads, ['create']);
});

test('maps that were prepared for another image do not serve this one', async () => {
  for (const prepared of [BOTH, BOTH.slice(0, 1)]) {
    const { publisher, loads } = countingLoads(0);
    using _closed = publisher;
    publisher.prepare(imageOf(prepared));
    await publisher.publish(imageOf(BOTH));
    assert.equal(publisher.set!.control.features, publisher.image!.features);
    assert.deepEqual(loads, prepared === BOTH ? ['create'] : ['create', 'create']);
  }
});

test('a program that cannot be loaded without what nothing needs does not refuse a change that packets follow', async () => {
  let refuses = false;
  const troubles: string[] = [];
  using publisher = new Publisher({
    create: (geometry, features) => MapSet.create(DIRECTOR_OBJECT, geometry, features),
    reload: (from, features) =>
      refuses ? Promise.reject(new Error('no memory')) : MapSet.reload(DIRECTOR_OBJECT, from, features),
    install: () => undefined,
    onTrouble: (message) => {
      troubles.push(message);
    },
  });
  const withoutFragments = compile({ services: BOTH, fragments: false }, worldOf(BOTH));
  await publisher.publish(imageOf(BOTH));
  refuses = true;
  await publisher.publish(withoutFragments);
  assert.equal(troubles.length, 1);
  assert.equal(publisher.needed, withoutFragments.features);
  assert.notEqual(publisher.image!.features & feature.fragments, 0, 'the image has what its program can do');
  assert.equal(publisher.isDue, true);
  refuses = false;
  await publisher.publish(withoutFragments);
  assert.equal(publisher.image!.features & feature.fragments, 0);
  assert.equal(publisher.isDue, false);
});

test('a program that cannot be installed is loaded again by the next change that needs it', async () => {
  let refuses = false;
  using publisher = new Publisher({
    create: (geometry, features, before) => MapSet.create(DIRECTOR_OBJECT, geometry, features, before),
    reload: (from, features) => MapSet.reload(DIRECTOR_OBJECT, from, features),
    install: () => {
      if (refuses) {
        throw new Error('no room for a pin');
      }
    },
  });
  const decrementing = [{ ...BOTH[0]!, ttl: 'decrement' as const }, BOTH[1]!];
  await publisher.publish(imageOf(BOTH));
  refuses = true;
  await assert.rejects(publisher.publish(imageOf(decrementing)), /no room for a pin/);
  assert.equal(publisher.set!.control.features & feature.ttl, 0);
  refuses = false;
  await publisher.publish(imageOf(decrementing));
  assert.notEqual(publisher.set!.control.features & feature.ttl, 0);
});
