/** The real program's schedulers, persistence and thresholds: where new flows go, and where old ones stay. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { readNumbering } from '../../src/dataplane/index.js';
import * as layout from '../../src/layout/index.js';
import {
  type Destination,
  ip,
  type IpAddress,
  parseIp,
  PROTOCOLS,
  type Resolution,
  type Service,
} from '../../src/model/index.js';
import { Caller, frameOf, serverOf } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { recordedPlacements, recordedServices } from '../support/ipvs-golden.js';
import { service } from '../support/models.js';

const VIP = ip('10.99.0.10');
const VIP6 = ip('fd99::10');
const [ONE, TWO, THREE] = [ip('10.99.0.31'), ip('10.99.0.32'), ip('10.99.0.33')] as const;
const [ONE6, TWO6, THREE6] = [ip('fd99::31'), ip('fd99::32'), ip('fd99::33')] as const;
/** Too short to reach the real tables' sizes: tests are about who is chosen, not about room. */
const FLOWS = { ipv4: 1 << 12, ipv6: 1 << 12 };

type Servers = Parameters<typeof service>[2];

/** A director with one service, and a client that calls it. */
async function directorOf(
  servers: Servers,
  rest: Partial<Service>,
): Promise<{ director: PacketDirector; caller: Caller; asked: Service } & Disposable> {
  const { address = VIP, port = 80, ...others } = rest;
  const asked = service(address, port, servers, others);
  const director = await PacketDirector.with([asked], {}, FLOWS);
  return {
    director,
    caller: new Caller(director, asked),
    asked,
    [Symbol.dispose]: () => {
      director.close();
    },
  };
}

/** The same service with a destination changed. */
function changed(asked: Service, address: string, change: Partial<Destination>): Service {
  return {
    ...asked,
    destinations: asked.destinations.map((each) => (each.address === address ? { ...each, ...change } : each)),
  };
}

function without(asked: Service, address: string): Service {
  return { ...asked, destinations: asked.destinations.filter((each) => each.address !== address) };
}

async function republish(director: PacketDirector, services: Service[], except = {}): Promise<void> {
  await director.publish(services, except, FLOWS);
}

test('rr takes turns, beginning with the destination that was added last', async () => {
  using it = await directorOf([ONE, TWO, THREE], { scheduler: 'rr' });
  assert.equal(it.caller.open(1000, 7), '33 32 31 33 32 31 33');
  // Packets of flows that are open take no turn.
  assert.equal(it.caller.segments(1000, 'A', 'A', 'FA'), '33');
  assert.equal(it.caller.open(2000, 3), '32 31 33');
});

test('rr continues at its place when a destination is added or removed', async () => {
  using it = await directorOf([ONE, TWO, THREE], { scheduler: 'rr' });
  assert.equal(it.caller.open(1000, 1), '33');
  await republish(it.director, [without(it.asked, TWO)]);
  assert.equal(it.caller.open(2000, 3), '31 33 31');
});

test('wrr takes turns as recorded from IPVS', async () => {
  using three = await directorOf(
    [
      [ONE, 3],
      [TWO, 1],
    ],
    { scheduler: 'wrr' },
  );
  assert.equal(three.caller.open(1000, 9), '32 31 31 31 32 31 31 31 32');
  using five = await directorOf(
    [
      [ONE, 5],
      [TWO, 3],
      [THREE, 2],
    ],
    { scheduler: 'wrr' },
  );
  assert.equal(five.caller.open(1000, 20), '33 32 31 31 31 32 31 33 32 31 33 32 31 31 31 32 31 33 32 31');
});

test('a drained destination takes no new flow, and the flows it has stay', async () => {
  for (const scheduler of ['rr', 'wrr', 'lc', 'wlc', 'sed', 'nq', 'fo', 'ovf', 'lblc', 'lblcr', 'twos'] as const) {
    using it = await directorOf(
      [
        [ONE, 50],
        [TWO, 50],
      ],
      { scheduler },
    );
    const ports = Array.from({ length: 40 }, (_, i) => 1000 + i);
    const before = ports.map((port) => it.caller.segments(port, 'S', 'A'));
    // The real servers that have flows; under some schedulers only one has.
    const drained = before[0] === '31' ? ONE : TWO;
    const other = before[0] === '31' ? '32' : '31';
    await republish(it.director, [changed(it.asked, drained, { weight: 0 })]);
    const opened = new Set(ports.map((port) => it.caller.send(port + 1000)));
    assert.deepEqual([...opened], [other], scheduler);
    assert.deepEqual(
      ports.map((port) => it.caller.send(port, 'A')),
      before,
      scheduler,
    );
  }
});

