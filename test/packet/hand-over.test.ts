/** Flow hand-over between two directors' real tables: what is told, what is taken, and whose packets count. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'node:test';

import {
  type CollectedPage,
  FlowHandOver,
  FLOW_RECORD_BYTES,
  listFlows,
  type Taken,
} from '../../src/dataplane/index.js';
import {
  type Family,
  familyOf,
  ip,
  type IpAddress,
  type MarkService,
  type Model,
  parseMarkMatch,
  type Service,
} from '../../src/model/index.js';
import type { Mapping } from '../../src/libbpf/index.js';
import { Caller } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { service, worldOf } from '../support/models.js';

const VIPS: Readonly<Record<Family, IpAddress>> = { 4: ip('10.99.0.10'), 6: ip('fd99::10') };
const SERVERS: Readonly<Record<Family, readonly IpAddress[]>> = {
  4: [ip('10.99.0.31'), ip('10.99.0.32'), ip('10.99.0.33')],
  6: [ip('fd99::31'), ip('fd99::32'), ip('fd99::33')],
};
const SMALL = { ipv4: 1 << 14, ipv6: 1 << 14 };
const PAGE = 1 << 12;

/** A director that hands its flows over, or takes them. */
class Side implements Disposable {
  readonly director = new PacketDirector();
  readonly handOver = new FlowHandOver((work) => this.director.publisher.betweenSweeps(work));

  static async with(model: Pick<Model, 'services' | 'markServices' | 'markRules' | 'flows'>): Promise<Side> {
    const side = new Side();
    const servers = [...model.services, ...(model.markServices ?? [])] as readonly Service[];
    await side.director.publishModel({ flows: SMALL, ...model }, worldOf(servers));
    return side;
  }

  /** Tells the other side of what it does not know. Returns what became of it. */
  async tell(
    other: Side,
    { all = false, families = [4, 6] as readonly Family[] } = {},
  ): Promise<Taken & { told: number }> {
    const sum = { told: 0, added: 0, changed: 0, kept: 0, unknown: 0, noRoom: 0, wrong: 0 };
    for (const family of families) {
      for (let from: number | undefined = 0; from !== undefined;) {
        const page: CollectedPage = (await this.handOver.collect(family, from, PAGE, all))!;
        const taken = (await other.handOver.take(page.names, page))!;
        sum.told += page.count;
        for (const key of Object.keys(taken) as (keyof Taken)[]) {
          sum[key] += taken[key];
        }
        from = page.next;
      }
    }
    return sum;
  }

  async entries(family: Family): Promise<string[]> {
    const { flows } = await listFlows(this.director.publisher.set!, family, {}, 0, 1 << 20);
    const servers = new Map(
      [...this.director.publisher.numbering.values()].flatMap(({ destinations }) =>
        [...destinations].map(([address, number]) => [number, address] as const),
      ),
    );
    return flows
      .map(({ client, clientPort, port, state, destination }) =>
        [client, clientPort, port, state, servers.get(destination)].join(' '),
      )
      .sort();
  }

  active(asked: Service): number[] {
    const { publisher } = this.director;
    const numbers = publisher.numbering.get(`${asked.protocol} ${format(asked)}`)!.destinations;
    return SERVERS[familyOf(asked.address)].map((address) =>
      publisher.set!.memory.load32('loads', 0, numbers.get(address)! * 32),
    );
  }

  [Symbol.dispose](): void {
    this.director.close();
  }
}

function format({ address, port }: Service): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Ten neighbours: schedulers, persistence, protocols, families. */
const CASES: readonly (readonly [string, Family, Partial<Service>])[] = [
  ['rr', 4, { scheduler: 'rr' }],
  ['wlc over IPv6', 6, { scheduler: 'wlc' }],
  ['lc', 4, { scheduler: 'lc' }],
  ['sed', 4, { scheduler: 'sed' }],
  ['rr with UDP', 4, { scheduler: 'rr', protocol: 'udp' }],
  ['wrr with UDP over IPv6', 6, { scheduler: 'wrr', protocol: 'udp' }],
  ['a persistent service', 4, { scheduler: 'rr', persistence: { timeout: 300 } }],
  ['a persistent service over IPv6, by networks', 6, { scheduler: 'wlc', persistence: { timeout: 300, mask: 64 } }],
  ['maglev that remembers every flow', 4, { scheduler: 'maglev', track: 'all' }],
  ['lblcr', 4, { scheduler: 'lblcr' }],
];

