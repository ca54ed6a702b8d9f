/** Floods against the real program's tables of flows: new clients are served, and those who go on sending live. */

import assert from 'node:assert/strict';
import test from 'node:test';

import * as layout from '../../src/layout/index.js';
import { type Family, type FlowTableSizes, ip, type IpAddress, parseIp, type Service } from '../../src/model/index.js';
import { Caller, type Client, frameOf } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { service } from '../support/models.js';

const VIPS = { 4: ip('10.99.0.10'), 6: ip('fd99::10') } as const;
const SERVERS: Readonly<Record<Family, readonly (readonly [IpAddress, number])[]>> = {
  4: [31, 32, 33, 34].map((host) => [ip(`10.99.0.${host}`), host - 30] as const),
  6: [31, 32, 33, 34].map((host) => [ip(`fd99::${host}`), host - 30] as const),
};

/** The smallest tables that the issue names. */
const SMALL: FlowTableSizes = { ipv4: 4096, ipv6: 4096 };

const { flowState } = layout;

/** The states from here on are those of flows that last. */
const LASTING_FROM = flowState['udp-lasting'];

/** The packets that a flood sends under each forged address, by their flags; "" is a datagram. */
type Pattern = readonly string[];

const FLOODS: readonly { readonly name: string; readonly protocol: 'tcp' | 'udp'; readonly pattern: Pattern }[] = [
  { name: 'SYNs', protocol: 'tcp', pattern: ['S'] },
  { name: 'SYN and ACK', protocol: 'tcp', pattern: ['S', 'A'] },
  { name: 'ACKs', protocol: 'tcp', pattern: ['A'] },
  { name: 'handshakes and data', protocol: 'tcp', pattern: ['S', 'A', 'A'] },
  { name: 'resets', protocol: 'tcp', pattern: ['S', 'A', 'R'] },
  { name: 'datagrams', protocol: 'udp', pattern: [''] },
  { name: 'pairs of datagrams', protocol: 'udp', pattern: ['', ''] },
];

/** Each kind of scheduler, and under UDP one of each kind of code. */
function servicesOf(family: Family, protocol: 'tcp' | 'udp'): Service[] {
  const kinds: Partial<Service>[] = [
    { scheduler: 'rr' },
    { scheduler: 'wlc' },
    { scheduler: 'twos' },
    { scheduler: 'lblc' },
    { scheduler: 'maglev', track: 'all' },
    { scheduler: 'sh' },
    { scheduler: 'wlc', persistence: { timeout: 360 } },
  ];
  const others: Partial<Service>[] = [
    { scheduler: 'wrr' },
    { scheduler: 'sed' },
    { scheduler: 'fo' },
    { scheduler: 'ovf' },
    { scheduler: 'dh' },
    { scheduler: 'lblcr' },
    { scheduler: 'mh' },
    { scheduler: 'rr', persistence: { timeout: 360 } },
  ];
  return (protocol === 'tcp' ? [...kinds, ...others] : kinds).map((kind, i) =>
    service(VIPS[family], 8000 + i, SERVERS[family], { ...kind, protocol }),
  );
}

/** Forged clients, each another one: the frames of a pattern, with addresses and ports that count up. */
class Flood {
  readonly #director: PacketDirector;
  readonly #frames: readonly { readonly data: Uint8Array; readonly view: DataView }[];
  readonly #addressAt: number;
  readonly #portAt: number;
  #sent = 0;

