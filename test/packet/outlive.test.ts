/** Flows that outlive their service or real server: the real program, whose configuration goes and comes back. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'node:test';

import { type Counters, Leaving, MoveTracker } from '../../src/dataplane/index.js';
import { familyOf, ip, type IpAddress, type Service } from '../../src/model/index.js';
import { Caller, frameOf } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { service } from '../support/models.js';

const VIP = ip('10.99.0.10');
const VIP6 = ip('fd99::10');
const SERVERS = [ip('10.99.0.31'), ip('10.99.0.32'), ip('10.99.0.33')];
const SERVERS6 = [ip('fd99::31'), ip('fd99::32'), ip('fd99::33')];
const SMALL = { ipv4: 1 << 12, ipv6: 1 << 12 };
const PORTS = Array.from({ length: 12 }, (_, i) => 1000 + i);

/** Services whose flows all have entries once they were seen twice. */
const KINDS: Readonly<Record<string, Service>> = {
  rr: service(VIP, 80, SERVERS, { scheduler: 'rr' }),
  wlc: service(VIP, 80, SERVERS, { scheduler: 'wlc' }),
  mh: service(VIP, 80, SERVERS, { scheduler: 'mh' }),
  sh: service(VIP, 80, SERVERS, { scheduler: 'sh', flags: ['sh-port'] }),
  maglev: service(VIP, 80, SERVERS),
  twos: service(VIP, 80, SERVERS, { scheduler: 'twos' }),
  'rr, IPv6': service(VIP6, 80, SERVERS6, { scheduler: 'rr' }),
  'maglev, IPv6': service(VIP6, 80, SERVERS6),
  'rr, every port': service(VIP, 0, SERVERS, { scheduler: 'rr' }),
  'rr, UDP': service(VIP, 53, SERVERS, { scheduler: 'rr', protocol: 'udp' }),
  'maglev, UDP': service(VIP, 53, SERVERS, { protocol: 'udp' }),
  'rr, persistent': service(VIP, 80, SERVERS, { scheduler: 'rr', persistence: { timeout: 300 } }),
};

/** Sends a packet of a flow that goes on. */
function goOn(director: PacketDirector, asked: Service, port: number): string {
  return director.send(frameOf(asked, { port }, 'A', asked.port === 0 ? 8080 : asked.port)).action;
}

function portOf(asked: Service): number {
  return asked.port === 0 ? 8080 : asked.port;
}

/** Opens flows and returns where they go. */
function openFlows(director: PacketDirector, asked: Service): (string | undefined)[] {
  const caller = new Caller(director, asked);
  return PORTS.map((port) => {
    caller.send(port, 'S', portOf(asked));
    return caller.send(port, 'A', portOf(asked));
  });
}

/** Returns where the flows go. */
function follow(director: PacketDirector, asked: Service): (string | undefined)[] {
  const caller = new Caller(director, asked);
  return PORTS.map((port) => caller.send(port, 'A', portOf(asked)));
}

for (const [kind, asked] of Object.entries(KINDS)) {
  test(`connections live through the removal of their service and its return: ${kind}`, async () => {
    using director = await PacketDirector.with([asked], {}, SMALL);
    const before = openFlows(director, asked);
    assert.ok(before.every((each) => each !== undefined));
    await director.publish([], {}, SMALL);
    await director.publisher.sweep([]);
    assert.deepEqual(
      PORTS.map((port) => goOn(director, asked, port)),
      PORTS.map(() => 'drop'),
    );
    assert.deepEqual(director.verdicts(), { 'service-gone': PORTS.length });
    assert.ok([...director.publisher.ghostFlows.values()].some((flows) => flows >= PORTS.length));
    // A new connection to a VIP without a service is the host's.
    assert.equal(director.send(frameOf(asked, { port: 2000 }, 'S', portOf(asked))).action, 'pass');
    assert.equal(director.verdicts()['no-service'], 1);
    // As the commands of a script: each publishes.
    for (let count = 0; count <= asked.destinations.length; count += 1) {
      await director.publish([{ ...asked, destinations: asked.destinations.slice(0, count) }], {}, SMALL);
      await director.publisher.sweep([]);
    }
    assert.deepEqual(follow(director, asked), before);
  });
}

