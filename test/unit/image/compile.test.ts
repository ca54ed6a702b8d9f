/** compile(): the same model gives the same image, whatever came before and in whatever order it was written. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { compile } from '../../../src/image/compile.js';
import type { Image } from '../../../src/image/image.js';
import { slotsFor } from '../../../src/image/rings.js';
import { ip, keepUnchanged, type Model, type Service, type World } from '../../../src/model/index.js';
import { anyServices, DIRECTOR, macFor, reordered, service, worldOf } from '../../support/models.js';

/** The part of an image that must be equal on another director, byte for byte. */
function essence(image: Image): unknown[] {
  return image.services.map(({ name, destinations, routes, ring }) => ({
    name,
    destinations,
    routes,
    ring: ring && Buffer.from(ring.buffer, ring.byteOffset, ring.byteLength).toString('base64'),
  }));
}

test('the order of services and real servers does not change the image', () => {
  fc.assert(
    fc.property(anyServices, (services) => {
      const other = reordered(services);
      assert.deepEqual(
        essence(compile({ services: other }, worldOf(other))),
        essence(compile({ services }, worldOf(services))),
      );
    }),
    { numRuns: 50 },
  );
});

test('the history of edits does not change the image', () => {
  fc.assert(
    fc.property(fc.array(anyServices, { minLength: 1, maxLength: 4 }), anyServices, (history, last) => {
      // One director has lived through all of the history, with its objects kept; the other starts with the last model.
      let model: Model = { interfaces: ['ens3'], mode: 'native', services: [] };
      for (const services of [...history, last]) {
        model = keepUnchanged(model, { ...model, services });
        compile({ services: model.services }, worldOf(model.services));
      }
      const lived = compile({ services: model.services }, worldOf(model.services));
      const fresh = reordered(last);
      assert.deepEqual(essence(lived), essence(compile({ services: fresh }, worldOf(fresh))));
    }),
    { numRuns: 50 },
  );
});

test('a failure and a recovery leave the ring unchanged', () => {
  const services = [service(ip('192.168.1.100'), 80, [ip('10.0.0.1'), ip('10.0.0.2'), ip('10.0.0.3')])];
  const before = essence(compile({ services }, worldOf(services)));
  const down = worldOf(services, { '10.0.0.2': { state: 'unresolved', reason: 'down' } });
  assert.notDeepEqual(essence(compile({ services }, down)), before);
  assert.deepEqual(essence(compile({ services }, worldOf(services))), before);
});

test('an unchanged service compiles to the same object', () => {
  const kept = service(ip('192.168.1.100'), 80, [ip('10.0.0.1'), ip('10.0.0.2')]);
  const first = compile({ services: [kept] }, worldOf([kept]));
  const second = compile({ services: [kept, service(ip('192.168.1.100'), 25, [ip('10.0.0.1')])] }, worldOf([kept]));
  assert.equal(
    second.services.find(({ service: each }) => 'port' in each && each.port === 80),
    first.services[0],
  );
});

test('an unresolved or drained real server has no slots', () => {
  const services = [service(ip('192.168.1.100'), 80, [ip('10.0.0.1'), [ip('10.0.0.2'), 0], ip('10.0.0.3')])];
  const world = worldOf(services, { '10.0.0.3': { state: 'unresolved', reason: 'no answer' } });
  const [compiled] = compile({ services }, world).services;
  assert.deepEqual(new Set(compiled!.ring), new Set([0]));
  assert.deepEqual(compiled!.routes[2], { action: 'none', reason: 'no answer' });
});

test('a service without usable real servers has no ring', () => {
  const services = [service(ip('192.168.1.100'), 80, [[ip('10.0.0.1'), 0]]), service(ip('192.168.1.100'), 81, [])];
  for (const { ring } of compile({ services }, worldOf(services)).services) {
    assert.equal(ring, undefined);
  }
});

for (const [self, vip] of [
  ['127.0.0.1', '192.168.1.100'],
  ['127.0.0.53', '192.168.1.100'],
  ['0.0.0.0', '192.168.1.100'],
  ['::1', 'fd00::100'],
] as const) {
  test(`the real server ${self} is the director itself, whatever the host's routes say`, () => {
    const services = [service(ip(vip), 80, [ip(self)])];
    const except = { [self]: { state: 'unresolved', reason: 'lo is down' } } as const;
    const [compiled] = compile({ services }, worldOf(services, except)).services;
    assert.deepEqual(compiled!.routes, [{ action: 'local', sourceMac: DIRECTOR.mac }]);
  });
}

