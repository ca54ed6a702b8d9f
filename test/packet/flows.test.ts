/** The real program's tables of flows: which state a flow is in, what a flood can do, whose entry is whose. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { MoveTracker } from '../../src/dataplane/index.js';
import { compile, type CompiledService, type Image } from '../../src/image/index.js';
import * as layout from '../../src/layout/index.js';
import {
  type Destination,
  type FlowTableSizes,
  ip,
  parseIp,
  type Scheduler,
  SCHEDULERS,
  type Service,
} from '../../src/model/index.js';
import { ETHERNET, icmpError, IPV4, IPV6, patched, replyBeginning } from '../../src/packet/index.js';
import { Caller, type Client, frameOf, lastPart, serverOf } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { recordedFlows } from '../support/ipvs-golden.js';
import { CLIENT_MAC, DIRECTOR, service, worldOf } from '../support/models.js';

const VIP = ip('10.99.0.10');
const VIP6 = ip('fd99::10');
const [ONE, TWO, THREE] = [ip('10.99.0.31'), ip('10.99.0.32'), ip('10.99.0.33')] as const;
const [ONE6, TWO6] = [ip('fd99::31'), ip('fd99::32')] as const;
const SMALL: FlowTableSizes = { ipv4: 1 << 12, ipv6: 1 << 12 };

/** An entry of a table of flows, as it lies there. */
interface Entry {
  readonly client: string;
  readonly clientPort: number;
  readonly service: number;
  /** The virtual one. */
  readonly port: number;
  /** The destination's number. */
  readonly number: number;
  readonly state: keyof typeof layout.flowState;
}

/** All used entries of both families; the client in hexadecimal digits. */
function entriesOf(director: PacketDirector): Entry[] {
  return [...tableOf(director, 4), ...tableOf(director, 6)];
}

function tableOf(director: PacketDirector, family: 4 | 6): Entry[] {
  using memory = director.publisher.set!.maps.get(`flows${family}`)!.mmap('read');
  const bytes = memory.read(0, Buffer.alloc(memory.byteLength));
  const { byteLength, data } = family === 4 ? layout.flow4 : layout.flow6;
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length; at += byteLength) {
    // bpf/flow_entry.h, flow_data(): port (as in the packet), number, state, time.
    const word = bytes.readBigUInt64LE(at + data.offset);
    const state = Number((word >> 24n) & 0xfn);
    if (state === layout.flowState.free) {
      continue;
    }
    // flow4_key() and flow6_rest(): what follows the client's address.
    const key = family === 4 ? { address: 4, port: 4, service: 6 } : { address: 16, port: 16, service: 18 };
    entries.push({
      client: bytes.toString('hex', at, at + key.address),
      clientPort: bytes.readUInt16BE(at + key.port),
      service: bytes.readUInt16LE(at + key.service),
      port: bytes.readUInt16BE(at + data.offset + 6),
      number: Number((word >> 28n) & 0xf_ffffn),
      // Whether a flow lasts depends on how fast the test runs; floods.test.ts looks at that.
      state: layout.flowStateOf(state).replace('-lasting', '') as Entry['state'],
    });
  }
  return entries;
}

/** A flow's state; undefined when it has no entry. */
function stateOf(director: PacketDirector, clientPort: number): Entry['state'] | undefined {
  return entriesOf(director).find((entry) => entry.clientPort === clientPort)?.state;
}

/** The sums of what all CPUs did to the tables. */
function flowCounters(director: PacketDirector): { stored: number; evicted: number; refused: number } {
  using memory = director.publisher.set!.maps.get('flow_counters')!.mmap('read');
  const { byteLength, stored, evicted, refused } = layout.flowCounter;
  const bytes = memory.read(0, Buffer.alloc(memory.byteLength));
  const sum = (offset: number): number => {
    let total = 0;
    for (let at = 0; at < bytes.length; at += byteLength) {
      total += Number(bytes.readBigUInt64LE(at + offset));
    }
    return total;
  };
  return { stored: sum(stored.offset), evicted: sum(evicted.offset), refused: sum(refused.offset) };
}

/** Active, inactive and persistent flows, of all destinations together. */
function loads(director: PacketDirector): [active: number, inactive: number, persistent: number] {
  using memory = director.publisher.set!.maps.get('loads')!.mmap('read');
  const sums: [number, number, number] = [0, 0, 0];
  for (let at = 0; at < memory.byteLength; at += layout.load.byteLength) {
    sums.forEach((_, i) => {
      sums[i]! += memory.load32(at + layout.load.flows.offset + i * 4);
    });
  }
  return sums;
}

/**
 * Sends a frame from many forged addresses, one buffer for all; the address and the port are counted up.
 *
 * @param seen what the program returned, counted
 */
function flood(
  director: PacketDirector,
  frame: Uint8Array,
  count: number,
  firstAddress = 0x0b00_0000,
): Map<number, number> {
  const data = Uint8Array.from(frame);
  const view = new DataView(data.buffer);
  const { program } = director.publisher.set!;
  // The last word of the source address, and the source port behind the IP header.
  const [addressAt, portAt] = data[12] === 0x08 ? [26, 34] : [34, 54];
  const seen = new Map<number, number>();
  for (let i = 0; i < count; i += 1) {
    view.setUint32(addressAt, firstAddress + i);
    view.setUint16(portAt, 1024 + ((i * 7) & 0x7fff));
    const { returnValue } = program.run({ data });
    seen.set(returnValue, (seen.get(returnValue) ?? 0) + 1);
  }
  return seen;
}

