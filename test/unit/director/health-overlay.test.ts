/** Tests of the overlay of health and maintenance: what packets follow while real servers come and go. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ServerHealth } from '../../../src/health/index.js';
import { disabledOf, type Maintenance } from '../../../src/director/maintenance/maintenance.js';
import { HealthOverlay, type KeptPools, keptPoolsSchema } from '../../../src/director/overlays/index.js';
import { type HealthPolicy, ip, type Model, type Service } from '../../../src/model/index.js';

const [A, B] = [ip('192.168.1.31'), ip('192.168.1.32')];
const SORRY = ip('192.168.1.99');
const NAME = 'tcp 192.168.1.100:80';

function service(health: Partial<HealthPolicy> | undefined, more: Partial<Service> = {}): Service {
  return {
    address: ip('192.168.1.100'),
    port: 80,
    protocol: 'tcp',
    scheduler: 'maglev',
    ...(health && { health: { checks: [{ type: 'tcp' }], ...health } }),
    destinations: [
      { address: A, weight: 1 },
      { address: B, weight: 1 },
    ],
    ...more,
  };
}

/** An overlay whose clock and real servers are the test's. */
class Bench {
  now = 1_000_000;
  readonly events: string[] = [];
  readonly overlay: HealthOverlay;
  maintenances: readonly Maintenance[] = [];
  model: Model;
  readonly #health = new Map<string, ServerHealth>();
  #state = {};

