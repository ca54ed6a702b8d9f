/** The real program on packets whose source nobody can have: dropped, never sent on, and nothing is remembered of them. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { familyOf, ip, type IpAddress, mac, parseIpv6, type Service } from '../../src/model/index.js';
import {
  buildFrame,
  fragmentHeader,
  type FrameOptions,
  icmpError,
  ipv4Fragment,
  replyBeginning,
  TCP_FLAG,
  withExtensions,
  withOptions,
} from '../../src/packet/index.js';
import { PacketDirector } from '../support/director.js';
import { CLIENT_MAC, DIRECTOR, service, worldOf } from '../support/models.js';

const [VIP, VIP6] = [ip('10.99.0.10'), ip('fd99::10')] as const;
const [OTHER_VIP, OTHER_VIP6] = [ip('10.99.0.11'), ip('fd99::11')] as const;
const SERVERS = { 4: ['10.99.0.31', '10.99.0.32'].map(ip), 6: ['fd99::31', 'fd99::32'].map(ip) } as const;
const CLIENT = { 4: ip('10.50.0.1'), 6: ip('fd50::1') } as const;
const ROUTER = { 4: ip('10.9.9.9'), 6: ip('fd09::9') } as const;
const OWN = [ip('10.99.0.2'), ip('10.99.0.255'), ip('fd99::2')];

const MARTIANS: readonly IpAddress[] = [
  ...[VIP, OTHER_VIP, VIP6, OTHER_VIP6, ...OWN],
  ...['0.0.0.0', '0.1.2.3', '127.0.0.1', '127.255.255.254', '224.0.0.1', '239.9.9.9', '255.255.255.255'].map(ip),
  ...['::', '::1', 'ff02::1', 'ff0e::1234', '::ffff:10.50.0.1'].map((text) => parseIpv6(text)!),
];
/** Neighbours of those, each of which shares its bit in the bitmap or its network with one. */
const CLIENTS: readonly IpAddress[] = [
  ...['10.99.0.12', '10.1.1.66', '1.0.0.0', '126.0.0.1', '128.0.0.1', '223.255.255.255', '240.0.0.1', '255.1.1.255'],
  ...['fd99::12', 'fd00::2', '::2', '::fffe:a32:1', '64:ff9b::a32:1', 'fe80::12', 'fe00::1'],
].map(ip);

/** Ways to follow flows: what is remembered, and who chooses. */
const POLICIES: Readonly<Record<string, Partial<Service>>> = {
  'maglev, moved slots': { track: 'moved' },
  'maglev, every flow': { track: 'all' },
  'sh, moved slots': { scheduler: 'sh', track: 'moved' },
  rr: { scheduler: 'rr' },
  'wlc, persistent': { scheduler: 'wlc', persistence: { timeout: 300 } },
  'one packet': { scheduler: 'rr', onePacket: true },
};

const name = ({ address, port, protocol }: Service): string =>
  `${protocol} ${familyOf(address) === 6 ? `[${address}]` : address}:${port}`;

function servicesOf(policy: Partial<Service>): Service[] {
  const protocols = policy.onePacket === true ? (['udp'] as const) : (['tcp', 'udp'] as const);
  return [VIP, OTHER_VIP, VIP6, OTHER_VIP6].flatMap((vip) =>
    protocols.map((protocol) => service(vip, 80, SERVERS[familyOf(vip)], { ...policy, protocol })),
  );
}

async function directorWith(services: readonly Service[]): Promise<PacketDirector> {
  const director = new PacketDirector();
  await director.publishModel({ services }, { ...worldOf(services), own: OWN });
  return director;
}

function frame(source: IpAddress, options: Partial<FrameOptions> = {}): Uint8Array {
  return buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    source,
    destination: familyOf(source) === 4 ? VIP : VIP6,
    protocol: 'tcp',
    sourcePort: 40_000,
    destinationPort: 80,
    ...options,
  });
}

/** The packets that a source can send to a service. */
function packetsFrom(source: IpAddress, protocol: Service['protocol']): Uint8Array[] {
  const plain = frame(source, { protocol, payload: new Uint8Array(64) });
  const ipv4 = familyOf(source) === 4;
  return [
    plain,
    ...(protocol === 'tcp'
      ? [TCP_FLAG.syn, TCP_FLAG.syn | TCP_FLAG.ack, TCP_FLAG.rst].map((flags) => frame(source, { flags }))
      : []),
    ipv4 ? withOptions(plain, [1, 1, 1, 1]) : withExtensions(plain, [{ number: 60, rest: [0, 1, 4, 0, 0, 0, 0] }]),
    ipv4 ? ipv4Fragment(plain, 0, true, 7) : withExtensions(plain, [fragmentHeader(0, true, 7)]),
  ];
}

