/** The real program on packets that open nothing: later fragments, ICMP errors, TCP headers that are cut into fragments. */

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  ip,
  type IpAddress,
  SCHEDULERS,
  type Service,
  isHashing,
  familyOf,
  serviceName,
} from '../../src/model/index.js';
import { fragmentHeader, icmpError, ipv4Fragment, replyBeginning, withExtensions } from '../../src/packet/index.js';
import { Caller, type Client, frameOf, serverOf } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { CLIENT_MAC, DIRECTOR, service } from '../support/models.js';

const [VIP, VIP6] = [ip('10.99.0.10'), ip('fd99::10')] as const;
const SERVERS = [ip('10.99.0.31'), ip('10.99.0.32'), ip('10.99.0.33')] as const;
const SERVERS6 = [ip('fd99::31'), ip('fd99::32'), ip('fd99::33')] as const;
const SMALL = { ipv4: 1 << 12, ipv6: 1 << 12 };
const FAMILIES = [4, 6] as const;

/** A fragment of the packet of 64 bytes of payload that a client sends. */
function fragmentOf(asked: Service, client: Client, id: number, part: 'first' | 'middle' | 'last'): Uint8Array {
  const whole = frameOf(asked, client, 'S', asked.port, new Uint8Array(64));
  const [offset, more] = { first: [0, true], middle: [1448, true], last: [2896, false] }[part] as [number, boolean];
  return familyOf(asked.address) === 4
    ? ipv4Fragment(whole, offset, more, id)
    : withExtensions(whole, [fragmentHeader(offset, more, id)]);
}

/** An ICMP error about a packet that the service sent to a client: it needs fragmentation, or is too big. */
function errorAbout(asked: Service, client: Client): Uint8Array {
  const { address: vip, protocol, port } = asked;
  const ipv4 = familyOf(vip) === 4;
  const address = client.address ?? (ipv4 ? ip('10.50.0.1') : ip('fd50::1'));
  return icmpError({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    router: ipv4 ? ip('10.9.9.9') : ip('fd09::9'),
    vip,
    type: ipv4 ? 3 : 2,
    quoted: replyBeginning(vip, port, address, client.port, protocol === 'tcp' ? 6 : 17),
  });
}

/** What packets leave behind, but for their counters: flows, loads, and how far the schedulers have come. */
function memoryOf(director: PacketDirector): Buffer {
  const parts = ['flows4', 'flows6', 'loads', 'cursors'].map((name) => {
    using memory = director.publisher.set!.maps.get(name)!.mmap('read');
    return memory.read(0, Buffer.alloc(memory.byteLength));
  });
  return Buffer.concat(parts);
}

function last(address: IpAddress | undefined): string {
  return address?.split(/[.:]/).at(-1) ?? '-';
}

/** Every scheduler with each of some policies, as services on ports of their own: a program is loaded once for all. */
function servicesFor(family: 4 | 6, policies: readonly Partial<Service>[], weight = 1): Service[] {
  const [vip, servers] = family === 4 ? ([VIP, SERVERS] as const) : ([VIP6, SERVERS6] as const);
  const all = policies.flatMap((policy) => SCHEDULERS.map((scheduler) => ({ ...policy, scheduler })));
  return all.map((policy, i) =>
    service(
      vip,
      100 + i,
      servers.map((address) => [address, weight] as const),
      policy,
    ),
  );
}

function describe({ scheduler, protocol, persistence, onePacket, address }: Service): string {
  return JSON.stringify({ scheduler, protocol, persistence, onePacket, address });
}

const ONE_PACKET: Partial<Service> = { protocol: 'udp', onePacket: true };
const TRACKED: readonly Partial<Service>[] = [
  {},
  { protocol: 'udp' },
  { persistence: { timeout: 300 } },
  { protocol: 'udp', persistence: { timeout: 300 } },
];

