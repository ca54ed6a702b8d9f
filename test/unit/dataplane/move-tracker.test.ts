/** Histories of changes of real servers: how long they are kept, and how a restarted daemon uses them. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { type Histories, historiesFormat } from '../../../src/dataplane/histories.js';
import { MoveTracker } from '../../../src/dataplane/move-tracker.js';
import type { Counters } from '../../../src/dataplane/index.js';
import { compile, type CompiledService, forProtocol, type Image, SLOT_MARKED } from '../../../src/image/index.js';
import { ip, type IpAddress, type MarkService, type Service, serviceName } from '../../../src/model/index.js';
import { decode, encode, type Store } from '../../../src/store/index.js';
import { service as serviceOf, worldOf } from '../../support/models.js';
import { folderFor, NOW, storeAt } from '../../support/store.js';

const VIP = ip('192.168.1.100');
const [A, B, C] = [ip('10.0.0.1'), ip('10.0.0.2'), ip('10.0.0.3')] as const;
/** In milliseconds: how long flows may be silent, and handshakes take. */
const [SILENCE, HANDSHAKE] = [900_000, 60_000];

type Servers = Parameters<typeof serviceOf>[2];

function attach(tracker: MoveTracker, services: readonly Service[], now: number): Image {
  return tracker.attach(compile({ services }, worldOf(services)), now);
}

function one(tracker: MoveTracker, servers: Servers, now: number, rest: Partial<Service> = {}): CompiledService {
  return attach(tracker, [serviceOf(VIP, 80, servers, rest)], now).services[0]!;
}

/** How many slots are marked, and how many have each previous owner. */
function countOf({ previous, destinations }: CompiledService): Record<string, number> {
  const counts: Record<string, number> = {};
  previous?.forEach((value) => {
    const name = value === SLOT_MARKED ? 'marked' : destinations[value]?.address;
    if (name !== undefined) {
      counts[name] = (counts[name] ?? 0) + 1;
    }
  });
  return counts;
}

function ownersOf({ ring, destinations }: CompiledService): string[] {
  return Array.from(ring!, (index) => destinations[index]!.address);
}

test('if every flow is remembered, moved slots are forgotten after the time of a handshake', () => {
  const tracker = new MoveTracker(undefined, false);
  one(tracker, [A, B], 0);
  const moved = one(tracker, [A, B, C], 1000);
  assert.deepEqual(Object.keys(countOf(moved)).sort(), [A, B]);
  assert.equal(tracker.until, 1000 + HANDSHAKE);
  const after = one(tracker, [A, B, C], 1000 + HANDSHAKE);
  assert.equal(after.previous, undefined, 'so that services share rings again, and no sweep looks at slots');
  assert.equal(tracker.until, Infinity);
});

test('services with the same real servers share the moved slots of their ring', () => {
  const tracker = new MoveTracker(undefined, false);
  const asked = (servers: Servers): Service[] => [80, 81].map((port) => serviceOf(VIP, port, servers));
  attach(tracker, asked([A, B]), 0);
  const [first, other] = attach(tracker, asked([A, B, C]), 1000).services;
  assert.notEqual(first?.previous, undefined);
  assert.equal(first?.ring, other?.ring);
  assert.equal(first?.previous, other?.previous);
});

test('a round without a change returns the same service objects', () => {
  const tracker = new MoveTracker(undefined, false);
  const services = [serviceOf(VIP, 80, [A, B], { track: 'moved' })];
  attach(tracker, [serviceOf(VIP, 80, [A], { track: 'moved' })], 0);
  const [first] = attach(tracker, services, 1000).services;
  assert.notEqual(first?.previous, undefined);
  assert.equal(attach(tracker, services, 2000).services[0], first);
});