/** IPVS lists what Beeline keeps apart under one name. */
function listedAs(state: Entry['state'] | undefined): string | undefined {
  return state === 'unconfirmed' ? 'ESTABLISHED' : state?.toUpperCase().replace('-', '_');
}

test('every recorded sequence of segments leaves its flow in the state that IPVS recorded', async () => {
  const asked = service(VIP, 80, [ONE], { scheduler: 'rr' });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const caller = new Caller(director, asked);
  const recorded = recordedFlows();
  assert.equal(recorded.length, 16);
  for (const { port, segments, state } of recorded) {
    assert.equal(caller.segments(port, ...segments), '31');
    assert.equal(listedAs(stateOf(director, port)), state, segments.join(' '));
    if (port === 50_013) {
      // The listing after the first thirteen: 8 active, 5 inactive.
      assert.deepEqual(loads(director), [8, 5, 0]);
    }
  }
  // The listing at the end: 16 connections, 39 packets, 1560 bytes.
  const [counted] = director.publisher.counters().services[0]!.destinations;
  assert.deepEqual([counted!.flows, counted!.packets, counted!.bytes], [16, 39, 1560]);
});

test('IPv6 flows have the same states as IPv4 flows', async () => {
  const asked = service(VIP6, 80, [ONE6], { scheduler: 'rr' });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const caller = new Caller(director, asked);
  for (const { port, segments, state } of recordedFlows()) {
    assert.equal(caller.segments(port, ...segments), '31');
    assert.equal(listedAs(stateOf(director, port)), state, segments.join(' '));
  }
});

test('under sh and mh a lone SYN is one connection in SYN_RECV, however often it is sent again', async () => {
  for (const [vip, servers] of [
    [VIP, [ONE, TWO]],
    [VIP6, [ONE6, TWO6]],
  ] as const) {
    for (const rest of [
      { scheduler: 'sh' },
      { scheduler: 'mh' },
      { scheduler: 'sh', flags: ['sh-port'] },
      { scheduler: 'mh', flags: ['mh-port', 'mh-fallback'] },
      { scheduler: 'sh', persistence: { timeout: 300 } },
    ] satisfies Partial<Service>[]) {
      const asked = service(vip, 80, servers, rest);
      using director = await PacketDirector.with([asked], {}, SMALL);
      const caller = new Caller(director, asked);
      assert.equal(new Set([1, 2, 3, 4].map(() => caller.send(1000))).size, 1);
      assert.equal(stateOf(director, 1000), 'syn-recv');
      const [active, inactive] = loads(director);
      assert.deepEqual([active, inactive], [1, 0]);
      const { destinations } = director.publisher.counters().services[0]!;
      assert.equal(
        destinations.reduce((sum, { flows }) => sum + flows, 0),
        1,
        JSON.stringify(rest),
      );
      caller.segments(1000, 'A', 'A');
      assert.equal(stateOf(director, 1000), 'established');
    }
  }
});

test('a SYN flood of a full table does not stop sh and mh: a flow without an entry goes by its slot', async () => {
  for (const scheduler of ['sh', 'mh'] as const) {
    const asked = service(VIP, 80, [ONE, TWO, THREE], { scheduler });
    using director = await PacketDirector.with([asked], {}, { ...SMALL, ipv4: 8 });
    const caller = new Caller(director, asked);
    const kept = clientsOf(8).map((client) => [client, caller.segments(client, 'S', 'A', 'A')] as const);
    const seen = flood(director, frameOf(asked, { port: 1 }), 10_000);
    assert.deepEqual([...seen], [[3, 10_000]]);
    for (const [client, server] of kept) {
      assert.equal(caller.send(client, 'A'), server);
    }
  }
});

test('a flow under maglev is stored at the packet after its SYN, and confirmed by the next', async () => {
  for (const scheduler of ['maglev'] as const) {
    const asked = service(VIP, 80, [ONE, TWO], { scheduler });
    using director = await PacketDirector.with([asked], {}, SMALL);
    const caller = new Caller(director, asked);
    const states = (['S', 'A', 'A', 'FA', 'A', 'S', 'A', 'R'] as const).map((flags) => {
      caller.send(1000, flags);
      return stateOf(director, 1000);
    });
    assert.deepEqual(states, [
      undefined,
      'unconfirmed',
      'established',
      'fin-wait',
      'fin-wait',
      'syn-recv',
      'unconfirmed',
      'close',
    ]);
  }
});

test('a UDP flow keeps its place only after its second datagram', async () => {
  const asked = service(VIP, 53, [ONE], { scheduler: 'rr', protocol: 'udp' });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const caller = new Caller(director, asked);
  caller.send(1000);
  assert.equal(stateOf(director, 1000), 'udp-new');
  caller.send(1000);
  assert.equal(stateOf(director, 1000), 'udp');
});

test("IPsec keeps the flow of the client's IKE alive for which it has no datagram; an error about it does not", async () => {
  for (const [vip, server, client, protocols] of [
    [VIP, ONE, ip('10.50.0.1'), [50, 51]],
    [VIP6, ONE6, ip('fd50::1'), [50]],
  ] as const) {
    for (const policy of [
      { scheduler: 'rr' },
      { scheduler: 'wlc', persistence: { timeout: 300 } },
      { scheduler: 'mh', track: 'all' },
    ] as const) {
      for (const protocol of protocols) {
        const asked = service(vip, 500, [server], { ...policy, protocol: 'udp' });
        using director = await PacketDirector.with([asked], {}, SMALL);
        const ike = frameOf(asked, { port: 500 }, '', 500, new Uint8Array(40));
        const ipv4 = vip === VIP;
        const field = ipv4 ? IPV4.protocol : IPV6.nextHeader;
        const ipsec = patched(ike, [ETHERNET.bytes + field, protocol]);
        serverOf(director, ipsec);
        assert.deepEqual(entriesOf(director), []);
        assert.equal(serverOf(director, ike), server);
        const quoted = replyBeginning(vip, 1, client, 2, protocol);
        const [router, type] = ipv4 ? [ip('10.9.9.9'), 3] : [ip('fd09::9'), 1];
        const frame = { destinationMac: DIRECTOR.mac, sourceMac: CLIENT_MAC, router, vip, type, quoted };
        assert.equal(serverOf(director, icmpError(frame)), server);
        assert.equal(stateOf(director, 500), 'udp-new');
        assert.equal(serverOf(director, ipsec), server);
        assert.equal(stateOf(director, 500), 'udp');
      }
    }
  }
});