function errorFrom(router: IpAddress, client: IpAddress): Uint8Array {
  const ipv4 = familyOf(router) === 4;
  const vip = ipv4 ? VIP : VIP6;
  return icmpError({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    router,
    vip,
    type: ipv4 ? 3 : 2,
    quoted: replyBeginning(vip, 80, client, 40_000, 17),
  });
}

function assertDropped(director: PacketDirector, packet: Uint8Array, owner: string, what: string): void {
  const before = director.verdicts(owner)['martian'] ?? 0;
  assert.equal(director.expect(packet).verdict, 'martian', what);
  assert.equal(director.send(packet).action, 'drop', what);
  assert.equal(director.verdicts(owner)['martian'], before + 1, what);
}

/** Whether a table of the director's holds nothing. */
function isEmpty(director: PacketDirector, table: string): boolean {
  using memory = director.publisher.set!.maps.get(table)!.mmap('read');
  return memory.read(0, Buffer.alloc(memory.byteLength)).every((byte) => byte === 0);
}

for (const [title, policy] of Object.entries(POLICIES)) {
  test(`a packet whose source cannot be is dropped, counted and not remembered: ${title}`, async () => {
    const services = servicesOf(policy);
    using director = await directorWith(services);
    for (const each of services.filter(({ address }) => address === VIP || address === VIP6)) {
      for (const source of MARTIANS.filter((martian) => familyOf(martian) === familyOf(each.address))) {
        for (const packet of packetsFrom(source, each.protocol)) {
          assertDropped(director, packet, name(each), `${source} ${each.protocol}`);
        }
      }
    }
    const written = ['flows4', 'flows6', 'fragments4', 'fragments6'].filter((table) => !isEmpty(director, table));
    assert.deepEqual(written, []);
  });

  test(`a client whose address is like one that cannot be is served: ${title}`, async () => {
    const services = servicesOf(policy);
    using director = await directorWith(services);
    for (const client of CLIENTS) {
      for (const { protocol } of services.filter(({ address }) => address === (familyOf(client) === 4 ? VIP : VIP6))) {
        const packet = frame(client, { protocol, flags: TCP_FLAG.syn });
        const expected = director.expect(packet);
        const { action, frame: sent } = director.send(packet);
        assert.deepEqual([action, expected.verdict], ['tx', 'forwarded'], client);
        assert.deepEqual(sent, new Uint8Array(expected.frame), client);
      }
    }
  });
}

test('an ICMP error about a client that cannot be, or from such a router, reaches no real server', async () => {
  for (const policy of [POLICIES['rr']!, POLICIES['maglev, moved slots']!]) {
    const services = servicesOf(policy);
    using director = await directorWith(services);
    for (const martian of MARTIANS) {
      const family = familyOf(martian);
      const owner = name(services.find(({ address, protocol }) => familyOf(address) === family && protocol === 'udp')!);
      assertDropped(director, errorFrom(ROUTER[family], martian), owner, `about ${martian}`);
      assertDropped(director, errorFrom(martian, CLIENT[family]), owner, `from ${martian}`);
    }
  }
});

test('a frame to another host is passed up, also if its source cannot be: a bridge may need it', async () => {
  using director = await directorWith(servicesOf({ track: 'moved' }));
  const packet = frame(VIP, { destinationMac: mac('00:50:00:00:04:99') });
  assert.equal(director.expect(packet).verdict, 'other-host');
  assert.equal(director.send(packet).action, 'pass');
});

test('a host that gets or loses an address refuses or serves clients of that address from then on', async () => {
  const services = servicesOf({ track: 'moved' });
  using director = await directorWith(services);
  const packet = frame(ip('10.50.0.9'));
  assert.equal(director.send(packet).action, 'tx');
  await director.publishModel({ services }, { ...worldOf(services), own: [ip('10.50.0.9')] });
  assert.equal(director.send(packet).action, 'drop');
  assert.equal(director.send(frame(ip('10.99.0.2'))).action, 'tx');
  await director.publishModel({ services }, worldOf(services));
  assert.equal(director.send(packet).action, 'tx');
});

test('a VIP that the host has too is no reason for another image', async () => {
  const services = servicesOf({});
  using director = new PacketDirector();
  const without = await director.publishModel({ services }, { ...worldOf(services), own: OWN });
  const withVips = await director.publishModel({ services }, { ...worldOf(services), own: [VIP6, ...OWN, VIP] });
  assert.deepEqual(withVips.own, without.own);
});