/** Lets flows wait for real servers that left, and moved slots remember theirs, as the data path does, by a clock of the test's. */
function waiting(director: PacketDirector): { now: number } {
  const [leaving, moves, clock] = [new Leaving(), new MoveTracker(undefined, false), { now: 0 }];
  const read = (): Counters => director.publisher.counters();
  director.past = (image) => {
    const all = leaving.apply(image, director.publisher.numbering, clock.now);
    const isKnown = director.publisher.image !== undefined;
    const result = moves.attach(all, clock.now, isKnown ? read : undefined);
    leaving.confirm();
    return result;
  };
  return clock;
}

for (const [kind, asked] of Object.entries(KINDS)) {
  test(`connections that send while a script rebuilds their service live: ${kind}`, async () => {
    using director = new PacketDirector();
    const clock = waiting(director);
    const publish = (destinations: Service['destinations']): Promise<unknown> =>
      director.publish([{ ...asked, destinations }], {}, SMALL);
    await publish(asked.destinations);
    const before = openFlows(director, asked);
    const [first] = asked.destinations;
    const waits = (there: readonly string[]): (string | undefined)[] =>
      before.map((each) => (there.includes(each!) ? each : undefined));
    const numberOf = ({ address }: { readonly address: IpAddress }): string => address.slice(-2);

    await director.publish([], {}, SMALL);
    assert.deepEqual(follow(director, asked), waits([]));
    for (let count = 0; count <= asked.destinations.length; count += 1) {
      clock.now += 300;
      await publish(asked.destinations.slice(0, count));
      assert.deepEqual(follow(director, asked), waits(asked.destinations.slice(0, count).map(numberOf)), `${count}`);
      await director.publisher.sweep([]);
    }
    assert.deepEqual(follow(director, asked), before);

    // The same for one real server that a script removes and adds again.
    await publish(asked.destinations.slice(1));
    assert.deepEqual(follow(director, asked), waits(asked.destinations.slice(1).map(numberOf)));
    await publish([...asked.destinations.slice(1), first!]);
    assert.deepEqual(follow(director, asked), before);

    // One that stays away loses its flows, once.
    await publish(asked.destinations.slice(1));
    clock.now += 2_000;
    await publish(asked.destinations.slice(1));
    const moved = follow(director, asked);
    assert.ok(moved.every((each) => each !== undefined && each !== numberOf(first!)));
    assert.deepEqual(follow(director, asked), moved);
  });
}

for (const scheduler of ['maglev', 'mh', 'sh'] as const) {
  for (const vip of [VIP, VIP6] as const) {
    test(`under "track: moved" connections wait for a real server that is removed and back: ${scheduler}, ${vip}`, async () => {
      const flags = scheduler === 'maglev' ? {} : { flags: [`${scheduler}-port`] as const };
      const servers: readonly IpAddress[] = familyOf(vip) === 4 ? SERVERS : SERVERS6;
      const asked = service(vip, 80, servers, { scheduler, track: 'moved', ...flags });
      using director = new PacketDirector();
      const clock = waiting(director);
      const publish = (destinations: Service['destinations']): Promise<unknown> =>
        director.publish([{ ...asked, destinations }], {}, SMALL);
      await publish(asked.destinations);
      const before = openFlows(director, asked);
      // Whose flows there are.
      const gone = asked.destinations.find(({ address }) => address.endsWith(before[0]!))!;
      const rest = asked.destinations.filter((each) => each !== gone);
      const waits = before.map((each) => (gone.address.endsWith(each!) ? undefined : each));
      for (const back of [gone, { ...gone, weight: 0 }, gone]) {
        await publish(rest);
        assert.deepEqual(follow(director, asked), waits);
        assert.match(new Caller(director, asked).send(2000, 'S')!, /^3[123]$/);
        await publish([...rest, back]);
        assert.deepEqual(follow(director, asked), before);
      }
      // One that stays away loses its flows, once.
      await publish(rest);
      clock.now += 2_000;
      await publish(rest);
      const moved = follow(director, asked);
      assert.ok(moved.every((each) => each !== undefined && !gone.address.endsWith(each)));
      assert.deepEqual(follow(director, asked), moved);
    });
  }
}