test('wlc divides flows by weight, and inactive flows hardly count', async () => {
  using it = await directorOf(
    [
      [ONE, 1],
      [TWO, 3],
    ],
    { scheduler: 'wlc' },
  );
  // 32 wins ties: 0/3 of 0/1, then 256/3, 512/3 of 256/1, and 768/3 of 256/1 again.
  assert.equal(it.caller.open(1000, 6), '32 31 32 32 32 31');
  it.caller.segments(1001, 'A', 'FA');
  it.caller.segments(1005, 'A', 'FA');
  // 31: two inactive. Then 256 + 2 of 4·256/3.
  assert.equal(it.caller.open(2000, 3), '31 31 32');
});

test('lc counts flows, whatever the weights', async () => {
  using it = await directorOf(
    [
      [ONE, 100],
      [TWO, 1],
      [THREE, 1],
    ],
    { scheduler: 'lc' },
  );
  assert.equal(it.caller.open(1000, 6), '33 32 31 33 32 31');
  it.caller.segments(1002, 'A', 'FA');
  it.caller.segments(1005, 'A', 'R');
  assert.equal(it.caller.open(2000, 3), '31 31 33');
});

test('sed counts the new flow too', async () => {
  using it = await directorOf(
    [
      [ONE, 1],
      [TWO, 3],
    ],
    { scheduler: 'sed' },
  );
  assert.equal(it.caller.open(1000, 8), '32 32 32 31 32 32 32 31');
  // 1/3 is left of 32's six, of 31's two nothing: 2/3, then 3/3 against 1/1.
  [0, 1, 2, 4, 5].forEach((i) => it.caller.segments(1000 + i, 'A', 'FA'));
  [3, 7].forEach((i) => it.caller.segments(1000 + i, 'A', 'FA'));
  assert.equal(it.caller.open(2000, 3), '32 32 31');
});

test('nq leaves no destination idle', async () => {
  using it = await directorOf(
    [
      [ONE, 1],
      [TWO, 3],
    ],
    { scheduler: 'nq' },
  );
  assert.equal(it.caller.open(1000, 5), '32 31 32 32 32');
  it.caller.segments(1001, 'A', 'FA');
  assert.equal(it.caller.open(2000, 2), '31 32');
});

test('fo sends everything to the heaviest, ovf until that has more flows than its weight', async () => {
  const servers: Servers = [
    [ONE, 2],
    [TWO, 3],
  ];
  using fo = await directorOf(servers, { scheduler: 'fo' });
  assert.equal(fo.caller.open(1000, 6), '32 32 32 32 32 32');
  await republish(fo.director, [changed(fo.asked, TWO, { weight: 0 })]);
  assert.equal(fo.caller.open(2000, 2), '31 31');
  using ovf = await directorOf(servers, { scheduler: 'ovf' });
  assert.equal(ovf.caller.open(1000, 8), '32 32 32 32 31 31 31 -');
  ovf.caller.segments(1000, 'A', 'FA');
  assert.equal(ovf.caller.open(2000, 2), '32 -');
});

test("dh sends all clients' flows to one real server, and to no other when that takes none", async () => {
  using it = await directorOf([ONE, TWO, THREE], { scheduler: 'dh' });
  const servers = Array.from({ length: 50 }, (_, i) => it.caller.send({ address: ip(`10.50.3.${i}`), port: 1000 + i }));
  assert.equal(new Set(servers).size, 1);
  const [chosen] = servers;
  const address = [ONE, TWO, THREE].find((each) => each.endsWith(`.${chosen!}`))!;
  await republish(it.director, [changed(it.asked, address, { weight: 0 })]);
  assert.equal(it.caller.open(2000, 3), '- - -');
});

test('lblc switches, and lblcr adds a destination, when the one in use has more flows than its weight', async () => {
  const servers: Servers = [
    [ONE, 2],
    [TWO, 2],
  ];
  using lblc = await directorOf(servers, { scheduler: 'lblc' });
  assert.equal(lblc.caller.open(1000, 9), '32 32 32 31 31 31 31 31 31');
  using lblcr = await directorOf(servers, { scheduler: 'lblcr' });
  assert.equal(lblcr.caller.open(1000, 9), '32 32 32 31 31 31 31 32 31');
});