test('a flow that was handed over goes on at its real server, whatever the other director would choose', async (context) => {
  for (const [name, family, rest] of CASES) {
    await context.test(name, async () => {
      const asked = service(VIPS[family], 80, SERVERS[family], rest);
      const beside = service(VIPS[family], 81, SERVERS[family], { scheduler: 'rr' });
      // Other numbers on the other side, and a real server that the first does not have.
      using master = await Side.with({ services: [asked] });
      using standby = await Side.with({
        services: [beside, { ...asked, destinations: asked.destinations.toReversed() }],
      });
      const here = new Caller(master.director, asked);
      const there = new Caller(standby.director, asked);
      const ports = Array.from({ length: 12 }, (_, i) => 1000 + i);
      const clients = ports.map((port) => ({ port, address: clientOf(family, port) }));
      const went = clients.map((client) => here.segments(client, 'S', 'A', 'A'));
      assert.ok(new Set(went).size > 1, 'they went to several');
      const told = await master.tell(standby);
      assert.equal(told.added, told.told);
      assert.deepEqual(await standby.entries(family), await master.entries(family));
      assert.deepEqual(standby.active(asked), master.active(asked), 'connections are counted');
      assert.deepEqual(
        clients.map((client) => there.send(client, 'A')),
        went,
      );
      if (rest.persistence !== undefined) {
        const next = clients.map((client) => ({ ...client, port: client.port + 5000 }));
        assert.deepEqual(
          next.map((client) => there.send(client, 'S')),
          went,
          'new flows of the same clients too',
        );
      }
    });
  }
});

function clientOf(family: Family, i: number): IpAddress {
  return family === 4 ? ip(`10.50.${i % 200}.1`) : ip(`fd50:0:0:${(i % 200) + 1}::1`);
}

test('what the other director knows is not told again, until it changes or grows old', async () => {
  const asked = service(VIPS[4], 80, SERVERS[4], { scheduler: 'rr', timeouts: { established: 8 } });
  using master = await Side.with({ services: [asked] });
  using standby = await Side.with({ services: [asked] });
  const caller = new Caller(master.director, asked);
  caller.open(1000, 20);
  assert.equal((await master.tell(standby)).told, 20);
  assert.equal((await master.tell(standby)).told, 0);
  caller.segments(1000, 'A', 'A');
  assert.deepEqual(await tellCounts(master, standby), { told: 1, changed: 1 });
  caller.send(1000, 'FA');
  assert.deepEqual(await tellCounts(master, standby), { told: 1, changed: 1 });
  caller.segments(1001, 'A', 'A');
  await master.tell(standby);
  // Nothing comes back from whoever was told.
  assert.equal((await standby.tell(master)).told, 0);
  await sleep(1_500);
  caller.send(1001, 'A');
  await master.tell(standby);
  await sleep(3_500);
  caller.send(1001, 'A');
  assert.deepEqual(await tellCounts(master, standby), { told: 1, changed: 1 }, 'its time is older than a quarter');
  const repeated = await master.tell(standby, { all: true });
  assert.deepEqual([repeated.told, repeated.kept], [20, 20]);
});

async function tellCounts(from: Side, to: Side): Promise<object> {
  const { told, changed } = await from.tell(to);
  return { told, changed };
}

test('an entry of its own is never overwritten by what another director knew before', async () => {
  for (const family of [4, 6] as const) {
    const asked = service(VIPS[family], 80, SERVERS[family], { scheduler: 'rr' });
    using one = await Side.with({ services: [asked] });
    using other = await Side.with({ services: [asked] });
    const [first, second] = [new Caller(one.director, asked), new Caller(other.director, asked)];
    first.segments(1000, 'S', 'A', 'A');
    // The same client port here, at another real server and at the same time: both are right where they are.
    second.open(900, 1);
    const went = second.segments(1000, 'S', 'A', 'A');
    assert.notEqual(went, first.send(1000, 'A'));
    const told = await one.tell(other, { families: [family] });
    assert.deepEqual([told.told, told.kept], [1, 1]);
    assert.equal(second.send(1000, 'A'), went);
  }
});