  constructor(director: PacketDirector, asked: Service, pattern: Pattern) {
    this.#director = director;
    this.#frames = pattern.map((flags) => {
      const data = Uint8Array.from(frameOf(asked, { port: 1 }, flags));
      return { data, view: new DataView(data.buffer) };
    });
    // The last word of the source address, and the source port behind the IP header.
    [this.#addressAt, this.#portAt] = VIPS[4] === asked.address ? [26, 34] : [34, 54];
  }

  /** Sends the pattern under so many addresses. */
  send(clients: number): void {
    const { program } = this.#director.publisher.set!;
    for (const end = this.#sent + clients; this.#sent < end; this.#sent += 1) {
      for (const { data, view } of this.#frames) {
        view.setUint32(this.#addressAt, 0x0b00_0000 + this.#sent);
        view.setUint16(this.#portAt, 1024 + ((this.#sent * 7) & 0x7fff));
        program.run({ data });
      }
    }
  }
}

/** Calls a function with each entry's data, which it may replace. */
function eachEntry(director: PacketDirector, family: Family, change: (data: bigint) => bigint): void {
  const memory = director.publisher.set!.memory.mapping(`flows${family}`);
  const { byteLength, data } = family === 4 ? layout.flow4 : layout.flow6;
  const bytes = memory.read(0, Buffer.alloc(memory.byteLength));
  for (let at = data.offset; at < bytes.length; at += byteLength) {
    const word = bytes.readBigUInt64LE(at);
    if (word !== 0n) {
      bytes.writeBigUInt64LE(change(word), at);
    }
  }
  memory.write(0, bytes);
}

/** Ends all flows, as if the director had none so far. */
function clear(director: PacketDirector): void {
  const { memory } = director.publisher.set!;
  for (const name of ['flows4', 'flows6'] as const) {
    memory.mapping(name).write(0, Buffer.alloc(memory.mapping(name).byteLength));
  }
  const bytes = memory.mapping('loads');
  for (let at = layout.load.flows.offset; at < bytes.byteLength; at += layout.load.byteLength) {
    bytes.write(at, Buffer.alloc(layout.load.flows.size));
  }
}

/** Puts a forged client's handshake into each entry that is free: what a flood leaves, in place of its packets. */
function fill(director: PacketDirector, family: Family): void {
  const memory = director.publisher.set!.memory.mapping(`flows${family}`);
  const { byteLength, data } = family === 4 ? layout.flow4 : layout.flow6;
  const bytes = memory.read(0, Buffer.alloc(memory.byteLength));
  const mask = BigInt(layout.flowField['time-mask']);
  let time = 0n;
  eachEntry(director, family, (word) => {
    time = (word & mask) > time ? word & mask : time;
    return word;
  });
  const forged = (BigInt(flowState.unconfirmed) << 24n) | time;
  for (let at = 0; at < bytes.length; at += byteLength) {
    if (bytes.readBigUInt64LE(at + data.offset) === 0n) {
      bytes.writeBigUInt64LE(BigInt(at) + 1n, at);
      bytes.writeBigUInt64LE(forged, at + data.offset);
    }
  }
  memory.write(0, bytes);
}

/** Makes all entries so many units older, in place of waiting. */
function age(director: PacketDirector, units: number): void {
  const mask = BigInt(layout.flowField['time-mask']);
  for (const family of [4, 6] as const) {
    eachEntry(director, family, (word) => (word & ~mask) | ((word - BigInt(units)) & mask));
  }
}

/** How many entries have each state. */
function statesOf(director: PacketDirector): number[] {
  const counts = new Array<number>(layout.FLOW_STATES).fill(0);
  for (const family of [4, 6] as const) {
    eachEntry(director, family, (word) => {
      counts[Number(word >> 24n) & 15]! += 1;
      return word;
    });
  }
  return counts;
}

/** The flows that the destinations count, of all together, by class. */
function loads(director: PacketDirector): number[] {
  const bytes = director.publisher.set!.memory.mapping('loads');
  const sums = [0, 0, 0];
  for (let at = 0; at < bytes.byteLength; at += layout.load.byteLength) {
    sums.forEach((_, i) => {
      sums[i]! += bytes.load32(at + layout.load.flows.offset + i * 4);
    });
  }
  return sums;
}

/** What the loads must be: one for each entry. */
function countedEntries(director: PacketDirector): number[] {
  const counts = statesOf(director);
  const sum = (...states: (keyof typeof flowState)[]): number =>
    states.reduce((total, state) => total + counts[flowState[state]]!, 0);
  return [
    sum('syn-recv', 'unconfirmed', 'established', 'established-lasting'),
    sum('udp-new', 'udp', 'udp-lasting', 'close', 'time-wait', 'fin-wait'),
    sum('template-new', 'template', 'template-lasting'),
  ];
}

function clientOf(family: Family, network: number, host: number): Client {
  const address = family === 4 ? ip(`10.${network}.${host >> 8}.${host & 255}`) : parseIp(`fd60:${network}::${host}`)!;
  return { address, port: 2000 + host };
}

/** A client that goes on sending to one service, and the real server that it reached first. */
interface Living {
  readonly name: string;
  readonly client: Client;
  readonly caller: Caller;
  readonly server: string | undefined;
}

/** Opens flows of each service, and lets them send again later. */
function openLiving(director: PacketDirector, services: readonly Service[], family: Family, each: number): Living[] {
  const living = services.flatMap((asked, i) =>
    Array.from({ length: each }, (_, host) => {
      const caller = new Caller(director, asked);
      const client = clientOf(family, 60 + i, host);
      const server = caller.segments(client, 'S', 'A', 'A');
      return { name: `${asked.protocol} ${asked.scheduler}, IPv${family}, client ${host}`, client, caller, server };
    }),
  );
  age(director, 1);
  return living;
}

/** Opens one TCP flow of each service. */
function openYoung(director: PacketDirector, services: readonly Service[], family: Family): Living[] {
  return services
    .filter(({ protocol }) => protocol === 'tcp')
    .map((asked, i) => {
      const caller = new Caller(director, asked);
      const client = clientOf(family, 160 + i, 0);
      const server = caller.segments(client, 'S', 'A', 'A');
      return { name: `${asked.scheduler}, IPv${family}, young client`, client, caller, server };
    });
}

function checkLiving(living: readonly Living[], moment: string): void {
  for (const { name, client, caller, server } of living) {
    assert.notEqual(server, undefined, name);
    assert.equal(caller.send(client, 'A'), server, `${name}, ${moment}`);
  }
}

/** Sends requests of new clients while the flood goes on between their packets; each must reach one real server. */
function checkRequests(director: PacketDirector, flood: Flood, services: readonly Service[], family: Family): void {
  services.forEach((asked, i) => {
    const caller = new Caller(director, asked);
    for (let request = 0; request < (asked.scheduler === 'wlc' ? 20 : 4); request += 1) {
      const client = clientOf(family, 100 + i, request);
      const reached = ['S', 'A', 'A', 'A', 'FA', 'A'].map((flags) => {
        const server = caller.send(client, flags);
        // Now and then a client that is far away.
        flood.send(request % 5 === 0 ? 100 : 5);
        return server;
      });
      const name = `${asked.protocol} ${asked.scheduler}, IPv${family}, request ${request}: ${reached.join(' ')}`;
      assert.notEqual(reached[0], undefined, name);
      assert.equal(new Set(reached).size, 1, name);
    }
  });
}

for (const family of [4, 6] as const) {
  test(`under each flood of IPv${family}, a small table serves all new clients and keeps all that go on sending`, async () => {
    const services = (['tcp', 'udp'] as const).flatMap((protocol) => servicesOf(family, protocol));
    using director = await PacketDirector.with(services, {}, SMALL);
    for (const { name, protocol, pattern } of FLOODS) {
      clear(director);
      const living = openLiving(director, services, family, 4);
      checkLiving(living, 'before the flood');
      age(director, 1);
      // Flows that are too young to last stand above all floods but those that send as much as a client does.
      const young = name === 'handshakes and data' ? [] : openYoung(director, services, family);
      const target = services.find((each) => each.protocol === protocol && each.scheduler === 'wlc')!;
      const flood = new Flood(director, target, pattern);
      flood.send(2 * 4096);
      checkLiving(living, `while ${name} came`);
      checkLiving(young, `young, while ${name} came`);
      checkRequests(director, flood, services, family);
      checkLiving(living, `at the end of the ${name}`);
      assert.deepEqual(loads(director), countedEntries(director), name);
    }
  });
}

test('where all entries last, new flows are served without one by their hash, and the oldest silent ones give way', async () => {
  for (const [family, ways] of [
    [4, layout.flowWays.ipv4],
    [6, layout.flowWays.ipv6],
  ] as const) {
    const services = servicesOf(family, 'tcp');
    // One bucket.
    using director = await PacketDirector.with(services, {}, { ipv4: ways, ipv6: ways });
    for (const asked of services) {
      const name = `${asked.scheduler}, IPv${family}`;
      clear(director);
      const caller = new Caller(director, asked);
      const [open, persistent] = [asked.persistence === undefined ? ways : ways / 2, asked.persistence !== undefined];
      const clients = Array.from({ length: open }, (_, host) => clientOf(family, 60, host));
      const servers = clients.map((client) => caller.segments(client, 'S', 'A', 'A'));
      age(director, 1);
      clients.forEach((client, i) => {
        assert.equal(caller.send(client, 'A'), servers[i], name);
      });
      if (persistent) {
        // So are the templates.
        assert.deepEqual(countedEntries(director), [open, 0, open], name);
      }
      const strangers = Array.from({ length: 20 }, (_, host) => clientOf(family, 70, host));
      for (const stranger of strangers) {
        const reached = ['S', 'A', 'A', 'FA', 'A'].map((flags) => caller.send(stranger, flags));
        assert.notEqual(reached[0], undefined, name);
        assert.equal(new Set(reached).size, 1, `${name}: ${reached.join(' ')}`);
      }
      assert.equal(
        statesOf(director)
          .slice(LASTING_FROM)
          .reduce((sum, count) => sum + count),
        ways,
        name,
      );
      clients.forEach((client, i) => {
        assert.equal(caller.send(client, 'A'), servers[i], name);
      });
      // After a minute's silence the strangers take their places, those of the longest silence first.
      age(director, 62);
      clients.slice(1).forEach((client) => caller.send(client, 'A'));
      strangers.forEach((stranger) => caller.segments(stranger, 'S', 'A'));
      clients.slice(1).forEach((client, i) => {
        assert.equal(caller.send(client, 'A'), servers[i + 1], name);
      });
      assert.equal(statesOf(director)[flowState.unconfirmed], 1, name);
    }
  }
});

test('a table of the usual size that a million handshakes filled serves and keeps all while more come', async () => {
  for (const family of [4, 6] as const) {
    const services = servicesOf(family, 'tcp').filter(({ scheduler }) => /^(rr|wlc|maglev)$/.test(scheduler));
    using director = await PacketDirector.with(services, {}, { ipv4: 1 << 20, ipv6: 1 << 18 });
    const living = openLiving(director, services, family, 20);
    checkLiving(living, 'before the flood');
    const flood = new Flood(
      director,
      services.find(({ scheduler }) => scheduler === 'wlc')!,
      ['S', 'A'],
    );
    fill(director, family);
    flood.send(50_000);
    checkRequests(director, flood, services, family);
    checkLiving(living, 'at the end of the flood');
  }
});

test('stray segments go up to the host while the table has room, and follow their hash only where it has none', async () => {
  const asked = service(VIPS[4], 80, SERVERS[4], { scheduler: 'wlc' });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const caller = new Caller(director, asked);
  assert.equal(caller.send(clientOf(4, 60, 1), 'A'), undefined);
  const flood = new Flood(director, asked, ['S', 'A']);
  flood.send(4 * 4096);
  assert.notEqual(caller.send(clientOf(4, 60, 1), 'A'), undefined);
  // Ended flows are room.
  new Flood(director, asked, ['S', 'A', 'R']).send(4 * 4096);
  assert.equal(caller.send(clientOf(4, 60, 2), 'A'), undefined);
});

test('a flow lasts, and its template with it, once it sent in more than one second; IPVS has one state for both', async () => {
  const name = (director: PacketDirector): string =>
    (Object.keys(flowState) as (keyof typeof flowState)[])
      .filter((state) => statesOf(director)[flowState[state]]! > 0)
      .join(' ');
  for (const family of [4, 6] as const) {
    for (const [protocol, steps] of [
      [
        'tcp',
        [
          ['S', 0, 'syn-recv template-new'],
          ['A', 0, 'unconfirmed template'],
          ['A', 0, 'established template'],
          ['A', 0, 'established template'],
          ['A', 1, 'established-lasting template-lasting'],
          ['S', 0, 'established-lasting template-lasting'],
          ['A', 5, 'established-lasting template-lasting'],
          ['FA', 0, 'fin-wait template-lasting'],
          ['A', 1, 'fin-wait template-lasting'],
          ['S', 0, 'syn-recv template-lasting'],
          ['A', 0, 'unconfirmed template-lasting'],
        ],
      ],
      [
        'udp',
        [
          ['', 0, 'udp-new template-new'],
          ['', 2, 'udp template'],
          ['', 1, 'udp-lasting template-lasting'],
          ['', 0, 'udp-lasting template-lasting'],
        ],
      ],
    ] as const) {
      const asked = service(VIPS[family], 80, SERVERS[family], {
        protocol,
        scheduler: 'wlc',
        persistence: { timeout: 360 },
      });
      using director = await PacketDirector.with([asked], {}, SMALL);
      const caller = new Caller(director, asked);
      for (const [flags, silence, expected] of steps) {
        // Ahead of the clock: it may go on between two packets.
        age(director, silence === 0 ? -1 : silence);
        caller.send(clientOf(family, 60, 1), flags);
        assert.equal(name(director), expected, `${protocol} ${flags} after ${silence}`);
      }
      assert.deepEqual(loads(director), countedEntries(director));
    }
  }
});