test('UDP flows count as inactive: 256 of them weigh as much as one TCP connection', async () => {
  using it = await directorOf([ONE, TWO], { scheduler: 'lc', protocol: 'udp' });
  assert.equal(it.caller.open(1000, 4), '32 31 32 31');
  assert.deepEqual(loadsOf(it.director), { [ONE]: [0, 2, 0], [TWO]: [0, 2, 0] });
});

test('a destination with nearly all flows still takes new ones if the others take none', async () => {
  // More than any other load a scheduler might begin its search with.
  for (const scheduler of ['lc', 'wlc', 'sed', 'nq', 'lblc', 'lblcr', 'fo', 'twos'] as const) {
    using it = await directorOf([ONE], { scheduler });
    const [[, number]] = [...numbersOf(it.director)] as [[string, number]];
    using loads = it.director.publisher.set!.maps.get('loads')!.mmap('write');
    loads.store32(number * layout.load.byteLength + layout.load.flows.offset, (1 << 24) - 1);
    assert.equal(it.caller.send(1000), '31', scheduler);
  }
});

test('twos draws in proportion to weights whose sum has more than 32 bits', async () => {
  const weight = 2 ** 31 - 1;
  using it = await directorOf(
    [
      [ONE, weight],
      [TWO, weight],
      [THREE, weight],
    ],
    { scheduler: 'twos', protocol: 'udp', onePacket: true },
  );
  const counts: Record<string, number> = { 31: 0, 32: 0, 33: 0 };
  for (let i = 0; i < 9000; i += 1) {
    counts[it.caller.send(1000)!]! += 1;
  }
  Object.values(counts).forEach((count) => {
    assert.ok(Math.abs(count - 3000) < 300, JSON.stringify(counts));
  });
});

test('a destination at its threshold takes no new flow, and serves the ones it has', async () => {
  using it = await directorOf([ONE, TWO], { scheduler: 'rr' });
  await republish(it.director, [changed(it.asked, TWO, { upperThreshold: 2 })]);
  assert.equal(it.caller.open(1000, 8), '32 31 32 31 31 31 31 31');
  assert.equal(it.caller.send(1000, 'A'), '32');
  assert.equal(it.caller.send(1002, 'A'), '32');
});

test('after a threshold is lifted new flows come at once, even if the program was loaded again meanwhile', async () => {
  for (const again of [false, true]) {
    using it = await directorOf([ONE, TWO], { scheduler: 'rr' });
    const limited = changed(it.asked, TWO, { upperThreshold: 1 });
    await republish(it.director, [limited]);
    assert.equal(it.caller.open(1000, 4), '32 31 31 31');
    if (again) {
      // Another feature, for a while.
      await republish(it.director, [limited, service(VIP, 81, [ONE], { ttl: 'decrement' })]);
      await republish(it.director, [limited]);
      assert.equal(it.caller.open(2000, 2), '31 31');
    }
    await republish(it.director, [it.asked]);
    assert.equal(it.caller.open(3000, 4), '32 31 32 31');
  }
});

test('a destination at its threshold still takes flows of its persistent clients', async () => {
  using it = await directorOf([ONE, TWO], { scheduler: 'rr', persistence: { timeout: 360 } });
  await republish(it.director, [changed(it.asked, TWO, { upperThreshold: 1 })]);
  assert.equal(it.caller.segments(1000, 'S', 'A'), '32');
  assert.equal(it.caller.send({ address: ip('10.50.0.2'), port: 1000 }), '31');
  assert.equal(it.caller.send({ address: ip('10.50.0.3'), port: 1000 }), '31');
  assert.equal(it.caller.send(1001), '32');
});

