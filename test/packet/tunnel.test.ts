/** The real program wraps packets for real servers behind tunnels: all types, families within and without, byte for byte. */

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  familyOf,
  ip,
  type IpAddress,
  type Resolution,
  type Service,
  type Tunnel,
  type World,
} from '../../src/model/index.js';
import { buildFrame, type FrameOptions, TCP_FLAG, tagged } from '../../src/packet/index.js';
import { PacketDirector } from '../support/director.js';
import { CLIENT_MAC, DIRECTOR, macFor, service } from '../support/models.js';

const VIPS = { 4: ip('192.168.1.100'), 6: ip('fd00::100') } as const;
const CLIENTS = { 4: ip('192.168.1.12'), 6: ip('fd00::12') } as const;
const SERVERS = { 4: ip('10.9.0.31'), 6: ip('fd09::31') } as const;
const SOURCES = { 4: ip('192.168.1.2'), 6: ip('fd00::2') } as const;
const GATEWAYS = { 4: ip('192.168.1.1'), 6: ip('fd00::1') } as const;

const TUNNELS: readonly Tunnel[] = [
  { type: 'ipip' },
  { type: 'gue', port: 6080 },
  { type: 'gue', port: 5555, checksum: true },
  { type: 'gre' },
  { type: 'gre', checksum: true },
];

function resolution(server: IpAddress, mtu?: number): Resolution {
  const family = familyOf(server);
  return {
    state: 'resolved',
    mac: macFor(GATEWAYS[family]),
    ifindex: DIRECTOR.ifindex,
    gateway: GATEWAYS[family],
    source: SOURCES[family],
    ...(mtu !== undefined && { mtu }),
  };
}

function worldFor(mtu?: number): World {
  const addressed = { ...DIRECTOR, addresses: [SOURCES[4], SOURCES[6]] };
  return {
    interfaces: [addressed],
    resolutions: new Map(Object.values(SERVERS).map((server) => [server, resolution(server, mtu)])),
  };
}

function tunneled(vip: IpAddress, server: IpAddress, tunnel: Tunnel, rest: Partial<Service> = {}): Service {
  return { ...service(vip, 80, [], rest), destinations: [{ address: server, weight: 1, tunnel }] };
}

function frame(family: 4 | 6, options: Partial<FrameOptions> = {}): Uint8Array {
  return buildFrame({
    ...{ destinationMac: DIRECTOR.mac, sourceMac: CLIENT_MAC, source: CLIENTS[family], destination: VIPS[family] },
    ...{ protocol: 'tcp', sourcePort: 40_000, destinationPort: 80 },
    ...options,
  });
}

/** Sends it; it must leave as the oracle says. Returns the frame that left. */
function assertSent(director: PacketDirector, original: Uint8Array, what: string): Uint8Array {
  const expected = director.expect(original);
  const { action, frame: sent } = director.send(original);
  assert.deepEqual([expected.verdict, action], ['forwarded', 'tx'], what);
  assert.deepEqual(sent, new Uint8Array(expected.frame), what);
  return sent;
}

function assertEnds(director: PacketDirector, original: Uint8Array, verdict: string): Uint8Array {
  const expected = director.expect(original);
  const { frame: answer } = director.send(original);
  assert.equal(expected.verdict, verdict);
  assert.deepEqual(answer, new Uint8Array(expected.frame), verdict);
  return answer;
}

const payloadOf = (bytes: number): Uint8Array => new Uint8Array(bytes).map((_, i) => i * 7);

for (const ttl of ['keep', 'decrement'] as const) {
  test(`all types, IPv4 and IPv6 in IPv4 and IPv6: the packet is whole within, to the router before the real server (ttl: ${ttl})`, async () => {
    using director = new PacketDirector();
    for (const outer of [4, 6] as const) {
      for (const tunnel of TUNNELS) {
        const services = ([4, 6] as const).map((inner) => tunneled(VIPS[inner], SERVERS[outer], tunnel, { ttl }));
        await director.publishModel({ services }, worldFor());
        for (const inner of [4, 6] as const) {
          for (const bytes of [0, 1, 30, 1000]) {
            const original = frame(inner, { payload: payloadOf(bytes) });
            const sent = assertSent(director, original, `${JSON.stringify(tunnel)}, ${inner} in ${outer}, ${bytes}`);
            assert.equal(Buffer.from(sent.subarray(0, 6)).toString('hex'), macFor(GATEWAYS[outer]).replaceAll(':', ''));
            const within = original.subarray(14);
            if (ttl === 'keep') {
              assert.deepEqual(sent.subarray(-within.length), within);
            }
          }
        }
      }
    }
  });
}

