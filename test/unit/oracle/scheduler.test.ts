/** The schedulers' rules, one by one, on loads made by hand: who is chosen, who wins a tie, who never is. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { buildMhTable, buildShTable, wrrSequence } from '../../../src/image/index.js';
import { SCHEDULERS } from '../../../src/model/index.js';
import { type Load, schedule, type Scheduled, type SchedulerName } from '../../../src/oracle/index.js';

const CLIENT = { address: Uint8Array.of(10, 50, 0, 1), port: 40_000 };

/** A destination as a test describes it; what it leaves out is idle, of weight 1, and takes flows. */
interface Server extends Partial<Load> {
  readonly weight?: number;
  readonly reachable?: boolean;
}

/** A service of these destinations, in the scheduler's order, with a table where the scheduler has one. */
function serviceOf(
  scheduler: SchedulerName,
  servers: readonly Server[],
  flags: readonly string[] = [],
  vipBucket = 0,
): Scheduled {
  const weights = servers.map(({ weight = 1 }) => weight);
  return {
    scheduler,
    flags,
    ring: ringOf(scheduler, weights, vipBucket),
    weights,
    reachable: servers.map(({ reachable = true }) => reachable),
  };
}

function ringOf(scheduler: SchedulerName, weights: readonly number[], vipBucket: number): Uint16Array | undefined {
  const all = Uint16Array.from(weights.keys());
  if (weights.length === 0) {
    return undefined;
  }
  switch (scheduler) {
    case 'rr':
      return all;
    case 'dh':
      return Uint16Array.of(vipBucket % weights.length);
    case 'wrr':
      return weights.some((weight) => weight > 0) ? wrrSequence(weights) : undefined;
    case 'sh':
      return buildShTable(weights);
    case 'mh':
      return buildMhTable(weights.map((weight, i) => ({ address: 0x0a63_000b + i, port: 80, weight })));
    case 'maglev':
      return Uint16Array.from({ length: 64 }, (_, slot) => slot % weights.length);
    default:
      return undefined;
  }
}

class Trial {
  readonly state = { count: 0n, cached: undefined as number | undefined };
  /** In the order in which they joined. */
  readonly members: Set<number>;
  readonly #service: Scheduled;
  readonly #servers: readonly Server[];

  constructor(service: Scheduled, servers: readonly Server[]) {
    this.#service = service;
    this.#servers = servers;
    this.members = new Set(servers.flatMap(({ member = 0 }, i) => (member > 0 ? [i] : [])));
  }