test('a threshold counts flows, and no templates: when they are too many, and when they are few again', async () => {
  const cases = ([4, 6] as const).flatMap((family) =>
    PROTOCOLS.flatMap((protocol) =>
      [undefined, { timeout: 300 }].flatMap((persistence) =>
        [undefined, 4].map((lowerThreshold) => ({ family, protocol, persistence, lowerThreshold })),
      ),
    ),
  );
  const services = cases.map(({ family, protocol, persistence, lowerThreshold }, i) => {
    const [vip, server] = family === 4 ? [VIP, ONE] : [VIP6, ONE6];
    const rest = { protocol, persistence, scheduler: 'rr', timeouts: { established: 1, udp: 1 } } as const;
    return changed(service(vip, 80 + i, [server], rest), server, { upperThreshold: 4, lowerThreshold });
  });
  using director = await PacketDirector.with(services, {}, FLOWS);
  const callers = services.map((asked) => new Caller(director, asked));
  const opened = (client: number): string[] =>
    callers.map((caller, i) => {
      const address = ip(cases[i]!.family === 4 ? `10.50.0.${client}` : `fd50::${client}`);
      return caller.segments({ address, port: 1000 }, 'S', 'A', 'A') ?? '-';
    });
  const clients = [1, 2, 3, 4, 5];
  assert.deepEqual(
    clients.map(opened),
    clients.map((client) => cases.map(() => (client < 5 ? '31' : '-'))),
  );
  // More than a unit of the data path's time, and a second one that may just have begun: the flows are over.
  await sleep(3_000);
  await director.publisher.sweep([]);
  assert.deepEqual(
    opened(6),
    cases.map(() => '31'),
  );
});

test('if all destinations are at their thresholds, a new flow is refused', async () => {
  using it = await directorOf([ONE], { scheduler: 'wlc' });
  await republish(it.director, [changed(it.asked, ONE, { upperThreshold: 1 })]);
  assert.equal(it.caller.open(1000, 3), '31 - -');
  assert.deepEqual(it.director.verdicts('tcp 10.99.0.10:80'), { 'no-destination': 2 });
});

test('sh gives new flows of a destination at its threshold no other, and with sh-fallback it does', async () => {
  for (const [flags, instead] of [
    [[], undefined],
    [['sh-fallback'], 'other'],
  ] as const) {
    using it = await directorOf([ONE, TWO], { scheduler: 'sh', flags });
    const full = it.caller.send(1000);
    const other = full === '31' ? '32' : '31';
    const address = full === '31' ? ONE : TWO;
    await republish(it.director, [changed(it.asked, address, { upperThreshold: 1 })]);
    // Its flows count from their second packet on: a flood of SYNs brings no real server to its threshold.
    assert.equal(it.caller.send(1000), full);
    assert.equal(it.caller.segments(1001, 'S', 'A'), full);
    assert.equal(it.caller.send(1002), instead === undefined ? undefined : other);
    assert.equal(it.caller.send(1001, 'A'), full);
    // The flow that went elsewhere stays there, although its slot leads to the first.
    assert.equal(it.caller.send(1002, 'A'), instead === undefined ? full : other);
  }
});

test('a handshake completes at its real server even if that reaches or leaves its threshold meanwhile', async () => {
  for (const [scheduler, flags] of [
    ['maglev', []],
    ['sh', ['sh-fallback', 'sh-port']],
    ['mh', ['mh-fallback', 'mh-port']],
  ] as const) {
    using it = await directorOf([ONE, TWO], { scheduler, flags });
    const ports = Array.from({ length: 40 }, (_, i) => 1000 + i);
    const own = ports.map((port) => it.caller.send(port));
    await republish(it.director, [changed(it.asked, ONE, { upperThreshold: 1 })]);
    // The first of them to answer brings it there.
    assert.deepEqual(
      ports.map((port) => it.caller.send(port, 'A')),
      own,
      scheduler,
    );
    if (scheduler !== 'maglev') {
      // Their SYNs had entries before there was a threshold: as in IPVS, it is the next flow that brings it there.
      const next = Array.from({ length: 40 }, (_, i) => it.caller.send(3000 + i));
      assert.equal(next.filter((server) => server === '31').length, 1, scheduler);
    }
    const others = ports.map((port) => port + 1000);
    assert.deepEqual(
      others.map((port) => it.caller.send(port)),
      ports.map(() => '32'),
      scheduler,
    );
    await republish(it.director, [it.asked]);
    assert.deepEqual(
      others.map((port) => it.caller.send(port, 'A')),
      ports.map(() => '32'),
      scheduler,
    );
  }
});

