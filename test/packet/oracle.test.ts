/** The real program and the TypeScript oracle on random packets for random services: verdict, destination, every byte. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { ip, mac, type Resolution, type Service } from '../../src/model/index.js';
import type { Decision } from '../../src/oracle/index.js';
import { buildFrame } from '../../src/packet/index.js';
import { PacketDirector } from '../support/director.js';
import { anyServices, CLIENT_MAC, clientFor, DIRECTOR } from '../support/models.js';

const XDP_ACTIONS: Partial<Record<Decision['verdict'], string>> = {
  forwarded: 'tx',
  // Answered.
  'no-destination': 'tx',
  'too-long': 'tx',
  'not-fragmented': 'drop',
  dropped: 'drop',
  'flows-full': 'drop',
  'service-gone': 'drop',
  unresolved: 'drop',
  martian: 'drop',
  truncated: 'drop',
  fragment: 'drop',
  early: 'drop',
  unanswered: 'drop',
};

/** A frame for one of the services, or nearly. */
const anyFrame = (services: readonly Service[]): fc.Arbitrary<Uint8Array> =>
  fc
    .record({
      service: services.length > 0 ? fc.constantFrom(...services) : fc.constant(undefined),
      client: fc.nat(0xffff),
      sourcePort: fc.nat(0xffff),
      otherPort: fc.option(fc.constantFrom(0, 22, 25, 80, 443, 8080), { freq: 3 }),
      otherProtocol: fc.boolean(),
      otherMac: fc.option(fc.constant(mac('00:50:00:00:04:01')), { freq: 8 }),
      flags: fc.nat(0xff),
      payload: fc.uint8Array({ maxLength: 64 }),
      cutTo: fc.option(fc.integer({ min: 14, max: 80 }), { freq: 5 }),
      flips: fc.array(fc.tuple(fc.nat(79), fc.nat(255)), { maxLength: 2 }),
    })
    .map(({ service, client, sourcePort, otherPort, otherProtocol, otherMac, flags, payload, cutTo, flips }) => {
      const { address, port, protocol } = service ?? { address: ip('10.1.2.3'), port: 80, protocol: 'tcp' as const };
      const frame = buildFrame({
        destinationMac: otherMac ?? DIRECTOR.mac,
        sourceMac: CLIENT_MAC,
        source: clientFor({ address, port, protocol, scheduler: 'maglev', destinations: [] }, client),
        destination: address,
        protocol: otherProtocol ? (protocol === 'tcp' ? 'udp' : 'tcp') : protocol,
        sourcePort,
        destinationPort: otherPort ?? port,
        flags,
        payload,
      });
      for (const [offset, value] of flips) {
        if (offset < frame.length) {
          frame[offset] = value;
        }
      }
      return cutTo === null ? frame : frame.slice(0, cutTo);
    });

/** Now and then a real server is this host, or nowhere. */
function someElsewhere(services: readonly Service[]): Record<string, Resolution> {
  const addresses = services.flatMap(({ destinations }) => destinations.map(({ address }) => address));
  return Object.fromEntries(
    addresses.flatMap((address, i): [string, Resolution][] =>
      i % 7 === 3
        ? [[address, { state: 'local' }]]
        : i % 7 === 5
          ? [[address, { state: 'unresolved', reason: '' }]]
          : [],
    ),
  );
}

test('program and oracle agree on every packet, and on what is counted', async () => {
  const director = new PacketDirector();
  await fc.assert(
    fc.asyncProperty(
      anyServices.chain((services) =>
        fc.tuple(fc.constant(services), fc.array(anyFrame(services), { minLength: 100, maxLength: 100 })),
      ),
      async ([services, frames]) => {
        // New numbers, and with them counters at zero, for each run.
        await director.publish([]);
        await director.publish(services, someElsewhere(services));
        const sent = new Map<string, number>();
        const refused = new Map<string, number>();
        const before = director.verdicts();
        for (const frame of frames) {
          const expected = director.expect(frame);
          const { action, frame: after } = director.send(frame);
          assert.equal(action, XDP_ACTIONS[expected.verdict] ?? 'pass', expected.verdict);
          assert.deepEqual(after, new Uint8Array(expected.frame));
          count(expected, sent, refused);
        }
        const { services: counted } = director.publisher.counters();
        for (const { name, destinations, verdicts } of counted) {
          for (const { address, packets, bytes, flows } of destinations) {
            assert.deepEqual(
              [packets, bytes, flows],
              ['packets', 'bytes', 'flows'].map((what) => sent.get(`${name} ${address} ${what}`) ?? 0),
            );
          }
          for (const [verdict, packets] of Object.entries(verdicts)) {
            assert.equal(packets, refused.get(`${name} ${verdict}`));
          }
        }
        for (const [verdict, packets] of Object.entries(director.verdicts())) {
          assert.equal(packets! - (before[verdict] ?? 0), refused.get(`undefined ${verdict}`) ?? 0, verdict);
        }
      },
    ),
    { numRuns: 40 },
  );
  director.close();
});

function count(decision: Decision, sent: Map<string, number>, refused: Map<string, number>): void {
  const { verdict, service, destination, bytes, opensFlow } = decision;
  const add = (map: Map<string, number>, key: string, amount: number): void => {
    map.set(key, (map.get(key) ?? 0) + amount);
  };
  if (service !== undefined && destination !== undefined) {
    const key = `${service.name} ${service.destinations[destination]!.address}`;
    add(sent, `${key} packets`, 1);
    add(sent, `${key} bytes`, bytes!);
    add(sent, `${key} flows`, Number(opensFlow));
  } else if (verdict !== 'not-ours') {
    add(refused, `${service?.name} ${verdict}`, 1);
  }
}