  choose(client = CLIENT): number | undefined {
    const load = (index: number): Load => {
      const { active = 0, inactive = 0, overloaded = false } = this.#servers[index]!;
      return { active, inactive, overloaded, member: [...this.members].indexOf(index) + 1 };
    };
    return schedule(this.#service, client, load, this.state, (index) => this.members.add(index));
  }
}

function choose(scheduler: SchedulerName, ...servers: Server[]): number | undefined {
  return new Trial(serviceOf(scheduler, servers), servers).choose();
}

const anyServer = fc.record({
  weight: fc.oneof(fc.nat(3), fc.nat(100)),
  active: fc.oneof(fc.nat(3), fc.nat(1000)),
  inactive: fc.oneof(fc.nat(3), fc.nat(1000)),
  overloaded: fc.boolean(),
  reachable: fc.boolean(),
  member: fc.constantFrom(0, 1),
});

test('no scheduler chooses a destination with weight 0, or one that is overloaded or unreachable', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SCHEDULERS),
      fc.array(anyServer, { maxLength: 12 }),
      fc.subarray(['sh-fallback', 'mh-fallback', 'sh-port', 'mh-port']),
      fc.nat(0xffff),
      fc.nat(255),
      (scheduler, servers, flags, port, vipBucket) => {
        const trial = new Trial(serviceOf(scheduler, servers, flags, vipBucket), servers);
        for (let i = 0; i < 20; i += 1) {
          // The destination that lblc used may have been drained since.
          trial.state.cached = servers.length === 0 ? undefined : (port + i) % servers.length;
          const index = trial.choose({ ...CLIENT, port: (port + i) & 0xffff });
          const chosen = index === undefined ? undefined : servers[index]!;
          assert.ok(
            index === undefined || (chosen!.weight > 0 && !chosen!.overloaded && chosen!.reachable),
            `${scheduler} chose ${JSON.stringify(chosen)}`,
          );
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test('a destination is chosen if any takes flows, except by schedulers that use only their own slot', () => {
  const searching = SCHEDULERS.filter((name) => !['sh', 'mh', 'dh', 'ovf'].includes(name));
  const wanting = { active: 7, inactive: 3, overloaded: true };
  for (const scheduler of searching) {
    for (let willing = 0; willing < 5; willing += 1) {
      const servers = Array.from({ length: 5 }, (_, i) => (i === willing ? { active: 900, weight: 2 } : wanting));
      assert.equal(choose(scheduler, ...servers), willing, scheduler);
    }
  }
});

test('lc chooses the least loaded, an active flow counting as much as 256 inactive ones, whatever the weights', () => {
  assert.equal(choose('lc', { active: 2 }, { active: 1 }, { active: 3 }), 1);
  assert.equal(choose('lc', { active: 1 }, { inactive: 255 }), 1);
  assert.equal(choose('lc', { active: 1 }, { inactive: 257 }), 0);
  assert.equal(choose('lc', { active: 1 }, { inactive: 256 }), 0);
  assert.equal(choose('lc', { active: 3, weight: 100 }, { active: 2, weight: 1 }), 1);
});

test('wlc chooses the least loaded for its weight', () => {
  assert.equal(choose('wlc', { active: 3, weight: 1 }, { active: 5, weight: 2 }), 1);
  assert.equal(choose('wlc', { active: 2, weight: 1 }, { active: 5, weight: 2 }), 0);
  // (1·256 + 128) / 3 = 128, exactly as much as 128 / 1; one less is less.
  assert.equal(choose('wlc', { inactive: 128, weight: 1 }, { active: 1, inactive: 128, weight: 3 }), 0);
  assert.equal(choose('wlc', { inactive: 128, weight: 1 }, { active: 1, inactive: 127, weight: 3 }), 1);
});

test('sed counts the new flow, so that a light idle destination does not get it', () => {
  assert.equal(choose('sed', { active: 0, weight: 1 }, { active: 1, weight: 3 }), 1);
  assert.equal(choose('sed', { active: 0, weight: 1 }, { active: 3, weight: 3 }), 0);
  // Inactive flows do not count.
  assert.equal(choose('sed', { active: 1, inactive: 0 }, { active: 0, inactive: 1000 }), 1);
});

test('nq chooses the first idle destination, however light, and otherwise as sed', () => {
  assert.equal(choose('nq', { active: 1, weight: 100 }, { active: 0, weight: 1 }, { active: 0, weight: 50 }), 1);
  assert.equal(choose('nq', { active: 1, weight: 1 }, { active: 2, weight: 3 }), 1);
  assert.equal(choose('nq', { active: 0, overloaded: true }, { active: 9 }), 1);
});

test('a tie goes to the destination that was added last', () => {
  for (const scheduler of ['lc', 'wlc', 'sed', 'nq', 'fo', 'ovf', 'lblc', 'lblcr'] as const) {
    const alike = { active: 2, inactive: 5, weight: 3 };
    assert.equal(choose(scheduler, alike, alike, alike), 0, scheduler);
    assert.equal(choose(scheduler, { ...alike, weight: 0 }, alike, alike), 1, scheduler);
  }
  // Also where the same load for its weight is made of other numbers.
  for (const scheduler of ['wlc', 'lblc', 'lblcr'] as const) {
    assert.equal(choose(scheduler, { active: 2, weight: 2 }, { active: 1, weight: 1 }), 0, scheduler);
    assert.equal(choose(scheduler, { active: 1, weight: 1 }, { active: 2, weight: 2 }), 0, scheduler);
  }
  assert.equal(choose('sed', { active: 1, weight: 2 }, { active: 0, weight: 1 }), 0);
  assert.equal(choose('sed', { active: 0, weight: 1 }, { active: 1, weight: 2 }), 0);
});

test('fo chooses the heaviest whatever its load, and the next one only if that takes no flow', () => {
  assert.equal(choose('fo', { weight: 1 }, { weight: 3, active: 1000 }, { weight: 2 }), 1);
  assert.equal(choose('fo', { weight: 1 }, { weight: 3, overloaded: true }, { weight: 2 }), 2);
  assert.equal(choose('fo', { weight: 1 }, { weight: 3, reachable: false }, { weight: 2, reachable: false }), 0);
});

test('ovf chooses the heaviest until it has more flows than its weight, and none if all have', () => {
  assert.equal(choose('ovf', { weight: 2 }, { weight: 3, active: 3, inactive: 100 }), 1);
  assert.equal(choose('ovf', { weight: 2 }, { weight: 3, active: 4 }), 0);
  assert.equal(choose('ovf', { weight: 2, active: 3 }, { weight: 3, active: 4 }), undefined);
});

test('lblc stays until its destination has more flows than its weight while another is half idle', () => {
  const use = (cached: number, ...servers: Server[]): number | undefined => {
    const trial = new Trial(serviceOf('lblc', servers), servers);
    trial.state.cached = cached;
    const index = trial.choose();
    assert.equal(trial.state.cached, index, 'it remembers its choice');
    return index;
  };
  assert.equal(use(1, { weight: 4 }, { weight: 4, active: 4 }), 1);
  assert.equal(use(1, { weight: 4, active: 1 }, { weight: 4, active: 5 }), 0);
  // No destination is below half of its weight: a move would not help.
  assert.equal(use(1, { weight: 4, active: 2 }, { weight: 4, active: 5 }), 1);
  assert.equal(use(1, { weight: 4, active: 2 }, { weight: 0 }), 0);
  assert.equal(use(1, { weight: 4, active: 2 }, { overloaded: true }), 0);
});

test('lblcr chooses the least loaded of its set, and adds one if that has more flows than its weight', () => {
  const servers: Server[] = [
    { weight: 4, active: 0 },
    { weight: 4, active: 5, member: 1 },
    { weight: 4, active: 4, member: 1 },
  ];
  const trial = new Trial(serviceOf('lblcr', servers), servers);
  assert.equal(trial.choose(), 2);
  assert.deepEqual([...trial.members], [1, 2]);

  const full = servers.with(2, { weight: 4, active: 5, member: 1 });
  const another = new Trial(serviceOf('lblcr', full), full);
  assert.equal(another.choose(), 0);
  assert.deepEqual([...another.members], [1, 2, 0]);

  // All too busy to help: of equals the one that joined last.
  const busy = full.with(0, { weight: 4, active: 2 });
  const none = new Trial(serviceOf('lblcr', busy), busy);
  assert.equal(none.choose(), 2);
  assert.deepEqual([...none.members], [1, 2]);
});

test("dh uses only its virtual address's destination, even if others are idle", () => {
  const servers: Server[] = [{}, { active: 100 }, {}];
  assert.equal(new Trial(serviceOf('dh', servers, [], 1), servers).choose(), 1);
  const drained = servers.with(1, { weight: 0 });
  const trial = new Trial(serviceOf('dh', drained, [], 1), drained);
  assert.equal(trial.choose(), undefined);
  assert.equal(trial.choose(), undefined);
});

test('rr and wrr skip a destination that takes no flow, and the others keep their turns', () => {
  const servers: Server[] = [{}, { overloaded: true }, {}];
  const trial = new Trial(serviceOf('rr', servers), servers);
  assert.deepEqual(
    Array.from({ length: 6 }, () => trial.choose()),
    [0, 2, 0, 2, 0, 2],
  );
  const weighted: Server[] = [{ weight: 1 }, { weight: 3, overloaded: true }, { weight: 2 }];
  const other = new Trial(serviceOf('wrr', weighted), weighted);
  const picks = Array.from({ length: 300 }, () => other.choose());
  assert.equal(picks.filter((index) => index === 0).length, 100);
  assert.equal(picks.filter((index) => index === 2).length, 200);
});

test('sh and mh refuse a flow if its destination takes none, and with fallback find another', () => {
  for (const scheduler of ['sh', 'mh'] as const) {
    const servers: Server[] = [{}, {}, { overloaded: true }];
    const strict = new Trial(serviceOf(scheduler, servers), servers);
    const fallback = new Trial(serviceOf(scheduler, servers, [`${scheduler}-fallback`]), servers);
    const moved = new Set<number>();
    let lost = 0;
    for (let host = 0; host < 300; host += 1) {
      const client = { address: Uint8Array.of(10, 50, host >> 8, host & 255), port: 1 };
      const [chosen, instead] = [strict.choose(client), fallback.choose(client)];
      lost += Number(chosen === undefined);
      // A client that has a destination keeps it.
      assert.ok(instead !== undefined && (chosen === undefined || instead === chosen), scheduler);
      if (chosen === undefined) {
        moved.add(instead);
      }
    }
    assert.ok(lost > 60 && lost < 140, `${scheduler}: ${lost} of 300 flows`);
    assert.deepEqual([...moved].sort(), [0, 1], `${scheduler} spreads them over the others`);
  }
});

test('sh and mh look at the port only when they are asked to', () => {
  for (const scheduler of ['sh', 'mh'] as const) {
    const servers: Server[] = [{}, {}, {}];
    const chosen = (flags: string[]): Set<number | undefined> => {
      const trial = new Trial(serviceOf(scheduler, servers, flags), servers);
      return new Set(Array.from({ length: 100 }, (_, port) => trial.choose({ ...CLIENT, port })));
    };
    assert.equal(chosen([]).size, 1, scheduler);
    assert.equal(chosen([`${scheduler}-port`]).size, 3, scheduler);
  }
});

test('twos draws in proportion to the weights, also when their sum has more than 32 bits', () => {
  for (const weights of [
    [1, 1],
    [3, 1],
    [10, 0, 20, 70],
    [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1],
  ]) {
    const servers = weights.map((weight) => ({ weight }));
    const trial = new Trial(serviceOf('twos', servers), servers);
    const draws = 30_000;
    const counts = new Array<number>(weights.length).fill(0);
    for (let i = 0; i < draws; i += 1) {
      counts[trial.choose()!]! += 1;
    }
    const sum = weights.reduce((total, weight) => total + weight, 0);
    weights.forEach((weight, i) => {
      // IPVS draws from 0 to the sum, both included: the first is a little likelier.
      const share = (weight + Number(i === 0)) / (sum + 1);
      const deviation = Math.sqrt(draws * share * (1 - share));
      assert.ok(Math.abs(counts[i]! - draws * share) <= 5 * deviation, `${counts.join()} for ${weights.join()}`);
    });
  }
});

test('twos: the less loaded of two draws wins, so the busiest wins only against itself', () => {
  const servers: Server[] = [{ active: 10 }, { active: 1000 }, { active: 500 }, { active: 900 }];
  const trial = new Trial(serviceOf('twos', servers), servers);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 20_000; i += 1) {
    counts[trial.choose()!]! += 1;
  }
  // In 25 pairs (from 0 to 4, the first twice), the busiest is drawn twice in one.
  const shares = counts.map((count) => Math.round((count / 20_000) * 25));
  assert.deepEqual(shares, [16, 1, 5, 3]);
  // For its weight: a heavy one with more flows is less loaded than a light one.
  const weighted: Server[] = [
    { active: 10, weight: 1 },
    { active: 20, weight: 9 },
  ];
  const other = new Trial(serviceOf('twos', weighted), weighted);
  const light = Array.from({ length: 10_000 }, () => other.choose()).filter((index) => index === 0).length;
  assert.ok(Math.abs(light / 10_000 - (2 / 11) ** 2) < 0.01, `${light} of 10000`);
});