test('one-packet scheduling: each datagram is scheduled by itself, and nothing is remembered', async () => {
  using it = await directorOf([ONE, TWO], { scheduler: 'rr', protocol: 'udp', onePacket: true });
  const sent = Array.from({ length: 5 }, () => it.caller.send(1000));
  assert.deepEqual(sent, ['32', '31', '32', '31', '32']);
  const counted = it.director.publisher.counters().services[0]!.destinations;
  assert.deepEqual(
    counted.map(({ packets, flows }) => [packets, flows]),
    [
      [3, 3],
      [2, 2],
    ],
  );
  assert.deepEqual(loadsOf(it.director), { [ONE]: [0, 0, 0], [TWO]: [0, 0, 0] });
});

test('without one-packet scheduling, datagrams of one client port stay at one real server', async () => {
  using it = await directorOf([ONE, TWO], { scheduler: 'rr', protocol: 'udp' });
  const sent = Array.from({ length: 5 }, () => it.caller.send(1000));
  assert.deepEqual(sent, ['32', '32', '32', '32', '32']);
});

test('the program places flows under sh and mh as in the recordings of the kernel', async () => {
  const services = recordedServices();
  using director = await PacketDirector.with(services, {}, FLOWS);
  for (const { vip, port, client, server } of recordedPlacements()) {
    const asked = services.find((each) => each.address === vip && each.port === port)!;
    assert.equal(serverOf(director, frameOf(asked, client)), server, `${client.address}:${client.port} to ${port}`);
  }
});

test("persistence: all of a client's flows reach one real server, other clients take turns", async () => {
  for (const family of [4, 6] as const) {
    const [address, servers] = family === 4 ? [VIP, [ONE, TWO, THREE]] : [VIP6, [ONE6, TWO6, THREE6]];
    const client = (host: number): IpAddress => (family === 4 ? ip(`10.50.0.${host}`) : ip(`fd50::${host}`));
    using it = await directorOf(servers, { address, scheduler: 'rr', persistence: { timeout: 360 } });
    const firsts = [1, 2, 3, 4].map((host) => it.caller.send({ address: client(host), port: 1000 }));
    assert.deepEqual(firsts, ['33', '32', '31', '33'], `IPv${family}`);
    for (let port = 1001; port < 1020; port += 1) {
      [1, 2, 3, 4].forEach((host, i) => {
        assert.equal(it.caller.segments({ address: client(host), port }, 'S', 'A'), firsts[i]);
      });
    }
  }
});

test('persistence with a mask: the clients of a network count as one, those of another do not', async () => {
  using it = await directorOf([ONE, TWO], {
    scheduler: 'rr',
    persistence: { timeout: 360, mask: ip('255.255.255.0') },
  });
  const from = (address: string): string | undefined => it.caller.send({ address: ip(address), port: 1000 });
  assert.equal(from('10.50.0.1'), '32');
  assert.equal(from('10.50.0.255'), '32');
  assert.equal(from('10.50.1.1'), '31');
  assert.equal(from('10.50.0.77'), '32');
  assert.equal(from('10.50.1.200'), '31');
  using it6 = await directorOf([ONE6, TWO6], {
    address: VIP6,
    scheduler: 'rr',
    persistence: { timeout: 360, mask: 60 },
  });
  const from6 = (address: string): string | undefined => it6.caller.send({ address: parseIp(address)!, port: 1000 });
  assert.equal(from6('fd50:0:0:10::1'), '32');
  assert.equal(from6('fd50:0:0:1f:ffff::1'), '32');
  assert.equal(from6('fd50:0:0:20::1'), '31');
  assert.equal(from6('fd50:0:0:11::2'), '32');
});

test('persistent clients stay at a drained real server, and no other client goes there', async () => {
  for (const family of [4, 6] as const) {
    const [address, servers] = family === 4 ? [VIP, [ONE, TWO]] : [VIP6, [ONE6, TWO6]];
    const client = (host: number): IpAddress => (family === 4 ? ip(`10.50.0.${host}`) : ip(`fd50::${host}`));
    using it = await directorOf(servers, { address, scheduler: 'rr', persistence: { timeout: 360 } });
    assert.equal(it.caller.segments({ address: client(1), port: 1000 }, 'S', 'A'), '32');
    await republish(it.director, [changed(it.asked, servers[1]!, { weight: 0 })]);
    assert.equal(it.caller.send({ address: client(1), port: 1001 }), '32', `IPv${family}`);
    assert.equal(it.caller.send({ address: client(2), port: 1000 }), '31');
    assert.equal(it.caller.send({ address: client(3), port: 1000 }), '31');
  }
});

