/** Flows in patterns that networks and attackers make find room in real tables: the program's, and the addon's copies. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { DIRECTOR_OBJECT, MapSet } from '../../src/dataplane/index.js';
import { FLOW_WAYS } from '../../src/image/index.js';
import * as layout from '../../src/layout/index.js';
import { ip, type IpAddress, ipFromBytes, type Service } from '../../src/model/index.js';
import { addon } from '../../src/native/index.js';
import { flowHash, secondFlowHash } from '../../src/oracle/index.js';
import { fragmentHeader, ipv4Fragment, withExtensions } from '../../src/packet/index.js';
import { type Client, frameOf } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { drawSecret, type FlowKey, keyBytes, type KeySet, keySets, SET_SIZE } from '../support/flow-keys.js';
import { service } from '../support/models.js';

type Family = 4 | 6;

/**
 * Sets fill a sixteenth of these: a random function then puts more flows into some bucket than that holds, but not into
 * both of a flow's.
 */
const ENTRIES = { ipv4: 1 << 16, ipv6: 1 << 16 };
const WAYS = { 4: FLOW_WAYS.ipv4, 6: FLOW_WAYS.ipv6 };
const FLOW = { 4: layout.flow4, 6: layout.flow6 };
const KEY_BYTES = { 4: 8, 6: 24 };

function serviceOf(family: Family, rest: Partial<Service> = {}): Service {
  return family === 4
    ? service(ip('10.99.0.10'), 80, [ip('10.99.0.31'), ip('10.99.0.32')], { scheduler: 'rr', ...rest })
    : service(ip('fd99::10'), 80, [ip('fd99::31'), ip('fd99::32')], { scheduler: 'rr', ...rest });
}

/** Returns maps without a configuration, whose flow tables nobody sweeps. */
function tablesOf(entries: number): Promise<MapSet> {
  const geometry = { services4: 8, services6: 8, slots: 8, destinations: 8, services: 8 };
  const { ipv4, ipv6 } = layout.feature;
  return MapSet.create(DIRECTOR_OBJECT, { ...geometry, flows4: entries, flows6: entries }, ipv4 | ipv6);
}

/** Sends a SYN from each client, one buffer for all. Returns how many were forwarded. */
function sendAll(director: PacketDirector, asked: Service, keys: readonly FlowKey[]): number {
  const data = Uint8Array.from(frameOf(asked, { port: 1 }));
  const view = new DataView(data.buffer);
  const { program } = director.publisher.set!;
  let sent = 0;
  for (const { client, port } of keys) {
    // The source address, and the source port behind the IP header.
    const [addressAt, portAt] = client.length === 4 ? [26, 34] : [22, 54];
    data.set(client, addressAt);
    view.setUint16(portAt, port);
    sent += program.run({ data }).returnValue === 3 ? 1 : 0;
  }
  return sent;
}

/** What all CPUs did to the tables. */
function flowCounters(director: PacketDirector): { stored: number; evicted: number; refused: number } {
  const { stored, evicted, refused } = layout.flowCounter;
  const rows = director.publisher.set!.memory.readAll('flowCounters', layout.flowCounter.byteLength);
  const sum = ({ offset }: { offset: number }): number =>
    rows.reduce((total, row) => total + Number(new DataView(row.buffer).getBigUint64(offset, true)), 0);
  return { stored: sum(stored), evicted: sum(evicted), refused: sum(refused) };
}

