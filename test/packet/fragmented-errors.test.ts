/** The real program on fragments whose service goes or comes between the first one and the later ones. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { familyOf, ip, type IpAddress, type Service } from '../../src/model/index.js';
import {
  ETHER_TYPE,
  etherTypeOf,
  fragmentHeader,
  icmpError,
  ipv4Fragment,
  patched,
  replyBeginning,
  summarizeFrame,
  withExtensions,
} from '../../src/packet/index.js';
import { frameOf } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { CLIENT_MAC, DIRECTOR, service } from '../support/models.js';

const SMALL = { ipv4: 1 << 12, ipv6: 1 << 12 };
/** What an error quotes: the protocol in its IP header, and the service of the flow that it is about. */
const QUOTES = [
  { number: 6, protocol: 'tcp', port: 80 },
  { number: 17, protocol: 'udp', port: 53 },
  { number: 17, protocol: 'udp', port: 500 },
  { number: 50, protocol: 'udp', port: 500 },
  { number: 51, protocol: 'udp', port: 500 },
] as const;
const DATAGRAM = QUOTES[1];

/** Services for every port: of a client's other flows, by the flow's entry, by its slot, by its slot without entries. */
const POLICIES: readonly Partial<Service>[] = [
  { scheduler: 'wlc', persistence: { timeout: 300 } },
  { scheduler: 'rr', ttl: 'decrement' },
  { track: 'all' },
  { track: 'moved' },
];

/** Those under one-packet scheduling, whose datagrams have no entries. */
const ONE_PACKET = (['rr', 'wlc', 'sh', 'mh'] as const).map((scheduler): Partial<Service> => ({
  scheduler,
  onePacket: true,
  protocol: 'udp',
}));

/** A flow, and the error about it. */
interface Case {
  readonly vip: IpAddress;
  readonly number: (typeof QUOTES)[number]['number'];
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly client: IpAddress;
  readonly id: number;
}

/** A VIP for each family and policy. */
function vipsFor(policies: readonly Partial<Service>[]): [IpAddress, Partial<Service>][] {
  return policies.flatMap((policy, i): [IpAddress, Partial<Service>][] => [
    [ip(`10.99.${i + 1}.10`), policy],
    [ip(`fd99:${i + 1}::10`), policy],
  ]);
}

function serversOf(vip: IpAddress): IpAddress[] {
  return [31, 32, 33].map((each) => ip(vip.replace(/10$/, `${each}`)));
}

/** Services for every port, and those for one port, with the same real servers: the number tells of which one is. */
function servicesFor(policies: readonly Partial<Service>[]): { every: Service[]; exact: Service[] } {
  return {
    every: vipsFor(policies).flatMap(([vip, policy]) =>
      (policy.onePacket === true ? (['udp'] as const) : (['tcp', 'udp'] as const)).map((protocol) =>
        service(vip, 0, serversOf(vip), { protocol, ...policy }),
      ),
    ),
    exact: vipsFor(policies).flatMap(([vip, { onePacket }]) =>
      QUOTES.slice(0, 3).map(({ protocol, port }) =>
        service(vip, port, serversOf(vip), {
          scheduler: 'rr',
          protocol,
          ...(onePacket && protocol === 'udp' && { onePacket }),
        }),
      ),
    ),
  };
}

function clientOf(vip: IpAddress, number: number): IpAddress {
  return ip(familyOf(vip) === 4 ? `10.50.${number}.1` : `fd50:${number}::1`);
}

/** All quotes for all services for every port. AH is an extension header in IPv6. */
function cases(): Case[] {
  return vipsFor(POLICIES).flatMap(([vip]) =>
    QUOTES.filter(({ number }) => number !== 51 || familyOf(vip) === 4).map((quote, i) => ({
      ...quote,
      vip,
      client: clientOf(vip, i + 1),
      id: i,
    })),
  );
}

/** A packet of the flow: IPsec's is that of IKE. */
function packetOf({ vip, protocol, port, client }: Case): Uint8Array {
  return frameOf({ address: vip, protocol, port }, { address: client, port: 500 });
}