test('a real server that is this host is delivered locally, for frames to its own MAC', () => {
  const services = [service(ip('192.168.1.100'), 80, [ip('10.0.0.1')])];
  const [compiled] = compile({ services }, worldOf(services, { '10.0.0.1': { state: 'local' } })).services;
  assert.deepEqual(compiled!.routes, [{ action: 'local', sourceMac: DIRECTOR.mac }]);
});

test('packets leave with the MAC of the interface they leave by', () => {
  const services = [service(ip('192.168.1.100'), 80, [ip('10.0.0.1')])];
  const [compiled] = compile({ services }, worldOf(services)).services;
  assert.deepEqual(compiled!.routes, [
    {
      action: 'forward',
      mac: macFor(ip('10.0.0.1')),
      sourceMac: DIRECTOR.mac,
      ifindex: DIRECTOR.ifindex,
      vlan: undefined,
    },
  ]);
});

test("a real server behind another interface than the director's takes no packets", () => {
  const services = [service(ip('192.168.1.100'), 80, [ip('10.0.0.1')])];
  const elsewhere = worldOf(services, { '10.0.0.1': { state: 'resolved', mac: macFor(ip('10.0.0.1')), ifindex: 99 } });
  const [compiled] = compile({ services }, elsewhere).services;
  assert.equal(compiled!.routes[0]!.action, 'none');
});

test('a ring has a hundred slots for each destination, whatever the number of destinations', () => {
  for (let n = 1; n <= 8000; n += 1) {
    assert.ok(slotsFor(n) >= n * 100, `${n} destinations: ${slotsFor(n)} slots`);
  }
});

test('an unresolved real server does not change the size of a ring', () => {
  const servers = Array.from({ length: 11 }, (_, i) => ip(`10.0.0.${i + 1}`));
  const services: Service[] = [service(ip('192.168.1.100'), 80, servers)];
  const all = compile({ services }, worldOf(services)).services[0]!.ring!.length;
  const down = Object.fromEntries(servers.slice(1).map((each) => [each, { state: 'unresolved', reason: '' } as const]));
  assert.equal(compile({ services }, worldOf(services, down)).services[0]!.ring!.length, all);
});

test('services with the same real servers share one ring, also if an edit made them the same', () => {
  const servers = [ip('10.0.0.1'), ip('10.0.0.2'), ip('10.0.0.3')];
  const [a, b] = [service(ip('192.0.2.1'), 80, servers), service(ip('192.0.2.2'), 443, [...servers].reverse())];
  const c = service(ip('192.0.2.0'), 80, servers.slice(1));
  const before = compile({ services: [a, b, c] }, worldOf([a, b, c]));
  const ringOf = (image: Image, { address }: Service): unknown =>
    image.services.find(({ service: other }) => 'address' in other && other.address === address)!.ring;
  assert.equal(ringOf(before, a), ringOf(before, b));
  assert.notEqual(ringOf(before, a), ringOf(before, c));
  const edited = { ...c, destinations: a.destinations };
  const after = compile({ services: [a, b, edited] }, worldOf([a, b, edited]));
  assert.equal(ringOf(after, edited), ringOf(before, a));
});

test("more real servers than a slot can number are refused, with the service's name", () => {
  const many = Array.from({ length: 65_536 }, (_, i) => ip(`10.1.${i >> 8}.${i & 255}`));
  const huge = service(ip('192.0.2.1'), 80, many);
  assert.throws(() => compile({ services: [huge] }, worldOf([])), {
    code: 'TABLE_FULL',
    message: /65536 real servers, more than 65534/,
  });
});

test('a service is looked at again as soon as the state of its surroundings is another, and not before', () => {
  const services = [service(ip('192.168.1.100'), 80, [ip('10.0.0.1'), ip('10.0.0.2')], { scheduler: 'rr' })];
  const here = worldOf(services);
  const gone = worldOf(services, { '10.0.0.2': { state: 'unresolved', reason: 'does not answer' } });
  const actions = (world: World): string[] =>
    compile({ services }, world).services[0]!.routes.map(({ action }) => action);
  const [before, after] = [{}, {}];
  assert.deepEqual(actions({ ...here, state: before }), ['forward', 'forward']);
  assert.deepEqual(actions({ ...gone, state: after }).sort(), ['forward', 'none']);
  assert.deepEqual(actions({ ...here, state: before }), ['forward', 'forward'], 'the state before is back');
  assert.deepEqual(actions(gone).sort(), ['forward', 'none'], 'a world without a state is compared');
  assert.deepEqual(actions({ ...gone, state: after }).sort(), ['forward', 'none']);
});