/** Returns the state of each used entry, after a check that it stands in one of the buckets that the oracle names. */
function assertPlaces(set: MapSet, family: Family, secret: BigUint64Array, entries?: number): string[] {
  const memory = set.memory.mapping(`flows${family}`);
  const { present, former } = set.control.flowExtents(family);
  const extents = (entries === undefined ? [present, former] : [entries]).map((each) =>
    BigInt(each / WAYS[family] - 1),
  );
  const bytes = memory.read(0, Buffer.alloc(memory.byteLength));
  const { byteLength, data } = FLOW[family];
  const states: string[] = [];
  for (let at = 0; at < bytes.length; at += byteLength) {
    const { state } = layout.flowDataOf(bytes.readBigUInt64LE(at + data.offset), 0);
    if (state !== layout.flowState.free) {
      const hash = flowHash(bytes.subarray(at, at + KEY_BYTES[family]), secret);
      const places = [hash, secondFlowHash(hash)].flatMap((each) => extents.map((extent) => (each >> 32n) & extent));
      const bucket = BigInt(Math.floor(at / byteLength / WAYS[family]));
      assert.ok(
        places.includes(bucket),
        `${bytes.toString('hex', at, at + byteLength)} in ${bucket}, not ${places.join()}`,
      );
      states.push(Object.entries(layout.flowState).find(([, number]) => number === state)![0]);
    }
  }
  return states;
}

/** Sets that one service's packets can make; of IPv6's pairs of bytes, those at the ends of words of 32 bits. */
function setsOfPackets(family: Family): KeySet[] {
  return keySets(family).filter(
    ({ name }) =>
      !name.includes('services') &&
      (family === 4 ||
        [...name.matchAll(/byte (\d+)/g)].every(([, byte]) => Number(byte) % 4 === 0 || Number(byte) % 4 === 3)),
  );
}

for (const family of [4, 6] as const) {
  test(`no IPv${family} flow of a patterned network is refused or evicts another while the table has room`, async () => {
    const asked = serviceOf(family);
    // Three secrets, each for a third of the sets.
    for (let i = 0; i < 3; i += 1) {
      using director = await PacketDirector.with([asked], {}, ENTRIES);
      const { memory, control } = director.publisher.set!;
      const table = memory.mapping(`flows${family}`);
      for (const { name, keys } of setsOfPackets(family).filter((_, set) => set % 3 === i)) {
        table.zero(0, table.byteLength);
        const before = flowCounters(director);
        assert.equal(sendAll(director, asked, keys), SET_SIZE, name);
        assert.deepEqual(flowCounters(director), { ...before, stored: before.stored + SET_SIZE }, name);
      }
      assert.equal(assertPlaces(director.publisher.set!, family, control.hashSecret).length, SET_SIZE);
    }
  });

  test(`no IPv${family} flow of a patterned network is lost when its table is copied, under any secret`, async () => {
    using source = await tablesOf(SET_SIZE);
    using target = await tablesOf(ENTRIES.ipv4);
    const [from, to] = [source, target].map(({ memory }) => memory.mapping(`flows${family}`));
    const { byteLength, data } = FLOW[family];
    const established = (1n << 28n) | (BigInt(layout.flowState.established) << 24n);
    for (const [set, { name, keys }] of keySets(family).entries()) {
      const entries = Buffer.alloc(SET_SIZE * byteLength);
      for (const [i, key] of keys.entries()) {
        entries.set(keyBytes(key), i * byteLength);
        entries.writeBigUInt64LE(established, i * byteLength + data.offset);
      }
      from!.write(0, entries);
      for (let i = 0; i < 3; i += 1) {
        to!.zero(0, to!.byteLength);
        const secret = drawSecret();
        const lost = await addon.copyFlows({
          from: from!.native,
          fromEntries: SET_SIZE,
          to: to!.native,
          toEntries: ENTRIES.ipv4,
          family,
          secret,
        });
        assert.equal(lost, 0, `${name}, ${secret.join()}`);
        // All, for every tenth set: the oracle is slow.
        if (i === 0 && set % 10 === 0) {
          assert.equal(assertPlaces(target, family, secret, ENTRIES.ipv4).length, SET_SIZE, name);
        }
      }
    }
  });
}

/** 2001:db8:0:XX::YY: all addresses that differ in the lowest byte of either half. */
const CAMPUS = Array.from({ length: 1 << 16 }, (_, i): FlowKey => {
  const client = Buffer.from('20010db8000000000000000000000000', 'hex');
  client[7] = i >> 8;
  client[15] = i & 255;
  return { client, port: 40_000, service: 1 };
});