for (const scheduler of ['maglev', 'mh', 'sh'] as const) {
  test(`connections without entries live while a script rebuilds their service: ${scheduler}`, async () => {
    const flags = scheduler === 'maglev' ? {} : { flags: [`${scheduler}-port`] as const };
    const asked = service(VIP, 80, SERVERS, { scheduler, track: 'moved', ...flags });
    // As ipvsadm's commands make it.
    const commanded: Service = { ...asked, track: 'all' };
    for (const [back, pause] of [
      [asked, 300],
      [commanded, 300],
      [asked, 70_000],
    ] as const) {
      using director = new PacketDirector();
      const clock = waiting(director);
      await director.publish([asked], {}, SMALL);
      const before = openFlows(director, asked);
      await director.publish([], {}, SMALL);
      clock.now += pause;
      await director.publish([], {}, SMALL);
      const there = (count: number): readonly string[] => SERVERS.slice(0, count).map((each) => each.slice(-2));
      for (let count = 0; count <= SERVERS.length; count += 1) {
        clock.now += 300;
        await director.publish([{ ...back, destinations: back.destinations.slice(0, count) }], {}, SMALL);
        const sent = follow(director, back);
        if (pause < 60_000) {
          const waits = before.map((each) => (there(count).includes(each!) ? each : undefined));
          assert.deepEqual(sent, waits, `${count} real servers`);
        } else if (count === 1) {
          // Nobody waits for ever: what was before is forgotten.
          assert.deepEqual(new Set(sent), new Set(there(1)));
        }
      }
    }
  });
}

test('a real server that left takes no new connection, nor one that begins again', async () => {
  const asked = KINDS['rr']!;
  using director = new PacketDirector();
  waiting(director);
  await director.publish([asked], {}, SMALL);
  const before = openFlows(director, asked);
  await director.publish([{ ...asked, destinations: asked.destinations.slice(1) }], {}, SMALL);
  const caller = new Caller(director, asked);
  const again = PORTS[before.indexOf('31')]!;
  assert.match(caller.send(again, 'S')!, /^3[23]$/);
  for (let port = 3000; port < 3010; port += 1) {
    assert.match(caller.send(port, 'S')!, /^3[23]$/);
  }
});

test('with "unresolved: move" the flows of a real server that left go to others at once', async () => {
  const asked: Service = { ...KINDS['rr']!, unresolved: 'move' };
  using director = new PacketDirector();
  waiting(director);
  await director.publish([asked], {}, SMALL);
  openFlows(director, asked);
  await director.publish([{ ...asked, destinations: asked.destinations.slice(1) }], {}, SMALL);
  assert.ok(follow(director, asked).every((each) => each === '32' || each === '33'));
});

test('a real server that is removed and back finds its silent flows again', async () => {
  const asked = KINDS['rr']!;
  using director = await PacketDirector.with([asked], {}, SMALL);
  const before = openFlows(director, asked);
  const [first, ...others] = asked.destinations;
  await director.publish([{ ...asked, destinations: others }], {}, SMALL);
  await director.publisher.sweep([]);
  // One flow sends meanwhile, and goes elsewhere.
  const moving = before.indexOf('31');
  const elsewhere = new Caller(director, asked).send(PORTS[moving]!, 'A');
  assert.match(elsewhere!, /^3[23]$/);
  await director.publish([{ ...asked, destinations: [...others, first!] }], {}, SMALL);
  await director.publisher.sweep([]);
  assert.deepEqual(
    follow(director, asked),
    before.map((each, i) => (i === moving ? elsewhere : each)),
  );
});