test('persistence on port 0 keeps flows to different ports together', async () => {
  for (const protocol of ['tcp', 'udp'] as const) {
    using it = await directorOf([ONE, TWO], { port: 0, protocol, scheduler: 'rr', persistence: { timeout: 360 } });
    const [one, other] = [
      { address: ip('10.50.0.1'), port: 1000 },
      { address: ip('10.50.0.2'), port: 1000 },
    ];
    assert.equal(it.caller.send(one, 'S', 80), '32');
    assert.equal(it.caller.send(other, 'S', 80), '31');
    assert.equal(it.caller.send(one, 'S', 443), '32');
    assert.equal(it.caller.send({ ...one, port: 1001 }, 'S', 21), '32');
    assert.equal(it.caller.send(other, 'S', 443), '31');
  }
});

test('persistence of one service does not affect another service', async () => {
  const persistence = { timeout: 360 };
  const services = [80, 81].map((port) => service(VIP, port, [ONE, TWO], { scheduler: 'rr', persistence }));
  using director = await PacketDirector.with(services, {}, FLOWS);
  const [one, other] = services.map((each) => new Caller(director, each));
  assert.equal(one!.send({ address: ip('10.50.0.1'), port: 1000 }), '32');
  assert.equal(other!.send({ address: ip('10.50.0.9'), port: 1000 }), '32');
  assert.equal(other!.send({ address: ip('10.50.0.1'), port: 1001 }), '31');
  assert.equal(one!.send({ address: ip('10.50.0.1'), port: 1002 }), '32');
});

test('under hashing schedulers, persistent clients stay when the table changes', async () => {
  for (const scheduler of ['maglev', 'sh', 'mh'] as const) {
    using it = await directorOf([ONE, TWO], { scheduler, persistence: { timeout: 360 } });
    const clients = Array.from({ length: 60 }, (_, i) => ip(`10.50.1.${i}`));
    const before = clients.map((address) => it.caller.segments({ address, port: 1000 }, 'S', 'A'));
    await republish(it.director, [
      { ...it.asked, destinations: [...it.asked.destinations, { address: THREE, weight: 1 }] },
    ]);
    const after = clients.map((address) => it.caller.send({ address, port: 1001 }));
    assert.deepEqual(after, before, scheduler);
  }
});

test('a flow whose real server is removed, or stops answering and holds none, is rescheduled once, at once', async () => {
  const gone: Resolution = { state: 'unresolved', reason: 'a test' };
  for (const scheduler of ['rr', 'wlc', 'sh', 'maglev'] as const) {
    for (const how of ['removed', 'dead'] as const) {
      using it = await directorOf([ONE, TWO, THREE], { scheduler, unresolved: 'move' });
      const ports = Array.from({ length: 30 }, (_, i) => 1000 + i);
      const clients = ports.map((port, i) => ({ address: ip(`10.50.2.${i}`), port }));
      const before = clients.map((client) => it.caller.segments(client, 'S', 'A'));
      assert.ok(before.includes('32'));
      await (how === 'removed'
        ? republish(it.director, [without(it.asked, TWO)])
        : republish(it.director, [it.asked], { [TWO]: gone }));
      const after = clients.map((client) => it.caller.send(client, 'A'));
      after.forEach((server, i) => {
        const fine = before[i] === '32' ? server === '31' || server === '33' : server === before[i];
        assert.ok(fine, `${scheduler}, ${how}: from ${before[i]!} to ${server!}`);
      });
      // Also when the old one is back.
      await republish(it.director, [it.asked]);
      assert.deepEqual(
        clients.map((client) => it.caller.send(client, 'A')),
        after,
        `${scheduler}, ${how}`,
      );
    }
  }
});

/** Destination numbers by address, as the maps say. */
function numbersOf(director: PacketDirector): ReadonlyMap<string, number> {
  const [numbers] = readNumbering(director.publisher.set!.memory).values();
  return numbers!.destinations;
}

/** Active, inactive and persistent flows of the only service's destinations. */
function loadsOf(director: PacketDirector): Record<string, number[]> {
  using loads = director.publisher.set!.maps.get('loads')!.mmap('read');
  return Object.fromEntries(
    [...numbersOf(director)].map(([address, number]) => {
      const at = number * layout.load.byteLength + layout.load.flows.offset;
      return [address, [0, 4, 8].map((offset) => loads.load32(at + offset))];
    }),
  );
}