test('a persistent client leaves the fallback with its next connection once that is not needed, as in IPVS', async () => {
  for (const [vip, [one, two, spare]] of [
    [VIP, [ONE, TWO, THREE]],
    [VIP6, [ONE6, TWO6, ip('fd99::33')]],
  ] as const) {
    for (const policy of [
      { scheduler: 'rr' },
      { scheduler: 'wlc' },
      { scheduler: 'sh' },
      { scheduler: 'maglev' },
    ] as const) {
      const withFallback = (isNeeded: boolean): Service => ({
        ...service(vip, 80, [], { ...policy, persistence: { timeout: 300 } }),
        destinations: [
          ...[one, two].map((address) =>
            isNeeded
              ? { address, weight: 0, condition: { word: 'replaced', asked: 1, configured: 1 } as const }
              : { address, weight: 1 },
          ),
          {
            address: spare,
            weight: isNeeded ? 1 : 0,
            condition: { word: isNeeded ? 'fallback' : 'standby', asked: 1, configured: 1, spare: true },
          },
        ],
      });
      using director = await PacketDirector.with([withFallback(true)], {}, SMALL);
      const caller = new Caller(director, withFallback(true));
      const at = lastPart(spare);
      assert.equal(caller.segments(1000, 'S', 'A'), at, `${vip} ${policy.scheduler}`);
      await director.publish([withFallback(false)], {}, SMALL);
      await director.publisher.sweep([]);
      assert.notEqual(caller.segments(2000, 'S', 'A'), at, `${vip} ${policy.scheduler}: another connection`);
      assert.equal(caller.send(1000, 'A'), at, 'the connection that it has stays');
      assert.equal(caller.send(3000), caller.send(2000, 'A'), 'and it is persistent again');
    }
  }
});

test('a TCP packet of an unknown connection opens no flow: the host answers it', async () => {
  const asked = service(VIP, 80, [ONE], { scheduler: 'rr' });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const caller = new Caller(director, asked);
  ['A', 'FA', 'R', 'RA', ''].forEach((flags) => {
    assert.equal(caller.send(1000, flags), undefined);
  });
  assert.deepEqual(entriesOf(director), []);
  assert.deepEqual(director.verdicts('tcp 10.99.0.10:80'), { 'no-flow': 5 });
});

test('a SYN after the end of a flow begins another one, which is scheduled again', async () => {
  const asked = service(VIP, 80, [ONE, TWO], { scheduler: 'rr' });
  for (const end of [['A', 'R'], ['FA']]) {
    using director = await PacketDirector.with([asked], {}, SMALL);
    const caller = new Caller(director, asked);
    assert.equal(caller.segments(1000, 'S', ...end), '32');
    assert.equal(caller.segments(1000, 'S', 'A'), '31');
    assert.equal(entriesOf(director).length, 1);
    assert.deepEqual(loads(director), [1, 0, 0]);
  }
});

/** Segments that bring a flow into each state, under a scheduler that stores flows at their SYN. */
const WAYS: Readonly<Partial<Record<Entry['state'], readonly string[]>>> = {
  'syn-recv': ['S'],
  established: ['S', 'A', 'A'],
  'fin-wait': ['S', 'A', 'FA'],
  close: ['S', 'A', 'A', 'R'],
  'time-wait': ['S', 'FA'],
};

/** maglev stores no SYN: only flows that began again are in SYN_RECV, or in TIME_WAIT. */
const RING_WAYS: typeof WAYS = {
  ...WAYS,
  unconfirmed: ['S', 'A'],
  'syn-recv': ['S', 'A', 'FA', 'S'],
  'time-wait': ['S', 'A', 'FA', 'S', 'FA'],
};

/** Under these a client, or a VIP, has one real server: when that one takes no new flows, they are refused. */
const REFUSING: Readonly<Record<string, readonly Scheduler[]>> = {
  drained: ['sh', 'dh'],
  gone: [],
  full: ['sh', 'dh', 'mh'],
};

/** Returns a service for each scheduler, of both families in turn, at ports from 1 on. */
function oneOfEach(schedulers: readonly Scheduler[], rest: Partial<Service> = {}, firstPort = 1): Service[] {
  return schedulers.map((scheduler, i) => {
    const [vip, servers] = i % 2 === 0 ? [VIP, [ONE, TWO]] : [VIP6, [ONE6, TWO6]];
    return service(vip, firstPort + i, servers, { scheduler, ...rest });
  });
}

/** Returns the service with one real server changed, or without it. @param last the last part of its address */
function withChanged(asked: Service, last: string, change: Partial<Destination> | undefined): Service {
  const destinations = asked.destinations.flatMap((each) =>
    !each.address.endsWith(last) ? [each] : change === undefined ? [] : [{ ...each, ...change }],
  );
  return { ...asked, destinations };
}