test('outer ids differ where the packet may be fragmented, and ports of GUE differ by flow', async () => {
  using director = new PacketDirector();
  const services = [tunneled(VIPS[4], SERVERS[4], { type: 'gue' }), tunneled(VIPS[6], SERVERS[4], { type: 'gue' })];
  await director.publishModel({ services }, worldFor());
  const sent = Array.from({ length: 64 }, (_, i) =>
    ([4, 6] as const).map((family) =>
      assertSent(director, frame(family, { sourcePort: 40_000 + i, payload: payloadOf(i) }), `${family}`),
    ),
  );
  const portOf = (of: Uint8Array): number => (of[34]! << 8) | of[35]!;
  for (const family of [0, 1]) {
    const ports = sent.map((each) => portOf(each[family]!));
    assert.ok(ports.every((port) => port >= 0xc000));
    assert.ok(new Set(ports).size > 60);
  }
});

test('what does not fit after the headers is answered with the MTU that does, also where the route has a smaller one', async () => {
  using director = new PacketDirector();
  for (const [tunnel, mtu, most] of [
    [{ type: 'ipip' }, undefined, 1480],
    [{ type: 'gue' }, undefined, 1468],
    [{ type: 'gre', checksum: true }, 1400, 1372],
  ] as const) {
    const services = [tunneled(VIPS[4], SERVERS[4], tunnel), tunneled(VIPS[6], SERVERS[4], tunnel)];
    await director.publishModel({ services }, worldFor(mtu));
    for (const family of [4, 6] as const) {
      const header = family === 4 ? 40 : 60;
      assertSent(director, frame(family, { payload: payloadOf(most - header) }), `${tunnel.type} ${family} fits`);
      const answer = assertEnds(director, frame(family, { payload: payloadOf(most - header + 1) }), 'too-long');
      // The MTU is in the last bytes of ICMP's and ICMPv6's first eight.
      const at = 14 + (family === 4 ? 20 : 40);
      assert.equal((answer[at + 6]! << 8) | answer[at + 7]!, most);
    }
  }
});

test('a program that knew no tunnels is exchanged for one that does, and back, and both ways stand beside each other', async () => {
  using director = new PacketDirector();
  const neighbour = ip('192.168.1.31');
  const world = worldFor();
  const resolutions = new Map([
    ...world.resolutions,
    [neighbour, { state: 'resolved', mac: macFor(neighbour), ifindex: DIRECTOR.ifindex }] as const,
  ]);
  const direct = { address: neighbour, weight: 1 };
  const behind = { address: SERVERS[4], weight: 1, tunnel: { type: 'ipip' } } as const;
  let port = 1000;
  for (const destinations of [[direct], [direct, behind], [behind], [direct], [behind, direct]]) {
    const services = [{ ...service(VIPS[4], 80, []), destinations }];
    await director.publishModel({ services }, { ...world, resolutions });
    const seen = new Set<number>();
    for (let i = 0; i < 32; i += 1) {
      port += 1;
      // The 23rd byte is the protocol.
      seen.add(assertSent(director, frame(4, { sourcePort: port, flags: TCP_FLAG.syn }), String(port))[23]!);
    }
    const protocols = destinations.map((each) => (each === behind ? 4 : 6));
    assert.deepEqual(seen, new Set(protocols));
  }
});

test('by direct routing, nothing goes to a real server that a router leads to', async () => {
  using director = new PacketDirector();
  await director.publishModel({ services: [service(VIPS[4], 80, [SERVERS[4]])] }, worldFor());
  assertEnds(director, frame(4), 'unresolved');
});

test('the tags of VLANs stand before the outer header, and those that the packet came with are gone', async () => {
  using director = new PacketDirector();
  const services = [tunneled(VIPS[4], SERVERS[4], { type: 'gre' }), tunneled(VIPS[6], SERVERS[6], { type: 'ipip' })];
  const world = worldFor();
  const [first, second] = [{ id: 20 }, { id: 20, outer: 100 }];
  for (const vlan of [undefined, first, second]) {
    const resolutions = new Map(
      [...world.resolutions].map(([address, each]) => [address, { ...each, ...(vlan && { vlan }) }] as const),
    );
    await director.publishModel({ services, vlans: true }, { ...world, resolutions });
    for (const family of [4, 6] as const) {
      const original = frame(family, { payload: payloadOf(20) });
      assertSent(director, original, 'untagged');
      assertSent(director, tagged(original, 0x8100, 0), 'a tag without a VLAN');
    }
  }
});
