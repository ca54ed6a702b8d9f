/** The tables' bytes and numbers: each entry is in its place, and no number is given twice. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { sumRows, sumToRow } from '../../../src/dataplane/index.js';
import { compile } from '../../../src/image/compile.js';
import { NO_NUMBERS, type Numbering, type NumberSet, renumber, serviceNumber } from '../../../src/image/numbering.js';
import { choicesOf, entriesFor, placeKeys } from '../../../src/image/tables/cuckoo.js';
import { fits, grow, requiredGeometry, requireMemory, SMALLEST_GEOMETRY } from '../../../src/image/tables/geometry.js';
import { encodeNics } from '../../../src/image/tables/nics.js';
import { persistenceMask } from '../../../src/image/tables/policies.js';
import { multiply } from '../../../src/image/tables/word64.js';
import * as layout from '../../../src/layout/index.js';
import { ip, type IpAddress, type Service } from '../../../src/model/index.js';
import { anyServices, DIRECTOR, service, worldOf } from '../../support/models.js';

const anyWord = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

function halves(word: bigint): { high: number; low: number } {
  return { high: Number(word >> 32n), low: Number(word & 0xffffffffn) };
}

test('64-bit multiplication wraps as in the processor', () => {
  fc.assert(
    fc.property(anyWord, anyWord, (a, b) => {
      assert.deepEqual(multiply(halves(a), halves(b)), halves((a * b) & (2n ** 64n - 1n)));
    }),
  );
});

test('every key is in one of its two entries, without another key', () => {
  for (const bytes of [8, 20]) {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.uint8Array({ minLength: bytes, maxLength: bytes }), {
          maxLength: 300,
          selector: (key) => key.join(),
        }),
        (keys) => {
          const entries = entriesFor(keys.length);
          const { multipliers, positions } = placeKeys(keys, entries);
          assert.equal(new Set(positions).size, keys.length);
          keys.forEach((key, i) => {
            assert.ok(choicesOf(key, entries, multipliers).includes(positions[i]!));
          });
        },
      ),
      { numRuns: 50 },
    );
  }
});

test('similar keys are placed too: a thousand ports of one VIP, one port of a thousand VIPs', () => {
  const ports = Array.from({ length: 1000 }, (_, i) => Uint8Array.of(192, 168, 1, 100, i >> 8, i & 255, 6, 0));
  const vips = Array.from({ length: 1000 }, (_, i) => Uint8Array.of(10, 0, i >> 8, i & 255, 0, 80, 6, 0));
  for (const keys of [ports, vips]) {
    assert.equal(new Set(placeKeys(keys, entriesFor(keys.length)).positions).size, 1000);
  }
});

function numbersIn(numbering: Numbering): NumberSet {
  return {
    services: [...numbering.values()].map(({ number }) => number),
    destinations: [...numbering.values()].flatMap(({ destinations }) => [...destinations.values()]),
  };
}

test('numbers are unique, never 0, and kept for as long as their owner exists', () => {
  fc.assert(
    fc.property(fc.array(anyServices, { minLength: 1, maxLength: 5 }), (history) => {
      let numbering: Numbering = new Map();
      for (const services of history) {
        const image = compile({ services }, worldOf(services));
        const next = renumber(numbering, image);
        const { services: used, destinations } = numbersIn(next.numbering);
        for (const numbers of [used, destinations]) {
          assert.equal(new Set<number>(numbers).size, numbers.length);
          assert.ok(numbers.every((number) => number > 0));
        }
        for (const [name, known] of numbering) {
          const kept = next.numbering.get(name);
          assert.ok(kept === undefined || kept.number === known.number);
          for (const [address, number] of known.destinations) {
            assert.ok([undefined, number].includes(kept?.destinations.get(address)));
          }
        }
        // What is gone keeps its number as long as it rests.
        assert.deepEqual(next.removed, NO_NUMBERS);
        const names = new Set([...numbering.keys(), ...image.services.map(({ name }) => name)]);
        assert.deepEqual(new Set(next.numbering.keys()), names);
        numbering = next.numbering;
      }
    }),
    { numRuns: 100 },
  );
});

test('a freed number is not reused in the same change', () => {
  const before = [service(ip('192.168.1.1'), 80, [ip('10.0.0.1'), ip('10.0.0.2')])];
  const after = [service(ip('192.168.1.2'), 80, [ip('10.0.0.3'), ip('10.0.0.4')])];
  const { numbering } = renumber(new Map(), compile({ services: before }, worldOf(before)));
  const rests = renumber(numbering, compile({ services: after }, worldOf(after)));
  assert.deepEqual(rests.removed, NO_NUMBERS);
  const change = renumber(numbering, compile({ services: after }, worldOf(after)), numbersIn(numbering));
  assert.deepEqual(change.removed, { services: [1], destinations: [1, 2] });
  assert.deepEqual(change.added, { services: [2], destinations: [3, 4] });
});

test('a destination and a service that are back have the numbers of their flows again', () => {
  const [a, b] = [ip('10.0.0.1'), ip('10.0.0.2')];
  const vip = ip('192.168.1.1');
  const other = service(ip('192.168.1.2'), 80, [ip('10.0.0.3')]);
  const step = (before: Numbering, services: Service[], free?: NumberSet): Numbering =>
    renumber(before, compile({ services }, worldOf(services)), free).numbering;
  const numbersOf = (numbering: Numbering): unknown => numbering.get('tcp 192.168.1.1:80');
  const whole = step(new Map(), [service(vip, 80, [a, b])]);
  const without = step(step(whole, [service(vip, 80, [b])]), [other]);
  assert.deepEqual(numbersOf(without), numbersOf(whole));
  assert.deepEqual(numbersOf(step(without, [other, service(vip, 80, [b, a])])), numbersOf(whole));
  // What is freed while it comes back is not freed.
  const all = numbersIn(whole);
  assert.deepEqual(numbersOf(step(without, [service(vip, 80, [a, b])], all)), numbersOf(whole));
  assert.equal(numbersOf(step(without, [other], all)), undefined);
});

test('without a change no number changes', () => {
  const services = [service(ip('192.168.1.1'), 80, [ip('10.0.0.1')])];
  const first = renumber(new Map(), compile({ services }, worldOf(services)));
  const again = renumber(first.numbering, compile({ services: [{ ...services[0]! }] }, worldOf(services)));
  assert.equal(again.numbering, first.numbering);
  assert.deepEqual(again.added, { services: [], destinations: [] });
});

test('tables that are replaced have room for what is about to come, and a guess asks for no more than there are numbers', () => {
  const need = { ...SMALLEST_GEOMETRY, services4: 64, destinations: 128, services: 8 };
  const grown = grow(need, SMALLEST_GEOMETRY, 9_868);
  assert.deepEqual([grown.destinations, grown.services, grown.services4], [16_384, 1_024, 8_192]);
  assert.ok(grow(need, undefined, 9_868).destinations >= 16_384, 'also the first ones');
  const all = grow({ ...need, slots: 1 << 18 }, SMALLEST_GEOMETRY, 1e9);
  assert.deepEqual([all.destinations, all.services, all.slots], [1 << 16, 1 << 16, 1 << 20]);
  assert.equal(grow({ ...need, slots: 1 << 27 }, SMALLEST_GEOMETRY).slots, 1 << 27, 'spare room is not refused');
});

test('tables grow to the required size and never shrink', () => {
  fc.assert(
    fc.property(anyServices, (services) => {
      const image = compile({ services }, worldOf(services));
      const need = requiredGeometry(image, renumber(new Map(), image).numbering);
      const grown = grow(need);
      assert.ok(fits(need, grown));
      assert.ok(fits(SMALLEST_GEOMETRY, grown));
      for (const size of Object.values(grown) as number[]) {
        assert.ok(Number.isInteger(Math.log2(size)));
      }
    }),
  );
});

test('the counters of all CPUs are summed in more than 32 bits', () => {
  const row = (...counts: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(counts).buffer);
  const rows = [row(1n, 2n ** 40n), row(2n ** 32n - 1n, 2n ** 40n)];
  assert.deepEqual([...sumRows(rows)], [2 ** 32, 2 ** 41]);
  assert.deepEqual(sumToRow(rows), row(2n ** 32n, 2n ** 41n));
});

test('more services than numbers are refused, not truncated', () => {
  const numbering: Numbering = new Map([
    ['tcp 10.0.0.1:80', { number: serviceNumber(65_536), destinations: new Map() }],
  ]);
  const image = compile({ services: [] }, worldOf([]));
  assert.throws(() => requiredGeometry(image, numbering), { code: 'TABLE_FULL' });
});

test('every interface has a separate entry, whatever the indices', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 64 }),
      (indices) => {
        const interfaces = indices.map((ifindex) => ({ ...DIRECTOR, ifindex, group: ifindex }));
        const bytes = encodeNics(compile({ services: [] }, { interfaces, resolutions: new Map() }));
        const view = new DataView(bytes.buffer);
        const multiplier = view.getUint32(0, true);
        for (const ifindex of indices) {
          const entry = layout.nics.entry.offset + (Math.imul(ifindex, multiplier) >>> 24) * layout.nic.byteLength;
          assert.equal(view.getUint32(entry, true), ifindex);
        }
      },
    ),
  );
});

test('flow tables that would leave the host without memory are refused', () => {
  requireMemory(24e6, 100e6);
  assert.throws(
    () => {
      requireMemory(256e6, 300e6);
    },
    { code: 'OUT_OF_MEMORY', message: 'the flow tables need 256 MB; 300 MB of memory are available' },
  );
});

test('a netmask and a prefix length become the bits that distinguish clients', () => {
  const mask = (address: IpAddress, given?: IpAddress | number): string => {
    const persistence = { timeout: 1, ...(given !== undefined && { mask: given }) };
    return Buffer.from(persistenceMask(service(address, 80, [], { persistence }))).toString('hex');
  };
  assert.equal(mask(ip('10.0.0.1')), 'ffffffff');
  assert.equal(mask(ip('10.0.0.1'), ip('255.255.240.0')), 'fffff000');
  assert.equal(mask(ip('fd00::1')), 'ff'.repeat(16));
  assert.equal(mask(ip('fd00::1'), 64), 'ff'.repeat(8) + '00'.repeat(8));
  assert.equal(mask(ip('fd00::1'), 61), 'ff'.repeat(7) + 'f8' + '00'.repeat(8));
  assert.equal(mask(ip('fd00::1'), 1), '80' + '00'.repeat(15));
});
