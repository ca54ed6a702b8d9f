/** Statistics of ipvsadm: rates as IPVS estimates them, and counts since they were set to zero. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import type { Statistics } from '../../../src/control/index.js';
import { estimate, growth, NO_STATISTICS } from '../../../src/director/reports/rates.js';
import { type Baselines, baselinesFormat, StatisticsCollector } from '../../../src/director/reports/statistics.js';
import { ip } from '../../../src/model/index.js';
import { decode } from '../../../src/store/index.js';
import { NOW } from '../../support/store.js';

const NAME = 'tcp 192.168.1.100:80';
const [A, B] = [ip('192.168.1.31'), ip('192.168.1.32')] as const;

type Counted = Readonly<Record<string, number>>;

/** Counters of one service: as many packets, with ten bytes each. */
function counted(packets: Counted): Parameters<StatisticsCollector['observe']>[0] {
  const destinations = Object.entries(packets).map(([address, count]) => ({
    address: ip(address),
    packets: count,
    bytes: 10 * count,
    flows: count,
  }));
  return { services: [{ name: NAME, destinations, verdicts: {} }] };
}

function packets(collector: StatisticsCollector, address?: string): number {
  return collector.statisticsOf(NAME, address).counters.packets;
}

const anyStatistics = fc.record(
  { connections: fc.nat(), packets: fc.nat(), bytes: fc.nat() },
  { noNullPrototype: true },
);

test('a real server that is back has its statistics again, and its service counts nothing twice', () => {
  const collector = new StatisticsCollector();
  const [service] = counted({ [A]: 5, [B]: 7 }).services;
  collector.observe({ services: [service!] });
  const [away, stays] = [service!.destinations[0]!, service!.destinations[1]!];
  collector.observe({ services: [{ ...service!, destinations: [stays], resting: [away] }] });
  assert.equal(packets(collector), 12);
  collector.observe(counted({ [A]: 6, [B]: 7 }));
  assert.deepEqual([packets(collector), packets(collector, A)], [13, 6]);
});

test('the estimate approaches a constant rate and never exceeds it', () => {
  fc.assert(
    fc.property(fc.nat({ max: 1e9 }), fc.double({ min: 0.1, max: 10, noNaN: true }), (rate, seconds) => {
      let average: Statistics = NO_STATISTICS;
      const each = { connections: 0, packets: rate * seconds, bytes: 0 };
      for (let i = 0; i < 60; i += 1) {
        const next = estimate(average, each, seconds);
        assert.ok(next.packets >= average.packets - 1e-6 && next.packets <= rate + 1e-6 * rate + 1e-6);
        average = next;
      }
      assert.ok(Math.abs(average.packets - rate) <= rate * 1e-6 + 1e-6, `${average.packets} of ${rate}`);
    }),
  );
});

test('the estimate moves by a quarter of the difference every two seconds, as in IPVS', () => {
  const first = estimate(NO_STATISTICS, { connections: 0, packets: 2000, bytes: 0 }, 2);
  assert.equal(first.packets, 250);
  assert.equal(estimate(first, { connections: 0, packets: 2000, bytes: 0 }, 2).packets, 437.5);
});

test('growth is never negative, whatever the counters do', () => {
  fc.assert(
    fc.property(anyStatistics, anyStatistics, (before, now) => {
      assert.ok(Object.values(growth(before, now)).every((value) => value >= 0));
    }),
  );
});

test('counters that go back to zero, in larger maps or after an adoption that failed, are counted on', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 1000 }), { minLength: 1 }), (readings) => {
      const collector = new StatisticsCollector();
      let before = 0;
      for (const reading of readings) {
        collector.observe(counted({ [A]: reading }));
        collector.estimate(2);
        const { counters, rates } = collector.statisticsOf(NAME, A);
        assert.ok(counters.packets >= before && rates.packets >= 0);
        assert.deepEqual(collector.statisticsOf(NAME), { counters, rates });
        before = counters.packets;
      }
    }),
  );
});

test("a service's statistics count from their last reset, also after a restart", () => {
  const collector = new StatisticsCollector();
  collector.observe(counted({ [A]: 100, [B]: 50 }));
  collector.zero(NAME);
  collector.observe(counted({ [A]: 103, [B]: 50 }));
  assert.deepEqual([packets(collector), packets(collector, A), packets(collector, B)], [3, 3, 0]);
  const next = new StatisticsCollector(JSON.parse(JSON.stringify(collector.baselines)) as Baselines);
  next.observe(counted({ [A]: 110, [B]: 51 }));
  assert.deepEqual([packets(next), packets(next, A), packets(next, B)], [11, 10, 1]);
  collector.zero('tcp 192.168.1.100:81');
  assert.equal(packets(collector), 3);
});

test('statistics of new maps count from zero, whatever was saved for the old ones', () => {
  const collector = new StatisticsCollector();
  collector.observe(counted({ [A]: 100 }));
  collector.zero();
  const next = new StatisticsCollector(collector.baselines);
  next.observe(counted({ [A]: 7 }));
  assert.deepEqual([packets(next), packets(next, A)], [7, 7]);
});

test('a service keeps the counts of a removed real server, and one that is added again starts at zero', () => {
  const collector = new StatisticsCollector();
  collector.observe(counted({ [A]: 100, [B]: 50 }));
  collector.observe(counted({ [A]: 101 }));
  assert.deepEqual([packets(collector), packets(collector, B)], [151, 0]);
  collector.observe(counted({ [A]: 101, [B]: 2 }));
  assert.deepEqual([packets(collector), packets(collector, B)], [153, 2]);
  collector.zero(NAME, B);
  assert.deepEqual([packets(collector), packets(collector, A), packets(collector, B)], [153, 101, 0]);
  const next = new StatisticsCollector(collector.baselines);
  next.observe(counted({ [A]: 101, [B]: 2 }));
  assert.deepEqual([packets(next), packets(next, A), packets(next, B)], [153, 101, 0]);
});

test('what older daemons wrote, which is to be added to the counters, is read', () => {
  const offsets = {
    [NAME]: {
      own: { connections: -1, packets: -40, bytes: -400 },
      destinations: { [A]: { connections: -2, packets: -50, bytes: -500 } },
    },
  };
  const collector = new StatisticsCollector(decode(baselinesFormat, Buffer.from(JSON.stringify(offsets)), NOW));
  collector.observe(counted({ [A]: 100 }));
  assert.deepEqual([packets(collector), packets(collector, A)], [60, 50]);
});