test('the director whose packet was the later one is right when the directors come together again', async () => {
  const asked = service(VIPS[4], 80, SERVERS[4], { scheduler: 'rr' });
  using before = await Side.with({ services: [asked] });
  using after = await Side.with({ services: [asked] });
  const [first, second] = [new Caller(before.director, asked), new Caller(after.director, asked)];
  first.segments(1000, 'S', 'A', 'A');
  await sleep(4_500);
  second.open(900, 1);
  const went = second.segments(1000, 'S', 'A', 'A');
  assert.equal((await before.tell(after)).kept, 1, 'the older one is not taken');
  assert.equal((await after.tell(before)).changed, 1, 'the later one is');
  assert.equal(first.send(1000, 'A'), went);
  assert.deepEqual(before.active(asked), after.active(asked));
});

test('a flow of marked packets is handed over by its entry, and its client by the template of the mark', async () => {
  const rules = ['tcp:10.99.0.10:80', 'tcp:10.99.0.11:81', 'udp:10.99.0.11:*'].map((text) => ({
    mark: 1,
    match: parseMarkMatch(text)!,
  }));
  const marked: MarkService = {
    ...{ mark: 1, family: 4, scheduler: 'rr', persistence: { timeout: 300 } },
    destinations: SERVERS[4].map((address) => ({ address, weight: 1 })),
  };
  const before = service(ip('10.99.0.9'), 80, SERVERS[4], { scheduler: 'rr' });
  const model = { markServices: [marked], markRules: rules };
  using master = await Side.with({ ...model, services: [] });
  using standby = await Side.with({ ...model, services: [before] });
  const web = { address: VIPS[4], port: 80, protocol: 'tcp' } as const;
  const dns = { address: ip('10.99.0.11'), port: 53, protocol: 'udp' } as const;
  const clients = Array.from({ length: 6 }, (_, i) => ({ port: 1000, address: clientOf(4, i) }));
  const went = clients.map((client) => new Caller(master.director, web).segments(client, 'S', 'A', 'A'));
  assert.equal(new Set(went).size, 3);
  // One of the standby's own: its scheduler is at another place.
  new Caller(standby.director, web).send({ port: 1, address: clientOf(4, 100) });
  const { told, added } = await master.tell(standby);
  assert.deepEqual([told, added], [12, 12]);
  assert.deepEqual(
    clients.map((client) => new Caller(standby.director, web).send(client, 'A')),
    went,
  );
  assert.deepEqual(
    clients.map(({ address }) => new Caller(standby.director, dns).send({ port: 2000, address })),
    went,
    'by another VIP and protocol of the mark',
  );
});

test('a packet that stores its own entry while its flow is taken over keeps it', async () => {
  const asked = service(VIPS[4], 80, SERVERS[4], { scheduler: 'rr' });
  using master = await Side.with({ services: [asked] });
  using standby = await Side.with({ services: [asked] });
  const { publisher } = standby.director;
  new Caller(master.director, asked).segments(1000, 'S', 'A', 'A');
  const own = publisher.numbering.get('tcp 10.99.0.10:80')!.destinations.get(SERVERS[4][2]!)!;
  // Another CPU had looked for the flow before it was there, and stores it now, in the same bucket.
  const handOver = new FlowHandOver((work) =>
    publisher.betweenSweeps((between) =>
      work({
        ...between,
        gracePeriod: async () => {
          storeTwin(publisher.set!.memory.mapping('flows4'), own);
          return between.gracePeriod();
        },
      }),
    ),
  );
  const page = (await master.handOver.collect(4, 0, PAGE, true))!;
  assert.equal((await handOver.take(page.names, page))!.added, 1);
  const entries = await standby.entries(4);
  assert.deepEqual(entries, ['10.50.0.1 1000 80 established 10.99.0.33']);
  await publisher.sweep([]);
  assert.deepEqual(standby.active(asked), [0, 0, 1]);
});