test('all 65,536 clients of 2001:db8:0:XX::YY have their flows', async () => {
  for (const scheduler of ['rr', 'wlc'] as const) {
    const asked = serviceOf(6, { scheduler });
    using director = await PacketDirector.with([asked], {}, { ...ENTRIES, ipv6: 1 << 19 });
    assert.equal(sendAll(director, asked, CAMPUS), CAMPUS.length);
    assert.deepEqual(flowCounters(director), { stored: CAMPUS.length, evicted: 0, refused: 0 });
  }
});

test('all templates of the 65,536 clients of 2001:db8:0:XX::YY are kept, and those of as many networks', async () => {
  const networks = CAMPUS.map(({ port, service: number }, i): FlowKey => {
    const client = Buffer.from('20010db8000000000000000000000001', 'hex');
    client.writeUInt16BE(i, 6);
    return { client, port, service: number };
  });
  for (const [clients, mask] of [
    [CAMPUS, 128],
    [networks, 64],
  ] as const) {
    const asked = serviceOf(6, { persistence: { timeout: 300, mask } });
    using director = await PacketDirector.with([asked], {}, { ...ENTRIES, ipv6: 1 << 20 });
    assert.equal(sendAll(director, asked, clients), clients.length);
    assert.deepEqual(flowCounters(director), { stored: 2 * clients.length, evicted: 0, refused: 0 });
    const { set } = director.publisher;
    const states = assertPlaces(set!, 6, set!.control.hashSecret);
    assert.equal(states.filter((state) => state.startsWith('template')).length, clients.length);
  }
});

test("fragments whose hash without a secret names one bucket do not push each other's ports out", async () => {
  const { 1: M1, 2: M2, 3: M3 } = layout.hashMultiplier;
  const word = (value: bigint): bigint => value & ((1n << 64n) - 1n);
  const mix = (value: bigint): bigint => {
    const product = word(value * M1);
    return word((product ^ (product >> 32n)) * M2);
  };
  for (const family of [4, 6] as const) {
    const asked = serviceOf(family, { protocol: 'udp' });
    const packet = (client: Client): Uint8Array => frameOf(asked, client);
    const [base, addressAt, addressBytes] = family === 4 ? [packet({ port: 9 }), 26, 8] : [packet({ port: 9 }), 22, 32];
    // bpf/fragment.h before it had a secret. The packets' id is 7.
    const bucketOf = (address: IpAddress): bigint => {
      const bytes = Buffer.from(packet({ address, port: 9 }).subarray(addressAt, addressAt + addressBytes));
      const words = Array.from({ length: addressBytes / 8 }, (_, i) => bytes.readBigUInt64LE(i * 8));
      if (family === 4) {
        return mix(words[0]! ^ word(((17n << 16n) | 0x0700n) * M3)) >> 54n;
      }
      const half = mix(words[0]!) ^ words[1]!;
      const folded = mix(half ^ (half >> 32n)) ^ words[2]! ^ words[3]!;
      return mix(word((folded ^ (folded >> 32n)) + 0x0700_0000n * M3)) >> 54n;
    };
    const chosen: IpAddress[] = [];
    const address = Buffer.from(base.subarray(addressAt, addressAt + addressBytes / 2));
    for (let i = 0; chosen.length < 16; i += 1) {
      address.writeUInt16BE(i, address.length - 2);
      const each = ipFromBytes(address);
      if (bucketOf(each) === 0n) {
        chosen.push(each);
      }
    }
    const fragment = (source: IpAddress, offset: number): Uint8Array => {
      const whole = packet({ address: source, port: 9 });
      return family === 4
        ? ipv4Fragment(whole, offset, offset === 0, 7)
        : withExtensions(whole, [fragmentHeader(offset, offset === 0, 7)]);
    };
    using director = await PacketDirector.with([asked], {}, ENTRIES);
    const sent = (offset: number): number =>
      chosen.filter((source) => director.send(fragment(source, offset)).action === 'tx').length;
    assert.equal(sent(0), chosen.length);
    // A bucket has four entries. A random function puts five of 16 into one once in 10^8 runs.
    assert.equal(sent(8), chosen.length, `IPv${family}`);
  }
});