test('numbers are free when no flow refers to them any more, and ghosts vanish with them', async () => {
  const asked = service(VIP, 80, SERVERS, { scheduler: 'rr', timeouts: { established: 1, synReceived: 1 } });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const { publisher } = director;
  openFlows(director, asked);
  await director.publish([], {}, SMALL);
  assert.equal(publisher.image!.ghosts.length, 1);
  assert.equal(publisher.isDue, false);
  await sleep(3_500);
  await publisher.sweep([]);
  assert.equal(publisher.isDue, true);
  await director.publish([], {}, SMALL);
  assert.deepEqual([publisher.image!.ghosts, publisher.numbering.size, publisher.isDue], [[], 0, false]);
  assert.equal(goOn(director, asked, PORTS[0]!), 'pass');
});

test('a ghost hides no other service of its VIP', async () => {
  const asked = KINDS['rr']!;
  const every = service(VIP, 0, [ip('10.99.0.41')], { scheduler: 'rr' });
  const other = service(VIP, 443, [ip('10.99.0.42')]);
  using director = await PacketDirector.with([asked, every, other], {}, SMALL);
  openFlows(director, asked);
  await director.publish([every, other], {}, SMALL);
  assert.equal(goOn(director, asked, PORTS[0]!), 'drop');
  assert.equal(new Caller(director, asked).segments(5000, 'S', 'A', 'A'), '41');
  assert.equal(new Caller(director, other).segments(5000, 'S', 'A'), '42');
  assert.deepEqual(director.verdicts(), { 'service-gone': 1 });
});

test('a connection that is over begins anew at the host when its service is gone', async () => {
  const asked = KINDS['rr']!;
  using director = await PacketDirector.with([asked], {}, SMALL);
  new Caller(director, asked).segments(1000, 'S', 'A', 'FA', 'R');
  await director.publish([], {}, SMALL);
  assert.equal(director.send(frameOf(asked, { port: 1000 }, 'A')).action, 'drop');
  assert.equal(director.send(frameOf(asked, { port: 1000 }, 'S')).action, 'pass');
});

test('flows and numbers outlive maps that are replaced by larger ones', async () => {
  const asked = KINDS['rr']!;
  const many = Array.from({ length: 300 }, (_, i) =>
    service(ip(`10.98.${i >> 8}.${i & 255}`), 80, [ip(`10.97.${i >> 8}.${i & 255}`)], { scheduler: 'rr' }),
  );
  using director = await PacketDirector.with([asked], {}, SMALL);
  const before = openFlows(director, asked);
  await director.publish([], {}, SMALL);
  await director.publish(many, {}, { ipv4: 1 << 14, ipv6: 1 << 12 });
  assert.equal(goOn(director, asked, PORTS[0]!), 'drop');
  await director.publish([...many, asked], {}, { ipv4: 1 << 14, ipv6: 1 << 12 });
  assert.deepEqual(follow(director, asked), before);
});

test('a service that is back counts from zero, and its flows count with their real servers', async () => {
  const asked = KINDS['wlc']!;
  using director = await PacketDirector.with([asked], {}, SMALL);
  openFlows(director, asked);
  await director.publish([], {}, SMALL);
  await director.publish([asked], {}, SMALL);
  const [counted] = director.publisher.counters().services;
  assert.ok(counted!.destinations.every(({ packets, flows }) => packets === 0 && flows === 0));
  follow(director, asked);
  const packets = director.publisher.counters().services[0]!.destinations.map((each) => each.packets);
  assert.equal(
    packets.reduce((sum, each) => sum + each, 0),
    PORTS.length,
  );
});

test('under "track: moved" the host resets no connection of a service that was removed just now', async () => {
  for (const vip of [VIP, VIP6] as const) {
    const servers: readonly IpAddress[] = familyOf(vip) === 4 ? SERVERS : SERVERS6;
    const asked = service(vip, 80, servers, { track: 'moved' });
    using director = await PacketDirector.with([asked], {}, SMALL);
    const before = openFlows(director, asked);
    await director.publish([], {}, SMALL);
    assert.equal(goOn(director, asked, PORTS[0]!), 'drop');
    assert.equal(director.send(frameOf(asked, { port: 2000 }, 'S')).action, 'pass');
    await director.publish([asked], {}, SMALL);
    assert.deepEqual(follow(director, asked), before);
  }
});