/** Marks a real server as one that reached its upper threshold. */
function setOverload(director: PacketDirector, { address, port, protocol }: Service, last: string): void {
  const name = `${protocol} ${address.includes(':') ? `[${address}]` : address}:${port}`;
  const { destinations } = director.publisher.numbering.get(name)!;
  const [, number] = [...destinations].find(([each]) => each.endsWith(last))!;
  using memory = director.publisher.set!.maps.get('loads')!.mmap('write');
  memory.store32(number * layout.load.byteLength + layout.load.overload.offset, 1);
}

for (const [title, change] of [
  ['drained', { weight: 0 }],
  ['gone', undefined],
  ['full', { upperThreshold: 1 }],
] as const) {
  test(`a SYN of a known flow begins no other one at a real server that is ${title}, in any state`, async () => {
    const cases = SCHEDULERS.flatMap((scheduler) =>
      Object.entries(scheduler === 'maglev' ? RING_WAYS : WAYS)
        // At a full one that may be the SYN that filled it: see the next test.
        .filter(([state]) => title !== 'full' || state !== 'syn-recv')
        .map(([state, segments]) => ({ scheduler, state, segments })),
    );
    const services = oneOfEach(cases.map(({ scheduler }) => scheduler));
    using director = await PacketDirector.with(services, {}, SMALL);
    const callers = services.map((each) => new Caller(director, each));
    const before = cases.map(({ segments, state }, i) => {
      const server = callers[i]!.segments(1000 + i, ...segments)!;
      assert.equal(stateOf(director, 1000 + i), state, cases[i]!.scheduler);
      return server;
    });
    await director.publish(
      services.map((each, i) => withChanged(each, before[i]!, change)),
      {},
      SMALL,
    );
    for (const [i, { scheduler, state }] of cases.entries()) {
      const what = `${scheduler}, ${state}`;
      const [caller, other] = [callers[i]!, before[i] === '31' ? '32' : '31'];
      if (title === 'full') {
        setOverload(director, services[i]!, before[i]!);
      }
      const after = caller.send(1000 + i, 'S');
      if (REFUSING[title]!.includes(scheduler)) {
        assert.equal(after, undefined, what);
        assert.equal(stateOf(director, 1000 + i), state, what);
      } else {
        assert.equal(after, other, what);
        assert.equal(stateOf(director, 1000 + i), 'syn-recv', what);
        assert.equal(caller.segments(1000 + i, 'A', 'A', 'FA'), other, what);
      }
    }
    const entries = entriesOf(director);
    const active = entries.filter(({ state }) => ['syn-recv', 'unconfirmed', 'established'].includes(state)).length;
    assert.deepEqual(loads(director), [active, entries.length - active, 0]);
  });
}

test('a SYN that is sent again stays at its real server, although the flow brought that to its threshold', async () => {
  const services = oneOfEach(['rr', 'wrr', 'wlc', 'nq', 'fo', 'lblc', 'lblcr']).map((each) =>
    ['31', '32'].reduce((all, last) => withChanged(all, last, { upperThreshold: 1 }), each),
  );
  using director = await PacketDirector.with(services, {}, SMALL);
  for (const each of services) {
    const caller = new Caller(director, each);
    const first = caller.send(1000, 'S');
    assert.notEqual(first, undefined);
    assert.deepEqual([caller.send(1000, 'S'), caller.send(1000, 'S'), caller.send(1000, 'A')], [first, first, first]);
  }
  for (const { name, destinations } of director.publisher.counters().services) {
    assert.equal(
      destinations.reduce((sum, { flows }) => sum + flows, 0),
      1,
      name,
    );
  }
});

test('packets other than a SYN stay at a drained or full real server', async () => {
  const services = oneOfEach(SCHEDULERS);
  using director = await PacketDirector.with(services, {}, SMALL);
  const before = services.map((each) => new Caller(director, each).segments(1000, 'S', 'A', 'A')!);
  const change = { weight: 0, upperThreshold: 1 };
  await director.publish(
    services.map((each, i) => withChanged(each, before[i]!, change)),
    {},
    SMALL,
  );
  for (const [i, each] of services.entries()) {
    setOverload(director, each, before[i]!);
    for (const flags of ['A', 'FA', 'A', 'R', 'A']) {
      assert.equal(new Caller(director, each).send(1000, flags), before[i], `${each.scheduler}, ${flags}`);
    }
  }
});

test('datagrams stay at a drained real server, and so do flows whose template leads there', async () => {
  const [datagrams] = oneOfEach(['rr'], { protocol: 'udp' });
  const [persistent] = oneOfEach(['rr'], { persistence: { timeout: 300 } });
  using director = await PacketDirector.with([datagrams!, persistent!], {}, SMALL);
  const [udp, tcp] = [new Caller(director, datagrams!), new Caller(director, persistent!)];
  const [first, second] = [udp.segments(1000, '', '')!, tcp.segments(2000, 'S', 'A', 'A')!];
  await director.publish(
    [withChanged(datagrams!, first, { weight: 0 }), withChanged(persistent!, second, { weight: 0 })],
    {},
    SMALL,
  );
  assert.equal(udp.send(1000, ''), first);
  // As in IPVS by default (expire_quiescent_template is off), other flows of the client go there too.
  assert.equal(tcp.send(2000, 'S'), second);
  assert.equal(stateOf(director, 2000), 'established');
  assert.equal(tcp.send(2001, 'S'), second);
});