test('all fragments of a datagram go to one server under one-packet scheduling, and take one turn together', async () => {
  const services = FAMILIES.flatMap((family) => servicesFor(family, [ONE_PACKET]));
  using whole = await PacketDirector.with(services, {}, SMALL);
  using director = await PacketDirector.with(services, {}, SMALL);
  const clients = Array.from({ length: 12 }, (_, i) => ({ port: 1000 + i * 37 }));
  for (const [index, asked] of services.entries()) {
    const turns = clients.map((client) => last(serverOf(whole, frameOf(asked, client))));
    const send = (part: 'first' | 'middle' | 'last'): string[] =>
      clients.map((client, id) => last(serverOf(director, fragmentOf(asked, client, index * 100 + id, part))));
    // All first fragments, then all others: the turns in between are of other datagrams.
    for (const part of ['first', 'middle', 'last'] as const) {
      assert.deepEqual(send(part), turns, `${describe(asked)}, ${part}`);
    }
  }
  for (const { name, destinations } of director.publisher.counters().services) {
    const flows = destinations.reduce((sum, each) => sum + each.flows, 0);
    const isMaglev = services.find((each) => serviceName(each) === name)!.scheduler === 'maglev';
    assert.equal(flows, isMaglev ? 0 : 12, `${name}: a datagram counts once`);
  }
});

test('a later fragment whose first went nowhere is not scheduled, and neither is one of another packet', async () => {
  for (const [vip, servers] of [
    [VIP, SERVERS],
    [VIP6, SERVERS6],
  ] as const) {
    const asked = service(vip, 53, servers, { scheduler: 'rr', ...ONE_PACKET });
    using director = await PacketDirector.with([asked], {}, SMALL);
    assert.equal(director.send(fragmentOf(asked, { port: 1000 }, 7, 'last')).action, 'drop');
    assert.deepEqual(director.verdicts(), { early: 1 });
    assert.equal(last(serverOf(director, fragmentOf(asked, { port: 1000 }, 7, 'first'))), '33');
    assert.equal(director.send(fragmentOf(asked, { port: 1000 }, 8, 'last')).action, 'drop');
    // The server is gone meanwhile: the rest of the datagram is of no use to another.
    const left = { ...asked, destinations: asked.destinations.slice(0, 2) };
    await director.publish([left], {}, SMALL);
    assert.equal(director.send(fragmentOf(left, { port: 1000 }, 7, 'last')).action, 'pass');
  }
});

test('ICMP errors about unknown flows change nothing and are never scheduled by themselves', async () => {
  const services = FAMILIES.flatMap((family) => servicesFor(family, [...TRACKED, ONE_PACKET]));
  using director = await PacketDirector.with(services, {}, SMALL);
  for (const asked of services) {
    // Another client, so that there is something to change.
    const address = familyOf(asked.address) === 4 ? ip('10.60.0.1') : ip('fd60::1');
    new Caller(director, asked).segments({ address, port: 1 }, 'S', 'A');
  }
  const before = memoryOf(director);
  for (const asked of services) {
    for (let port = 1000; port < 1006; port += 1) {
      // A hash tells where the flow is if there is one; nothing else does.
      const goes = serverOf(director, errorAbout(asked, { port })) !== undefined;
      assert.equal(goes, isHashing(asked.scheduler), describe(asked));
    }
    assert.equal(director.verdicts(serviceName(asked))['no-flow'] ?? 0, isHashing(asked.scheduler) ? 0 : 6);
  }
  assert.ok(before.equals(memoryOf(director)));
});

test("ICMP errors find their flow's server: by its entry, by the client's other flows, by its slot", async () => {
  // So heavy that ovf takes all flows.
  const services = FAMILIES.flatMap((family) => servicesFor(family, TRACKED, 50));
  using director = await PacketDirector.with(services, {}, { ipv4: 1 << 14, ipv6: 1 << 14 });
  for (const asked of services) {
    const caller = new Caller(director, asked);
    for (let port = 1000; port < 1012; port += 1) {
      // Only a SYN so far: under maglev it left no entry.
      const server = caller.send(port) ?? '-';
      assert.equal(last(serverOf(director, errorAbout(asked, { port }))), server, describe(asked));
    }
  }
});

