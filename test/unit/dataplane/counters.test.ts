/** CounterReader: a reading has what was counted, and what did not change is the same object as before. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { CounterReader, type Counters } from '../../../src/dataplane/counters.js';
import type { MapMemory } from '../../../src/dataplane/maps/memory.js';
import { compile, type Image, renumber } from '../../../src/image/index.js';
import * as layout from '../../../src/layout/index.js';
import { ip, type Service } from '../../../src/model/index.js';
import { service, worldOf } from '../../support/models.js';

/** The memory of maps with one row of counters. */
class FakeMemory {
  readonly rows = { destinationCounters: new Uint8Array(4096), serviceVerdicts: new Uint8Array(1 << 14) };

  readAll(key: keyof FakeMemory['rows'], bytes: number): Uint8Array[] {
    return [this.rows[key].slice(0, bytes)];
  }

  /** Counts a packet of a destination. */
  count(number: number): void {
    this.rows.destinationCounters[number * layout.counter.byteLength + layout.counter.packets.offset]! += 1;
  }
}

const FIRST = service(ip('192.168.1.100'), 80, [ip('10.0.0.1')], { scheduler: 'rr' });
const SECOND = service(ip('192.168.1.101'), 80, [ip('10.0.0.2'), ip('10.0.0.3')], { scheduler: 'rr' });

function imageOf(services: readonly Service[]): Image {
  return compile({ services: [...services] }, worldOf(services));
}

function packets({ services }: Counters): Record<string, number[]> {
  return Object.fromEntries(services.map(({ name, destinations }) => [name, destinations.map((each) => each.packets)]));
}

test('a change of one service leaves the reading of the others, and the next packet changes it', () => {
  const [memory, reader] = [new FakeMemory(), new CounterReader()];
  const read = (image: Image, numbering: Parameters<CounterReader['read']>[2]): Counters =>
    reader.read(memory as unknown as MapMemory, image, numbering);
  const image = imageOf([FIRST, SECOND]);
  const { numbering } = renumber(new Map(), image);
  const [one] = [...numbering.get('tcp 192.168.1.100:80')!.destinations.values()];
  memory.count(one!);
  const before = read(image, numbering);
  assert.equal(read(image, numbering), before, 'nothing happened');

  const changed = imageOf([FIRST, { ...SECOND, destinations: SECOND.destinations.slice(1) }]);
  const next = renumber(numbering, changed).numbering;
  const after = read(changed, next);
  assert.equal(after.services[0], before.services[0]);
  assert.deepEqual(packets(after), { 'tcp 192.168.1.100:80': [1], 'tcp 192.168.1.101:80': [0] });

  memory.count(one!);
  assert.deepEqual(packets(read(changed, next)), { 'tcp 192.168.1.100:80': [2], 'tcp 192.168.1.101:80': [0] });
  assert.deepEqual(packets(read(imageOf([SECOND]), next)), { 'tcp 192.168.1.101:80': [0, 0] });
});