test('a SYN of a known flow stays at a real server that was drained and is not any more', async () => {
  const services = oneOfEach(SCHEDULERS);
  using director = await PacketDirector.with(services, {}, SMALL);
  const before = services.map((each) => new Caller(director, each).segments(1000, 'S', 'A', 'FA')!);
  for (const weight of [0, 2]) {
    await director.publish(
      services.map((each, i) => withChanged(each, before[i]!, { weight })),
      {},
      SMALL,
    );
  }
  services.forEach((each, i) => {
    assert.equal(new Caller(director, each).send(1000, 'S'), before[i], each.scheduler);
  });
});

test('a flow lives when its client sends an ACK or a FIN after a reset, and begins again when it sends a SYN', async () => {
  const cases: readonly (readonly [segments: readonly string[], state: Entry['state']])[] = [
    [['S', 'A', 'R'], 'close'],
    [['S', 'A', 'R', 'A'], 'established'],
    [['S', 'A', 'RA', 'A'], 'established'],
    [['S', 'A', 'R', 'R', 'A', 'R', 'A'], 'established'],
    [['S', 'A', 'R', 'A', 'R'], 'close'],
    [['S', 'A', 'R', 'FA'], 'fin-wait'],
    [['S', 'A', 'R', 'FA', 'A'], 'fin-wait'],
    [['S', 'A', 'FA', 'R'], 'close'],
    [['S', 'A', 'FA', 'R', 'A'], 'established'],
    [['S', 'A', ''], 'close'],
    [['S', 'A', '', 'A'], 'established'],
    [['S', 'R'], 'syn-recv'],
    [['S', 'R', 'A'], 'unconfirmed'],
    [['S', 'FA', 'R'], 'close'],
    [['S', 'FA', 'A'], 'time-wait'],
    [['S', 'A', 'R', 'S'], 'syn-recv'],
  ];
  const services = oneOfEach(['rr', 'rr', 'wlc', 'wlc', 'lblc', 'lblc']);
  using director = await PacketDirector.with(services, {}, SMALL);
  for (const [i, each] of services.entries()) {
    const caller = new Caller(director, each);
    for (const [j, [segments, state]] of cases.entries()) {
      const [first, ...rest] = segments;
      const port = 1000 * (i + 1) + j;
      const server = caller.send(port, first);
      // A SYN after the end may go elsewhere.
      assert.ok(caller.segments(port, ...rest) === server || segments.at(-1) === 'S');
      assert.equal(stateOf(director, port), state, `${each.scheduler}, ${each.address}, ${segments.join(' ')}`);
    }
  }
});

test('under a ring scheduler a reset does not end a flow whose client goes on', async () => {
  const services = oneOfEach(['maglev', 'sh', 'mh', 'mh']);
  using director = await PacketDirector.with(services, {}, SMALL);
  using moved = await movedDirector({ ...services[0]!, track: 'moved' });
  for (const [to, each] of [...services.map((every) => [director, every] as const), [moved, services[0]!] as const]) {
    const caller = new Caller(to, each);
    const before = caller.segments(1000, 'S', 'A', 'A');
    assert.equal(caller.segments(1000, 'R', 'A'), before, each.scheduler);
  }
  assert.deepEqual(loads(director), [services.length, 0, 0]);
  assert.deepEqual(loads(moved), [1, 0, 0]);
});

test('a SYN flood of a million sources against the ring stores nothing and evicts nothing', async () => {
  const asked = service(VIP, 80, [ONE, TWO, THREE]);
  using director = await PacketDirector.with([asked], {}, SMALL);
  const caller = new Caller(director, asked);
  const before = caller.segments(1000, 'S', 'A', 'A');
  const { stored } = flowCounters(director);
  const seen = flood(director, frameOf(asked, { port: 1 }), 1_000_000);
  assert.deepEqual([...seen], [[3, 1_000_000]]);
  assert.deepEqual(flowCounters(director), { stored, evicted: 0, refused: 0 });
  assert.equal(entriesOf(director).length, 1);
  assert.equal(caller.send(1000, 'A'), before);
});

/** Clients in a separate network. */
function clientsOf(count: number, family: 4 | 6 = 4): Client[] {
  return Array.from({ length: count }, (_, i) => ({
    address: family === 4 ? ip(`10.60.${i >> 8}.${i & 255}`) : parseIp(`fd60::${i.toString(16)}`)!,
    port: 1024 + (i % 5000),
  }));
}

test('a flood of forged packets into a full table evicts no flow that was established', async () => {
  for (const [protocol, scheduler, family] of [
    ['tcp', 'wlc', 4],
    ['udp', 'wlc', 4],
    ['tcp', 'maglev', 4],
    ['tcp', 'wlc', 6],
  ] as const) {
    const [vip, servers] = family === 4 ? [VIP, [ONE, TWO, THREE]] : [VIP6, [ONE6, TWO6]];
    const asked = service(vip, 80, servers, { scheduler, protocol });
    // IPv6 buckets have four entries, and some are soon full: of 4,096 entries after 746 flows at the earliest in 5,000
    // simulated tables.
    using director = await PacketDirector.with([asked], {}, { ipv4: 1024, ipv6: 4096 });
    const caller = new Caller(director, asked);
    const accepted = clientsOf(400, family).map((client) => [client, caller.segments(client, 'S', 'A', 'A')] as const);
    assert.equal(flowCounters(director).evicted, 0);
    const firm = (): number =>
      entriesOf(director).filter(({ state }) => state === 'established' || state === 'udp').length;
    const held = firm();

    // Under maglev a SYN stores nothing; packets of the middle do.
    flood(director, frameOf(asked, { port: 1 }, scheduler === 'maglev' ? 'A' : 'S'), 100_000);
    const { stored, evicted, refused } = flowCounters(director);
    assert.ok(refused === 0 && evicted > 0, `${refused} refused, ${evicted} evicted`);
    assert.equal(firm(), held, `${protocol}, ${scheduler}`);
    // Only entries of single packets were evicted: those that were stored and are gone.
    assert.equal(stored - evicted, entriesOf(director).length);
    for (const [client, server] of accepted) {
      assert.equal(caller.send(client, 'A'), server, `${protocol}, ${scheduler}, ${client.address!}`);
    }
    // The destinations' loads, by which wlc goes, are those of the entries.
    const entries = entriesOf(director);
    const active = entries.filter(({ state }) => ['syn-recv', 'unconfirmed', 'established'].includes(state)).length;
    assert.deepEqual(loads(director), [active, entries.length - active, 0], `${protocol}, ${scheduler}`);
  }
});