test("an error about a persistent client's flow that left no entry goes where the client's other flows are", async () => {
  const services = FAMILIES.flatMap((family) => servicesFor(family, TRACKED.slice(2)));
  using director = await PacketDirector.with(services, {}, SMALL);
  const servers = services.map((asked) => new Caller(director, asked).segments(1000, 'S', 'A'));
  const before = memoryOf(director);
  for (const [i, asked] of services.entries()) {
    for (let port = 2000; port < 2012; port += 1) {
      assert.equal(last(serverOf(director, errorAbout(asked, { port }))), servers[i], describe(asked));
    }
  }
  assert.ok(before.equals(memoryOf(director)));
});

test("an error about a flow whose real server is gone moves no turn and no client's template", async () => {
  const services = FAMILIES.flatMap((family) => servicesFor(family, TRACKED));
  using director = await PacketDirector.with(services, {}, SMALL);
  const servers = services.map((asked) => new Caller(director, asked).segments(1000, 'S', 'A', 'A'));
  const rest = services.map((asked, i) => ({
    ...asked,
    destinations: asked.destinations.filter(({ address }) => last(address) !== servers[i]),
  }));
  await director.publish(rest, {}, SMALL);
  const before = memoryOf(director);
  for (const asked of rest) {
    director.send(errorAbout(asked, { port: 1000 }));
  }
  assert.ok(before.equals(memoryOf(director)));
});

/** The first fragment of a client's TCP packet, cut off behind so many bytes of TCP. */
function cut(asked: Service, port: number, flags: string, bytes: number): Uint8Array {
  return ipv4Fragment(frameOf(asked, { port }, flags), 0, true, port & 0xff).slice(0, 34 + bytes);
}

test('a first TCP fragment of eight bytes or more follows its flow (RFC 791)', async () => {
  const services = servicesFor(4, [{}]);
  using director = await PacketDirector.with(services, {}, SMALL);
  for (const asked of services.filter(({ scheduler }) => scheduler !== 'ovf')) {
    const caller = new Caller(director, asked);
    for (let bytes = 8; bytes <= 20; bytes += 1) {
      const port = 1000 + bytes;
      const server = caller.segments(port, 'S', 'A', 'A');
      assert.equal(last(serverOf(director, cut(asked, port, 'A', bytes))), server, `${describe(asked)}, ${bytes}`);
      // The rest of its packet.
      const later = ipv4Fragment(frameOf(asked, { port }), 8, false, port & 0xff);
      assert.equal(last(serverOf(director, later)), server, `${describe(asked)}, ${bytes}`);
    }
  }
  for (let bytes = 0; bytes < 8; bytes += 1) {
    assert.equal(director.send(cut(services[0]!, 1020, 'A', bytes)).action, 'drop');
  }
  assert.deepEqual(director.verdicts(), { truncated: 8 });
});

test('a SYN in a first fragment opens a flow where its flags are there, and without them nothing does', async () => {
  const asked = service(VIP, 80, SERVERS, { scheduler: 'rr' });
  using director = await PacketDirector.with([asked], {}, SMALL);
  assert.equal(serverOf(director, cut(asked, 1000, 'S', 13)), undefined);
  assert.deepEqual(director.verdicts('tcp 10.99.0.10:80'), { 'no-flow': 1 });
  assert.equal(last(serverOf(director, cut(asked, 1000, 'S', 14))), '33');
  assert.equal(new Caller(director, asked).send(1000, 'A'), '33');
});

test("a fragment's TCP header without flags neither ends a flow nor goes on with it", async () => {
  const asked = service(VIP, 80, SERVERS, { scheduler: 'rr' });
  using director = await PacketDirector.with([asked], {}, SMALL);
  new Caller(director, asked).segments(1000, 'S', 'A');
  const before = memoryOf(director);
  assert.notEqual(serverOf(director, cut(asked, 1000, 'R', 13)), undefined);
  assert.ok(before.equals(memoryOf(director)));
});

test("IPv6's first fragments have the whole TCP header, or are dropped (RFC 7112)", async () => {
  const asked = service(VIP6, 80, SERVERS6, { scheduler: 'rr' });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const first = withExtensions(frameOf(asked, { port: 1000 }), [fragmentHeader(0, true, 9)]);
  assert.equal(director.send(first.slice(0, -1)).action, 'drop');
  assert.deepEqual(director.verdicts(), { truncated: 1 });
  assert.equal(last(serverOf(director, first)), '33');
});