/** Stores the one flow of a table a second time, with another destination. */
function storeTwin(table: { read: Mapping['read']; write: Mapping['write'] }, number: number): void {
  const words = new BigUint64Array(table.read(0, new Uint8Array(1 << 17)).buffer);
  const at = words.findIndex((word, i) => i % 2 === 1 && word !== 0n);
  const bucket = at - (at % 16);
  const free = Array.from({ length: 8 }, (_, way) => bucket + 2 * way + 1).find((place) => words[place] === 0n)!;
  const data = (words[at]! & ~(0xfffffn << 28n)) | (BigInt(number) << 28n);
  table.write((free - 1) * 8, new Uint8Array(new BigUint64Array([words[at - 1]!, data]).buffer));
}

test('flows of services and real servers that the other director does not have are left out, and counted', async () => {
  const asked = service(VIPS[4], 80, SERVERS[4], { scheduler: 'rr' });
  const only = service(VIPS[4], 81, SERVERS[4], { scheduler: 'rr' });
  const moved = service(VIPS[4], 82, SERVERS[4]);
  const single = service(VIPS[4], 83, SERVERS[4], { scheduler: 'rr', protocol: 'udp', onePacket: true });
  using master = await Side.with({ services: [asked, only, moved, single] });
  using standby = await Side.with({ services: [{ ...asked, destinations: asked.destinations.slice(0, 2) }, moved] });
  for (const each of [asked, only, moved, single]) {
    new Caller(master.director, each).open(1000, 9);
  }
  const { told, added, unknown } = await master.tell(standby);
  assert.deepEqual({ told, added, unknown }, { told: 18, added: 6, unknown: 12 });
});

test('a table takes flows over beyond its first extent, and never more than nine in ten entries', async () => {
  const asked = service(VIPS[6], 80, SERVERS[6], { scheduler: 'rr' });
  using master = await Side.with({ services: [asked], flows: { ipv4: 1024, ipv6: 1 << 16 } });
  using standby = await Side.with({ services: [asked], flows: { ipv4: 1024, ipv6: 1 << 14 } });
  const caller = new Caller(master.director, asked);
  for (let port = 1; port <= 20_000; port += 1) {
    caller.send({ address: ip('fd50::1'), port }, 'S');
  }
  const { told, added, noRoom } = await master.tell(standby, { families: [6] });
  // A few gave way to others in full buckets, or were too old on a busy machine.
  assert.ok(told > 19_900, `${told} were told`);
  assert.equal(added + noRoom, told);
  assert.ok(added <= 0.9 * (1 << 14), `${added} were added`);
  assert.ok(added > 0.7 * (1 << 14), `${added} were added`);
  const found = await standby.entries(6);
  assert.equal(found.length, added);
  const back = await standby.tell(master, { families: [6] });
  // But for those that made room in a full bucket.
  assert.ok(back.told < added / 5, `${back.told} flows were told back, although their entries have moved`);
});

test('records that no flow can have are counted as wrong, and nothing else happens', async () => {
  const asked = service(VIPS[4], 80, SERVERS[4], { scheduler: 'rr' });
  using master = await Side.with({ services: [asked] });
  using standby = await Side.with({ services: [asked] });
  new Caller(master.director, asked).open(1000, 1);
  const page = (await master.handOver.collect(4, 0, PAGE, true))!;
  const bytes = FLOW_RECORD_BYTES[4];
  const at = (offset: number, value: number): Uint8Array => {
    const record = page.records.slice(0, bytes);
    record[offset] = value;
    return record;
  };
  const states = [0, 8, 12, 16, 255, 4].map((state) => at(10, state));
  const bad = Buffer.concat([...states, at(11, 1)]);
  const taken = (await standby.handOver.take(page.names, { ...page, records: bad }))!;
  assert.deepEqual([taken.wrong, taken.added], [7, 0]);
  const far = Buffer.concat([at(9, 0xff), at(15, 0xff)]);
  assert.equal((await standby.handOver.take(page.names, { ...page, records: far }))!.unknown, 2);
  await assert.rejects(
    Promise.resolve(standby.handOver.take(page.names, { ...page, records: bad.subarray(1) })),
    /not whole/,
  );
  assert.deepEqual(await standby.entries(4), []);
});