test('a flood of single packets evicts no template whose client has a flow that was seen twice', async () => {
  for (const protocol of ['tcp', 'udp'] as const) {
    const asked = service(VIP, 80, [ONE, TWO, THREE], { scheduler: 'rr', protocol, persistence: { timeout: 360 } });
    using director = await PacketDirector.with([asked], {}, { ...SMALL, ipv4: 1024 });
    const caller = new Caller(director, asked);
    const clients = clientsOf(150);
    const servers = clients.map((client) => caller.segments(client, 'S', 'A'));
    flood(director, frameOf(asked, { port: 1 }), 50_000);
    assert.ok(flowCounters(director).evicted > 0);
    const again = clients.map(({ address }) => caller.send({ address: address!, port: 60_000 }));
    assert.equal(again.filter((server, i) => server !== servers[i]).length, 0, protocol);
    const entries = entriesOf(director);
    const count = (...states: Entry['state'][]): number => entries.filter(({ state }) => states.includes(state)).length;
    assert.deepEqual(loads(director), [
      count('syn-recv', 'unconfirmed', 'established'),
      count('udp-new', 'udp'),
      count('template', 'template-new'),
    ]);
  }
});

test('a template, and a flow from port 0 to port 0, are not taken for one another', async () => {
  const asked = service(VIP, 0, [ONE, TWO], { scheduler: 'rr', persistence: { timeout: 360 } });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const caller = new Caller(director, asked);
  assert.equal(caller.segments(0, 'S', 'A', 'A'), '32');
  assert.deepEqual(
    entriesOf(director)
      .map(({ state }) => state)
      .sort(),
    ['established', 'template'],
  );
  assert.equal(caller.segments(0, 'FA'), '32');
  assert.equal(caller.send({ address: ip('10.50.0.1'), port: 1000 }, 'S', 80), '32');
});

test("flows of two services from one client and port are never taken for one another's", async () => {
  for (const [vip, one, two] of [
    [VIP, ONE, TWO],
    [VIP6, ONE6, TWO6],
  ] as const) {
    const first = service(vip, 80, [one], { scheduler: 'rr' });
    const second = service(vip, 81, [two], { scheduler: 'rr' });
    const datagrams = service(vip, 80, [one, two], { scheduler: 'rr', protocol: 'udp' });
    using director = await PacketDirector.with([first, second, datagrams], {}, SMALL);
    const send = (asked: Service, port: number, flags: string): string | undefined =>
      new Caller(director, asked).send(port, flags);
    assert.equal(send(first, 1000, 'S'), '31');
    // The other service knows nothing of the flow.
    assert.equal(send(second, 1000, 'A'), undefined);
    assert.equal(send(second, 1000, 'S'), '32');
    assert.equal(send(datagrams, 1000, ''), '32');
    assert.equal(send(first, 1000, 'A'), '31');
    assert.equal(send(second, 1000, 'A'), '32');
    assert.equal(send(datagrams, 1000, ''), '32');
    const entries = entriesOf(director);
    assert.equal(entries.length, 3);
    assert.equal(new Set(entries.map((entry) => entry.service)).size, 3);
    // The end of one is not the end of the others.
    send(first, 1000, 'R');
    assert.deepEqual(
      entriesOf(director)
        .map(({ state }) => state)
        .sort(),
      ['close', 'udp', 'unconfirmed'],
    );
  }
});

test("a wildcard service's flows to different ports are never taken for one another's", async () => {
  for (const [vip, servers] of [
    [VIP, [ONE, TWO, THREE]],
    [VIP6, [ONE6, TWO6, ip('fd99::33')]],
  ] as const) {
    const asked = service(vip, 0, servers, { scheduler: 'rr' });
    using director = await PacketDirector.with([asked], {}, SMALL);
    const caller = new Caller(director, asked);
    const ports = [1, 2, 3, 4, 80, 443, 65_535];
    const opened = ports.map((port) => caller.send(1000, 'S', port));
    assert.deepEqual(opened, ['33', '32', '31', '33', '32', '31', '33']);
    assert.equal(caller.send(1000, 'A', 5), undefined);
    assert.deepEqual(
      ports.map((port) => caller.send(1000, 'A', port)),
      opened,
    );
    assert.deepEqual(
      entriesOf(director)
        .map(({ port }) => port)
        .sort((a, b) => a - b),
      ports,
    );
    caller.send(1000, 'R', 80);
    assert.deepEqual(
      entriesOf(director).flatMap(({ port, state }) => (state === 'close' ? [port] : [])),
      [80],
    );
  }
});