/** The beginning or the end of the error about a flow. */
function errorOf({ vip, number, port, client, id }: Case, offset: number): Uint8Array {
  const ipv4 = familyOf(vip) === 4;
  const whole = icmpError({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    router: ip(ipv4 ? '10.9.9.9' : 'fd09::9'),
    vip,
    type: ipv4 ? 3 : 2,
    quoted: replyBeginning(vip, port, client, 500, number),
  });
  return cut(whole, offset, id);
}

function cut(whole: Uint8Array, offset: number, id: number): Uint8Array {
  return etherTypeOf(whole) === ETHER_TYPE.ipv4
    ? ipv4Fragment(whole, offset, offset === 0, id)
    : withExtensions(whole, [fragmentHeader(offset, offset === 0, id)]);
}

/** Sends a frame, which must end as the oracle says. Returns the MAC of its real server, or its verdict. */
function endOf(director: PacketDirector, frame: Uint8Array): string {
  const { verdict, frame: expected } = director.expect(frame);
  const { action, frame: sent } = director.send(frame);
  assert.deepEqual(sent, new Uint8Array(expected), verdict);
  assert.equal(action === 'tx', verdict === 'forwarded', verdict);
  return action === 'tx' ? summarizeFrame(sent).destinationMac : verdict;
}

/** Opens the flow of each case and sends the beginning of the error about it. Returns where both went. */
function begin(director: PacketDirector): string[] {
  return cases().map((each) => {
    const went = endOf(director, packetOf(each));
    assert.match(went, /:/);
    assert.equal(endOf(director, errorOf(each, 0)), went, JSON.stringify(each));
    return went;
  });
}

/** Sends the ends of the errors. Returns where they went. */
function goOn(director: PacketDirector): string[] {
  return cases().map((each) => endOf(director, errorOf(each, 480)));
}

test('an error about a flow behind a removed service goes whole where its first fragment went, and only to this host', async () => {
  const { every, exact } = servicesFor(POLICIES);
  using director = await PacketDirector.with([...exact, ...every], {}, SMALL);
  await director.publish(every, {}, SMALL);
  assert.deepEqual(begin(director), goOn(director));
  for (const each of cases()) {
    assert.equal(endOf(director, patched(errorOf(each, 480), [3, 0x2c])), 'other-host');
  }
});

test('an error goes whole where its first fragment went when a service for its port comes meanwhile', async () => {
  const { every, exact } = servicesFor(POLICIES);
  using director = await PacketDirector.with(every, {}, SMALL);
  const went = begin(director);
  await director.publish([...exact, ...every], {}, SMALL);
  assert.deepEqual(goOn(director), went);
});

test("the rest of an error goes to the host while its flow's service is gone, and to the real server when it is back", async () => {
  const { every, exact } = servicesFor(POLICIES);
  using director = await PacketDirector.with([...exact, ...every], {}, SMALL);
  const went = begin(director);
  await director.publish(every, {}, SMALL);
  assert.deepEqual(
    goOn(director),
    went.map(() => 'icmp'),
  );
  await director.publish([...exact, ...every], {}, SMALL);
  assert.deepEqual(goOn(director), went);
});

test('a datagram goes whole where its first fragment went when services for its port come, which need larger maps, and go', async () => {
  const { every, exact } = servicesFor(ONE_PACKET);
  using director = await PacketDirector.with(every, {}, SMALL);
  const ends = (clients: readonly number[], offset: number): string[] =>
    vipsFor(ONE_PACKET).flatMap(([vip]) =>
      clients.map((id) =>
        endOf(director, cut(packetOf({ ...DATAGRAM, vip, client: clientOf(vip, id), id }), offset, id)),
      ),
    );
  const went = ends([1, 2, 3, 4], 0);
  await director.publish([...exact, ...every], {}, SMALL);
  assert.deepEqual(ends([1, 2, 3, 4], 1448), went);
  const gone = ends([5, 6, 7, 8], 0);
  assert.deepEqual(ends([5, 6, 7, 8], 1448), gone);
  await director.publish(every, {}, SMALL);
  ends([5, 6, 7, 8], 1448);
});