  constructor(of: Service, restore?: KeptPools) {
    this.model = { interfaces: ['ens3'], mode: 'native', services: [of] };
    const maintenances = (): readonly Maintenance[] => this.maintenances;
    this.overlay = new HealthOverlay({
      healthOf: (name, address) => (name === NAME ? this.#health.get(address) : undefined),
      stateOf: () => this.#state,
      disabledOf: {
        get all() {
          return maintenances();
        },
        find: (name, address) => disabledOf(this.maintenances).find(name, address),
      },
      clock: () => this.now,
      restore,
      onQuorum: ({ isMet, weight, wanted }) => {
        this.events.push(`${isMet ? 'met' : 'lost'} ${weight}/${wanted}`);
      },
      onRemoved: (name) => {
        this.events.push(`removed ${name}`);
      },
    });
  }

  set(address: typeof A, isUp: boolean): void {
    this.#state = {};
    this.#health.set(address, { service: NAME, address, checks: [], isUp, since: this.now });
  }

  /** One round. "31:1 32:0 down" */
  round(): string {
    this.overlay.observe(this.model);
    const { services } = this.overlay.apply(this.model);
    return services[0]!.destinations
      .map(({ address, weight, condition }) =>
        [`${address.slice(-2)}:${weight}`, condition?.word].filter((each) => each !== undefined).join(' '),
      )
      .join(', ');
  }
}

test('without health and maintenance the model is the same object: that is how an unchanged round is told', () => {
  const bench = new Bench(service(undefined));
  bench.round();
  assert.equal(bench.overlay.apply(bench.model), bench.model);
  const checked = new Bench(service({}));
  checked.set(A, false);
  checked.round();
  const first = checked.overlay.apply(checked.model);
  checked.round();
  assert.equal(checked.overlay.apply(checked.model), first);
});

test('a plan changes nothing of what packets follow', () => {
  const bench = new Bench(service({ slowStart: 10 }));
  bench.set(A, false);
  assert.equal(bench.round(), '31:0 down, 32:1');
  bench.set(A, true);
  // Asked before the round that sees it.
  bench.overlay.apply({ ...bench.model, services: [service({ slowStart: 60 })] });
  assert.equal(bench.round(), '31:1 ramping, 32:16');
});

test('the weight of one that came back grows in steps to its own, and then all is as it was', () => {
  const bench = new Bench(service({ slowStart: 16 }));
  bench.set(A, false);
  bench.round();
  bench.set(A, true);
  const seen: string[] = [];
  for (let step = 0; step <= 16; step += 1) {
    seen.push(bench.round());
    // The last of its sixteen parts begins a second before the end.
    if (step < 15) {
      assert.equal(bench.overlay.due, bench.now + 1000, 'the next step is due');
    }
    bench.now += 1000;
  }
  assert.equal(seen[0], '31:1 ramping, 32:16');
  assert.equal(seen[7], '31:8 ramping, 32:16');
  assert.equal(seen.at(-1), '31:1, 32:1');
  assert.equal(bench.overlay.due, undefined);
});

test('one that fails again while it ramps begins anew', () => {
  const bench = new Bench(service({ slowStart: 16 }));
  for (const isUp of [false, true]) {
    bench.set(A, isUp);
    bench.round();
  }
  bench.now += 8000;
  assert.equal(bench.round(), '31:9 ramping, 32:16');
  for (const isUp of [false, true]) {
    bench.set(A, isUp);
    bench.round();
  }
  assert.equal(bench.round(), '31:1 ramping, 32:16');
});

test('a restart goes on with ramps, quorum and what was out', () => {
  const first = new Bench(service({ slowStart: 16, quorum: { weight: 2, hysteresis: 1 } }));
  first.set(A, false);
  first.set(B, false);
  first.round();
  first.set(B, true);
  first.now += 1000;
  assert.equal(first.round(), '31:0 down, 32:1 ramping');
  assert.deepEqual(first.events, ['lost 0/2']);
  const kept = keptPoolsSchema.parse(JSON.parse(JSON.stringify(first.overlay.kept)));
  const next = new Bench(service({ slowStart: 16, quorum: { weight: 2, hysteresis: 1 } }), kept);
  next.now = first.now + 4000;
  next.set(A, false);
  next.set(B, true);
  assert.equal(next.round(), '31:0 down, 32:5 ramping');
  assert.deepEqual(next.overlay.quorumLost, [NAME]);
  next.set(A, true);
  assert.equal(next.round(), '31:1 ramping, 32:5 ramping');
  assert.deepEqual(next.events, [], 'weight 2 is between both limits');
});

test('a quorum that is lost ends with its service, also if the next daemon finds that, and is met without checks', () => {
  const none: Model = { interfaces: ['ens3'], mode: 'native', services: [] };
  const lost = (): Bench => {
    const bench = new Bench(service({}));
    bench.set(A, false);
    bench.set(B, false);
    bench.round();
    assert.deepEqual(bench.events.splice(0), ['lost 0/1']);
    return bench;
  };
  const removed = lost();
  removed.overlay.observe(none);
  removed.overlay.observe(none);
  assert.deepEqual(removed.events.splice(0), [`removed ${NAME}`]);
  assert.deepEqual(removed.overlay.quorumLost, []);
  removed.round();
  assert.deepEqual(removed.events, ['lost 0/1'], 'it is back');
  const restarted = new Bench(service({}), lost().overlay.kept);
  restarted.overlay.observe(none);
  assert.deepEqual(restarted.events, [`removed ${NAME}`]);
  const spared = lost();
  spared.model = { ...none, services: [service(undefined)] };
  spared.round();
  assert.deepEqual(spared.events, ['met 2/1']);
});

test('the fallback is there with weight 0 until the quorum is lost, and again when it is met', () => {
  const bench = new Bench(service({ fallback: [SORRY] }));
  assert.equal(bench.round(), '31:1, 32:1, 99:0 standby');
  bench.set(A, false);
  bench.set(B, false);
  assert.equal(bench.round(), '31:0 down, 32:0 down, 99:1 fallback');
  bench.set(B, true);
  assert.equal(bench.round(), '31:0 down, 32:1, 99:0 standby');
  assert.deepEqual(bench.events, ['lost 0/1', 'met 1/1']);
});

test('maintenance needs no checks, and counts for the quorum', () => {
  const bench = new Bench(service(undefined));
  bench.maintenances = [{ address: A, since: 0, moves: false }];
  assert.equal(bench.round(), '31:0 disabled, 32:1');
  bench.maintenances = [...bench.maintenances, { service: NAME, address: B, since: 0, moves: true, reason: 'x' }];
  assert.equal(bench.round(), '31:0 disabled, 32:0 disabled');
  assert.deepEqual(bench.events, ['lost 0/1']);
  bench.maintenances = [];
  assert.equal(bench.round(), '31:1, 32:1');
  assert.deepEqual(bench.events, ['lost 0/1', 'met 2/1']);
});

test('one that came back from maintenance ramps as one that came back from a failure', () => {
  const bench = new Bench(service({ slowStart: 16 }));
  bench.maintenances = [{ address: A, since: 0, moves: false }];
  bench.round();
  bench.maintenances = [];
  assert.equal(bench.round(), '31:1 ramping, 32:16');
});

test('when health leaves the configuration, what was down takes flows again', () => {
  const bench = new Bench(service({}));
  bench.set(A, false);
  assert.equal(bench.round(), '31:0 down, 32:1');
  bench.model = { ...bench.model, services: [service(undefined)] };
  assert.equal(bench.round(), '31:1, 32:1');
  assert.deepEqual(bench.overlay.kept, {});
});

test('a real server’s own slow start stands in for that of its service', () => {
  const destinations = [
    { address: A, weight: 1, health: { slowStart: 0 } },
    { address: B, weight: 1 },
  ];
  const bench = new Bench(service({ slowStart: 16 }, { destinations }));
  for (const isUp of [false, true]) {
    bench.set(A, isUp);
    bench.set(B, isUp);
    bench.round();
  }
  assert.equal(bench.round(), '31:16, 32:1 ramping');
});