test('clients whose address, port and service give the same bits are never taken for each other', async () => {
  const services = [80, 81].map((port) => service(VIP, port, [ONE, TWO], { scheduler: 'rr' }));
  using director = await PacketDirector.with(services, {}, SMALL);
  // Address and port with their bytes exchanged, and one bit apart.
  const clients: Client[] = [ip('10.0.0.1'), ip('1.0.0.10'), ip('10.1.0.0'), ip('1.10.0.0'), ip('10.0.0.2')].flatMap(
    (address) => [0x0102, 0x0201, 0x0a00, 0x000a, 1, 2].map((port) => ({ address, port })),
  );
  const opened = services.map((asked) => clients.map((client) => serverOf(director, frameOf(asked, client, 'S'))));
  assert.equal(entriesOf(director).length, clients.length * 2);
  const again = services.map((asked) => clients.map((client) => serverOf(director, frameOf(asked, client, 'A'))));
  assert.deepEqual(again, opened);
});

test('a service that gets the number of a removed one does not find the flows of that one', async () => {
  const [gone, kept] = [
    service(VIP, 80, [ONE, TWO], { scheduler: 'rr' }),
    service(VIP, 81, [ONE], { scheduler: 'rr' }),
  ];
  const added = service(ip('10.99.0.20'), 80, [THREE], { scheduler: 'rr' });
  using director = await PacketDirector.with([gone, kept], {}, SMALL);
  const caller = new Caller(director, added);
  assert.equal(new Caller(director, gone).segments(1000, 'S', 'A'), '32');
  await director.publish([kept], {}, SMALL);
  await director.publish([kept, added], {}, SMALL);
  assert.equal(caller.send(1000, 'A'), undefined);
  assert.equal(caller.send(1000, 'S'), '33');
});

test('a flow whose real server was removed does not follow its number to the next real server', async () => {
  const both = service(VIP, 80, [ONE, TWO], { scheduler: 'rr' });
  const one = service(VIP, 80, [ONE], { scheduler: 'rr' });
  const other = service(VIP, 81, [THREE], { scheduler: 'rr' });
  using director = await PacketDirector.with([both], {}, SMALL);
  const caller = new Caller(director, both);
  assert.equal(caller.segments(1000, 'S', 'A'), '32');
  await director.publish([one], {}, SMALL);
  await director.publish([one, other], {}, SMALL);
  // 33 is no real server of this service: it need not even know the virtual address.
  assert.equal(caller.send(1000, 'A'), '31');
});

test('flows from before its removal do not load a real server that is added again', async () => {
  const both = service(VIP, 80, [ONE, TWO], { scheduler: 'lc' });
  const one = service(VIP, 80, [ONE], { scheduler: 'lc' });
  using director = await PacketDirector.with([both], {}, SMALL);
  const caller = new Caller(director, both);
  assert.equal(caller.segments(1000, 'S', 'A'), '32');
  assert.equal(caller.segments(1001, 'S', 'A'), '31');
  await director.publish([one], {}, SMALL);
  await director.publish([both], {}, SMALL);
  // Flows that were silent meanwhile, and end now.
  caller.send(1000, 'FA');
  caller.send(1001, 'FA');
  assert.deepEqual(loads(director), [0, 2, 0]);
  assert.deepEqual(['32', '31'], [caller.send(2000), caller.send(2001)].sort().reverse());
});

test('flows and loads survive when more services need larger tables', async () => {
  const asked = service(VIP, 80, [ONE, TWO], { scheduler: 'lc' });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const caller = new Caller(director, asked);
  assert.deepEqual(
    [1000, 1001, 1002].map((port) => caller.segments(port, 'S', 'A')),
    ['32', '31', '32'],
  );
  const others = Array.from({ length: 300 }, (_, i) => service(ip('10.99.1.1'), 1000 + i, [THREE]));
  await director.publish([asked, ...others], {}, SMALL);
  assert.deepEqual(
    [1000, 1001, 1002].map((port) => caller.send(port, 'A')),
    ['32', '31', '32'],
  );
  assert.deepEqual(loads(director), [3, 0, 0]);
  // 31 has one flow, 32 two.
  assert.equal(caller.send(2000), '31');
  [1000, 1001, 1002].forEach((port) => caller.send(port, 'FA'));
  assert.deepEqual(loads(director), [1, 3, 0]);
});

test('flows and loads survive the first service of the other address family', async () => {
  const asked = service(VIP, 80, [ONE, TWO], { scheduler: 'lc' });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const caller = new Caller(director, asked);
  assert.deepEqual(
    [1000, 1001, 1002].map((port) => caller.segments(port, 'S', 'A')),
    ['32', '31', '32'],
  );
  // Only now there is a table for flows of IPv6.
  await director.publish([asked, service(VIP6, 80, [ONE6])], {}, SMALL);
  assert.deepEqual(loads(director), [3, 0, 0]);
  [1000, 1001, 1002].forEach((port) => caller.send(port, 'FA'));
  assert.deepEqual(loads(director), [0, 3, 0]);
});

test('flows and loads survive when the flow table grows', async () => {
  const asked = service(VIP, 80, [ONE, TWO], { scheduler: 'lc' });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const caller = new Caller(director, asked);
  assert.deepEqual(
    [1000, 1001, 1002].map((port) => caller.segments(port, 'S', 'A')),
    ['32', '31', '32'],
  );
  await director.publish([asked], {}, { ipv4: SMALL.ipv4 * 4, ipv6: SMALL.ipv6 });
  assert.deepEqual(
    [1000, 1001, 1002].map((port) => caller.send(port, 'A')),
    ['32', '31', '32'],
  );
  assert.deepEqual(loads(director), [3, 0, 0]);
});

/** The image with all slots of its ring moved: each led to the destination after the present one. */
function withAllMoved(image: Image): Image {
  const moved = (compiled: CompiledService): CompiledService => {
    const ring = compiled.ring!.slice();
    return { ...compiled, ring, previous: ring.map((index) => (index + 1) % compiled.destinations.length) };
  };
  return { ...image, services: image.services.map(moved) };
}