test("a slot's mark goes when a sweep that began after its window found no flow under it", () => {
  const tracker = new MoveTracker(undefined, false);
  const services = [serviceOf(VIP, 80, [A, B], { track: 'moved' })];
  one(tracker, [A], 0, { track: 'moved' });
  const during = attach(tracker, services, 1000).services[0]!;
  const none = (): Uint8Array => new Uint8Array(during.ring!.length);
  assert.equal(tracker.setOccupied(during, none()), false, 'flows are stored there yet');
  const after = attach(tracker, services, 1000 + SILENCE).services[0]!;
  assert.ok(countOf(after)['marked']! > 0, 'one may have been stored since the sweep');
  assert.equal(tracker.setOccupied(during, none()), false, 'the sweep began before');
  assert.equal(tracker.setOccupied(after, none()), true);
  assert.equal(attach(tracker, services, 2000 + SILENCE).services[0]!.previous, undefined);
});

test('a few slots without flows cause no publication, but an eighth of all slots does', () => {
  const tracker = new MoveTracker(undefined, false);
  const services = [serviceOf(VIP, 80, [A, B], { track: 'moved' })];
  one(tracker, [A], 0, { track: 'moved' });
  attach(tracker, services, 1000);
  const after = attach(tracker, services, 1000 + SILENCE).services[0]!;
  const marked = countOf(after)['marked']!;
  const freeing = (count: number): Uint8Array => {
    let left = count;
    return Uint8Array.from(after.previous!, (value) => (value === SLOT_MARKED && left-- > 0 ? 0 : 1));
  };
  assert.equal(tracker.setOccupied(after, freeing(1)), false);
  assert.equal(tracker.setOccupied(after, freeing(Math.ceil(marked / 8))), true);
});

test('a service that switches to "track: moved" still finds the flows that it remembers', () => {
  for (const { before, after } of [
    { before: { track: 'all' }, after: { track: 'moved' } },
    { before: { track: 'all' }, after: { track: 'moved', scheduler: 'mh' } },
    { before: { track: 'moved', scheduler: 'sh' }, after: { track: 'moved', scheduler: 'sh', flags: ['sh-port'] } },
  ] as const) {
    const tracker = new MoveTracker(undefined, false);
    one(tracker, [A, B], 0, before);
    const gone = one(tracker, [A, B], 1_000_000, after);
    assert.deepEqual(countOf(gone), { marked: gone.ring!.length }, JSON.stringify(after));
    tracker.setOccupied(gone, new Uint8Array(gone.ring!.length));
    assert.equal(one(tracker, [A, B], 1_002_000, after).previous, undefined);
  }
});

test('results of a sweep are discarded when the service switches to "track: all"', () => {
  const tracker = new MoveTracker(undefined, false);
  one(tracker, [A], 0, { track: 'moved' });
  one(tracker, [A, B], 1000, { track: 'moved' });
  const marked = one(tracker, [A, B], 1000 + SILENCE, { track: 'moved' });
  tracker.setOccupied(marked, new Uint8Array(marked.ring!.length));
  one(tracker, [A, B], 2000 + SILENCE, { track: 'all' });
  const again = one(tracker, [A, B], 3000 + SILENCE, { track: 'moved' });
  assert.deepEqual(countOf(again), { marked: again.ring!.length });
});

test('flows without an entry keep their real servers for the whole window, also after a switch to "track: all"', () => {
  const tracker = new MoveTracker(undefined, false);
  const owners = ownersOf(one(tracker, [A, B], 0, { track: 'moved' }));
  one(tracker, [A, B], 100_000, { track: 'all' });
  // A handshake's time after this change there are still flows of before the other one.
  one(tracker, [A, B, C], 500_000, { track: 'all' });
  const then = one(tracker, [A, B, C], 100_000 + SILENCE - 1, { track: 'all' });
  then.previous!.forEach((value, slot) => {
    const leads = ownersOf(then)[slot];
    assert.equal(then.destinations[value]?.address, leads === owners[slot] ? undefined : owners[slot]);
  });
  assert.equal(one(tracker, [A, B, C], 100_000 + SILENCE, { track: 'all' }).previous, undefined);
});