async function movedDirector(asked: Service): Promise<PacketDirector> {
  const director = new PacketDirector();
  await director.publisher.publish(withAllMoved(compile({ services: [asked], flows: SMALL }, worldOf([asked]))));
  return director;
}

/** QUIC's packets as far as a director looks: RFC 9000, 17.2 and 17.3; RFC 9369. */
const QUIC = {
  initial: Uint8Array.of(0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8),
  initialV2: Uint8Array.of(0xd3, 0x6b, 0x33, 0x43, 0xcf, 8, 1, 2, 3, 4, 5, 6, 7, 8),
  handshake: Uint8Array.of(0xe3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8),
  negotiation: Uint8Array.of(0xc3, 0, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8),
  shortHeader: Uint8Array.of(0x43, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
  cutOff: Uint8Array.of(0xc3, 0, 0),
} as const;

test('QUIC on a moved slot: an Initial goes to the new destination, older flows stay at the previous one', async () => {
  for (const [vip, servers] of [
    [VIP, [ONE, TWO]],
    [VIP6, [ONE6, TWO6]],
  ] as const) {
    for (const track of ['all', 'moved'] as const) {
      const asked = service(vip, 443, servers, { protocol: 'udp', track, slots: 64 });
      using unmoved = await PacketDirector.with([asked], {}, SMALL);
      using director = await movedDirector(asked);
      const send = (clientPort: number, payload: Uint8Array, to = director): string =>
        serverOf(to, frameOf(asked, { port: clientPort }, '', asked.port, payload))!;
      for (let port = 1000; port < 1040; port += 1) {
        const present = send(port, QUIC.shortHeader, unmoved);
        const begins = port % 2 === 0 ? QUIC.initial : QUIC.initialV2;
        assert.equal(send(port, begins), present);
        assert.equal(send(port, QUIC.shortHeader), present);
        assert.equal(send(port, QUIC.handshake), present);
        for (const [offset, payload] of [QUIC.shortHeader, QUIC.handshake, QUIC.negotiation, QUIC.cutOff].entries()) {
          const other = 2000 + offset * 100 + port;
          const old = servers.find((address) => address !== send(other, QUIC.shortHeader, unmoved))!;
          assert.equal(send(other, payload), old, `${track}, ${Buffer.from(payload).toString('hex')}`);
          assert.equal(send(other, QUIC.shortHeader), old);
        }
        // A client that uses the port of an old connection again goes on with it: its entry names the real server.
        assert.equal(send(3000 + port, QUIC.shortHeader), send(3000 + port, QUIC.initial));
      }
    }
  }
});

test('no datagram opens a flow at a drained destination, and the flows that it has stay', async () => {
  for (const [vip, servers] of [
    [VIP, [ONE, TWO, THREE]],
    [VIP6, [ONE6, TWO6]],
  ] as const) {
    for (const rest of [
      { track: 'all' },
      { track: 'moved' },
      { scheduler: 'sh', flags: ['sh-port', 'sh-fallback'] },
      { scheduler: 'mh', flags: ['mh-port'] },
      { scheduler: 'rr' },
      { scheduler: 'wlc' },
    ] satisfies Partial<Service>[]) {
      const asked = service(vip, 53, servers, { protocol: 'udp', slots: 64, ...rest });
      using director = new PacketDirector();
      const tracker = new MoveTracker(undefined, false);
      const publish = async (now: number, weight: number): Promise<void> => {
        const [first, ...others] = asked.destinations;
        const services = [{ ...asked, destinations: [{ ...first!, weight }, ...others] }];
        const image = tracker.attach(compile({ services, flows: SMALL }, worldOf(services)), now);
        await director.publisher.publish(image);
      };
      await publish(0, 1);
      const caller = new Caller(director, asked);
      const before = Array.from({ length: 40 }, (_, i) => caller.segments(1000 + i, '', ''));
      assert.ok(before.includes('31'));
      await publish(1000, 0);
      // New flows first: one of the old ones must not be what teaches the program anything.
      for (let port = 2000; port < 2040; port += 1) {
        assert.notEqual(caller.send(port), '31', JSON.stringify(rest));
      }
      if (rest.track !== 'moved') {
        assert.deepEqual(
          before.map((_, i) => caller.send(1000 + i)),
          before,
          JSON.stringify(rest),
        );
      }
    }
  }
});

test('TCP on a moved slot: a SYN goes to the new destination, a flow without an entry to the previous one', async () => {
  for (const scheduler of ['maglev', 'sh', 'mh'] as const) {
    for (const track of ['all', 'moved'] as const) {
      const flags = scheduler === 'maglev' ? [] : [`${scheduler}-port` as const];
      const asked = service(VIP, 80, [ONE, TWO], { scheduler, track, flags });
      using unmoved = await PacketDirector.with([asked], {}, SMALL);
      using director = await movedDirector(asked);
      const [now, caller] = [new Caller(unmoved, asked), new Caller(director, asked)];
      for (let port = 1000; port < 1050; port += 1) {
        const present = now.send(port);
        assert.equal(caller.segments(port, 'S', 'A'), present, `${scheduler}, ${track}`);
        assert.equal(caller.segments(port, 'A', 'FA'), present);
        const old = now.send(port + 100) === '31' ? '32' : '31';
        assert.equal(caller.segments(port + 100, 'A'), old, `${scheduler}, ${track}`);
        assert.equal(caller.segments(port + 100, 'A', 'FA'), old);
      }
    }
  }
});