/** Counters that a test moves on by hand: packets of each real server, by service. */
class Traffic {
  readonly #packets = new Map<IpAddress, number>();
  /** Packets that no real server took. */
  refused = 0;

  send(address: IpAddress, packets = 1): void {
    this.#packets.set(address, (this.#packets.get(address) ?? 0) + packets);
  }

  /** The counters as the data path gives them, for the services of an image. */
  read(services: readonly Service[]): Counters {
    return {
      services: services.map((each) => ({
        name: serviceName(each),
        destinations: each.destinations.map(({ address }) => ({
          address,
          packets: this.#packets.get(address) ?? 0,
          bytes: 0,
          flows: 0,
        })),
        verdicts: this.refused === 0 ? {} : { 'no-destination': this.refused },
      })),
      noService: {},
    };
  }
}

/** A tracker, its counters, and the services that it was given last. */
class Watched {
  readonly tracker = new MoveTracker(undefined, false);
  readonly traffic = new Traffic();
  readonly #rest: Partial<Service>;
  #services: readonly Service[] = [];

  constructor(rest: Partial<Service> = {}) {
    this.#rest = rest;
  }

  /** Publishes. `meanwhile` happens after the counters were read and before packets follow. */
  publish(servers: Servers, now: number, meanwhile: () => void = () => undefined): CompiledService {
    const read = (): Counters => this.traffic.read(this.#services);
    const services = [serviceOf(VIP, 80, servers, this.#rest)];
    const image = this.tracker.attach(compile({ services }, worldOf(services)), now, read);
    meanwhile();
    this.#services = services;
    this.tracker.confirm(now, read);
    return image.services[0]!;
  }

  /** The daemon looks at the counters now and then. */
  look(now: number): void {
    this.tracker.note(this.traffic.read(this.#services), now);
  }
}

test('a service that commands build step by step has no moved slots, because no packet came meanwhile', () => {
  for (const rest of [{}, { track: 'moved' }, { scheduler: 'sh' }, { scheduler: 'mh', track: 'moved' }] as const) {
    const watched = new Watched(rest);
    // ipvsadm -A, and -a for each real server; then -e.
    for (const [i, servers] of [[], [A], [A, B], [A, B, C], [[A, 0] as const, B, C]].entries()) {
      assert.equal(watched.publish(servers, i * 1000).previous, undefined, JSON.stringify([rest, servers]));
    }
  }
});

test('what a service was between two commands is no history unless packets came then', () => {
  for (const track of ['all', 'moved'] as const) {
    const watched = new Watched({ track });
    const before = ownersOf(watched.publish([A, B], 0));
    watched.traffic.send(A, 10);
    watched.publish([B], 1000);
    const back = watched.publish([A, B], 2000);
    assert.equal(back.previous, undefined, 'as before the two commands');
    const moved = watched.publish([A, B, C], 3000);
    const owners = ownersOf(moved);
    moved.previous!.forEach((value, slot) => {
      assert.equal(moved.destinations[value]?.address, owners[slot] === before[slot] ? undefined : before[slot]);
    });
    // Packets that no real server took count too.
    watched.traffic.refused += 1;
    watched.publish([A, C], 4000);
    watched.traffic.send(C);
    assert.notEqual(watched.publish([A, B, C], 5000).previous, undefined);
  }
});

test('packets between the reading and the switch put the state before back, for the next round', () => {
  for (const track of ['all', 'moved'] as const) {
    const watched = new Watched({ track });
    const before = ownersOf(watched.publish([A, B], 0));
    const first = watched.publish([A, B, C], 1000, () => {
      watched.traffic.send(A);
    });
    assert.equal(first.previous, undefined);
    assert.equal(watched.tracker.until, 1000, 'another round follows at once');
    const second = watched.publish([A, B, C], 1000);
    const owners = ownersOf(second);
    second.previous!.forEach((value, slot) => {
      assert.equal(second.destinations[value]?.address, owners[slot] === before[slot] ? undefined : before[slot]);
    });
  }
});

test('if every flow is remembered, a change moves no slots when no handshake can be under way', () => {
  const watched = new Watched();
  watched.publish([A, B], 0);
  watched.traffic.send(A, 5);
  watched.look(2000);
  watched.look(2000 + HANDSHAKE);
  assert.notEqual(watched.publish([A, B, C], 2000 + HANDSHAKE).previous, undefined, 'one may just be');
  watched.look(3000 + HANDSHAKE);
  watched.look(4000 + 2 * HANDSHAKE);
  assert.equal(watched.publish([A, C], 4000 + 2 * HANDSHAKE).previous, undefined);
});

test('a service that does not remember every flow keeps its moved slots, however quiet it is', () => {
  const watched = new Watched({ track: 'moved' });
  watched.publish([A, B], 0);
  watched.traffic.send(A, 5);
  watched.look(2000);
  watched.look(4000 + HANDSHAKE);
  assert.notEqual(watched.publish([A, B, C], 4000 + HANDSHAKE).previous, undefined);
});

test('a change that was not published is no state that packets can have seen', () => {
  const watched = new Watched({ track: 'moved' });
  const before = ownersOf(watched.publish([A, B], 0));
  watched.traffic.send(A, 5);
  const services = [serviceOf(VIP, 80, [B], { track: 'moved' })];
  watched.tracker.attach(compile({ services }, worldOf(services)), 1000, () => watched.traffic.read(services));
  watched.tracker.revert();
  const moved = watched.publish([A, B, C], 2000);
  const owners = ownersOf(moved);
  moved.previous!.forEach((value, slot) => {
    assert.equal(moved.destinations[value]?.address, owners[slot] === before[slot] ? undefined : before[slot]);
  });
});

test('under sh, mh and UDP every flow has an entry with "track: all", so that no slot has a previous owner', () => {
  for (const rest of [
    { scheduler: 'sh' },
    { scheduler: 'mh', flags: ['mh-port'] },
    { protocol: 'udp' },
    { protocol: 'udp', scheduler: 'sh' },
  ] as const) {
    const tracker = new MoveTracker(undefined, false);
    one(tracker, [A, B], 0, rest);
    assert.equal(one(tracker, [A, B, C], 1000, rest).previous, undefined, JSON.stringify(rest));
    assert.equal(one(tracker, [[A, 0], B, C], 2000, rest).previous, undefined);
    assert.equal(tracker.until, Infinity);
    // Flows of before a switch to it may have none.
    const switched = new MoveTracker(undefined, false);
    one(switched, [A, B], 0, { ...rest, track: 'moved' });
    assert.notEqual(one(switched, [A, B, C], 1000, rest).previous, undefined);
  }
});

test('slots of a mark have previous owners for TCP alone: every UDP flow has an entry', () => {
  const tracker = new MoveTracker(undefined, false);
  const attachMark = (servers: readonly IpAddress[], now: number): CompiledService => {
    const destinations = servers.map((address) => ({ address, weight: 1 }));
    const markServices: MarkService[] = [{ mark: 1, family: 4, scheduler: 'maglev', destinations }];
    const world = worldOf([serviceOf(VIP, 80, servers)]);
    return tracker.attach(compile({ services: [], markServices }, world), now).services[0]!;
  };
  attachMark([A, B], 0);
  const moved = attachMark([A, B, C], 1000);
  assert.notEqual(forProtocol(moved, 'tcp').previous, undefined);
  assert.equal(forProtocol(moved, 'udp').previous, undefined);
});

function historiesAt(path: string, said: string[] = []): Store<Histories> {
  return storeAt(path, historiesFormat, said);
}

/** The compiled service under a daemon that finds a file. */
function restarted(path: string, now: number, said: string[] = []): CompiledService {
  return one(new MoveTracker(historiesAt(path, said), true), [A, B, C], now, { track: 'moved' });
}

test('a change that was not published leaves no moved slot', async (context) => {
  const path = join(folderFor(context), 'history');
  const tracker = new MoveTracker(historiesAt(path), false);
  one(tracker, [A, B], 0, { track: 'moved' });
  await tracker.keep();
  const kept = readFileSync(path, 'utf8');
  one(tracker, [B], 1000, { track: 'moved' });
  await tracker.keep();
  assert.notEqual(readFileSync(path, 'utf8'), kept);
  tracker.revert();
  await tracker.keep();
  assert.equal(readFileSync(path, 'utf8'), kept);
  // Else A's slots would have B for their previous owner, who never had them.
  assert.equal(one(tracker, [A, B], 2000, { track: 'moved' }).previous, undefined);
});

test('a restarted daemon continues from the history file, and ignores one that is damaged', async (context) => {
  const path = join(folderFor(context), 'history');
  const tracker = new MoveTracker(historiesAt(path), false);
  one(tracker, [A, B], 0, { track: 'moved' });
  const moved = one(tracker, [A, B, C], 1000, { track: 'moved' });
  await tracker.keep();
  const histories = decode(historiesFormat, readFileSync(path), NOW);
  // As older daemons wrote it.
  const whole = JSON.stringify({ version: 1, services: histories });
  for (const content of [encode(historiesFormat, histories, NOW), whole]) {
    writeFileSync(path, content);
    assert.deepEqual(restarted(path, 2000).previous, moved.previous);
  }
  for (const text of [
    '',
    'null',
    '5',
    '[]',
    '{"version":1}',
    '{"version":1,"services":{"tcp 192.168.1.100:80":7}}',
    '{"version":1,"services":{"tcp 192.168.1.100:80":[]}}',
    '{"version":1,"services":{"tcp 192.168.1.100:80":[null]}}',
    '{"version":1,"services":{"tcp 192.168.1.100:80":[{"at":0,"members":[["x",1]]}]}}',
    whole.replaceAll(/"slots":\d+/g, '"slots":63'),
    whole.replaceAll('"maglev"', '"magnet"'),
    ...Array.from({ length: whole.length }, (_, length) => whole.slice(0, length)),
  ]) {
    assert.notEqual(text, whole);
    writeFileSync(path, text);
    const said: string[] = [];
    assert.equal(restarted(path, 2000, said).previous, undefined, text);
    assert.match(said.join(), /cannot be used: .*; the histories of moved slots in it are lost/);
  }
});

test('where no flows are left, their histories are not believed, and neither is the spare', async (context) => {
  const path = join(folderFor(context), 'history');
  for (const servers of [
    [A, B],
    [A, B, C],
  ]) {
    const tracker = new MoveTracker(historiesAt(path), false);
    one(tracker, servers, 0, { track: 'moved' });
    await tracker.keep();
  }
  assert.ok(!existsSync(`${path}.previous`));
  assert.equal(restarted(path, 2000).previous, undefined);
});

test('a history that cannot be written is reported and tried again, and delays no publication', async (context) => {
  const path = join(folderFor(context), 'history');
  const said: string[] = [];
  const store = historiesAt(path, said);
  const tracker = new MoveTracker(store, false);
  mkdirSync(`${path}.new`);
  one(tracker, [A, B], 0, { track: 'moved' });
  await tracker.keep();
  assert.notEqual(one(tracker, [A, B, C], 1000, { track: 'moved' }).previous, undefined);
  await tracker.keep();
  assert.match(store.problem!, /^histories of moved slots are in force, but cannot be kept/);
  assert.equal(said.length, 1);
  rmdirSync(`${path}.new`);
  while (store.problem !== undefined) {
    await sleep(5);
  }
  const moved = one(tracker, [A, B, C], 2000, { track: 'moved' });
  assert.deepEqual(restarted(path, 3000).previous, moved.previous);
});
