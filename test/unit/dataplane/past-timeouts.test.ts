/** Timeouts that changed: a flow has those that held at its last packet, also after a restart. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { type KeptTimeouts, PastTimeouts, timeoutsFormat } from '../../../src/dataplane/flows/past-timeouts.js';
import { lifetimesOf } from '../../../src/dataplane/flows/timeouts.js';
import { DEFAULT_TIMEOUTS, ip, type Service, type Timeouts } from '../../../src/model/index.js';
import * as layout from '../../../src/layout/index.js';
import { decode, encode, type Store } from '../../../src/store/index.js';
import { service as serviceOf } from '../../support/models.js';
import { NOW } from '../../support/store.js';

const ASKED = serviceOf(ip('192.168.1.100'), 80, [ip('10.0.0.1')], { scheduler: 'rr' });
const NAME = 'tcp 192.168.1.100:80';

/** Follows an image with this service, or none, under common timeouts. */
function follow(
  past: PastTimeouts,
  now: number,
  timeouts: Partial<Timeouts> = {},
  asked: Partial<Service> = {},
): boolean {
  const services = [{ name: NAME, service: { ...ASKED, ...asked } }];
  return past.follow({ services, timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts } }, now);
}

/** The timeout of an established flow whose last packet came at `time`; 1: the present one. */
function timeoutAt(past: PastTimeouts, time: number, now: number): number {
  const present = lifetimesOf(ASKED, { ...DEFAULT_TIMEOUTS, established: 1 });
  return past.timeout(NAME, present, 'established', time, now);
}

test('each flow has the timeout that held at its last packet, through several changes', () => {
  const past = new PastTimeouts();
  assert.equal(follow(past, 1000), false, 'no flow is older than its service');
  assert.equal(follow(past, 1100, { established: 50 }), true);
  assert.equal(follow(past, 1110, { established: 50 }), false);
  assert.equal(follow(past, 1120, { established: 500 }), true);
  const at = (time: number): number => timeoutAt(past, time, 1130);
  // A packet in the unit of the change came before it: the change waits for the next unit.
  assert.deepEqual([at(1000), at(1100), at(1101), at(1120), at(1121), at(1130)], [900, 900, 50, 50, 1, 1]);
});

test("a service's own timeouts count, and a change of others' does not", () => {
  const past = new PastTimeouts();
  follow(past, 1000, {}, { timeouts: { established: 30 } });
  assert.equal(follow(past, 1100, { established: 50 }, { timeouts: { established: 30 } }), false);
  assert.equal(follow(past, 1200, { established: 50 }, { timeouts: { established: 40 } }), true);
  assert.equal(timeoutAt(past, 1200, 1210), 30);
});

test('earlier timeouts are forgotten when no flow can have them any more', () => {
  const past = new PastTimeouts();
  follow(past, 1000);
  follow(past, 1100, { established: 50 });
  assert.equal(past.periods(NAME, 1900).length, 1);
  assert.equal(past.periods(NAME, 2400).length, 0);
  const image = { services: [], timeouts: DEFAULT_TIMEOUTS };
  const established = (): number => past.longest(image)[layout.flowState.established]!;
  assert.ok(established() > 800);
  follow(past, 2400, { established: 50 });
  assert.ok(established() < 60);
});

test("the program's time may overflow between a packet and a change, or a change and now", () => {
  const end = layout.flowField['time-mask'];
  const past = new PastTimeouts();
  follow(past, end - 100);
  follow(past, end, { established: 50 });
  assert.deepEqual(
    [end - 50, end, 0, 1].map((time) => timeoutAt(past, time, 5)),
    [900, 900, 1, 1],
  );
});

test('a service that comes back finds the timeouts that it had', () => {
  const past = new PastTimeouts();
  follow(past, 1000);
  past.follow({ services: [], timeouts: DEFAULT_TIMEOUTS }, 1010);
  assert.equal(follow(past, 1020, { established: 50 }), true);
  assert.equal(timeoutAt(past, 1005, 1030), 900);
  past.follow({ services: [], timeouts: DEFAULT_TIMEOUTS }, 1040);
  past.follow({ services: [], timeouts: DEFAULT_TIMEOUTS }, 3000);
  assert.equal(follow(past, 3000, { established: 500 }), false, 'nothing is left of it');
});

test('templates of a service that is not persistent any more have no earlier timeout', () => {
  const past = new PastTimeouts();
  const timeout = (state: 'template' | 'established', asked: Partial<Service>): number =>
    past.timeout(NAME, lifetimesOf({ ...ASKED, ...asked }, DEFAULT_TIMEOUTS), state, 1000, 1200);
  follow(past, 1000, {}, { persistence: { timeout: 300 } });
  follow(past, 1100, {}, { persistence: { timeout: 400 } });
  assert.equal(timeout('template', { persistence: { timeout: 400 } }), 300);
  follow(past, 1150, { established: 50 });
  assert.equal(timeout('template', {}), 0);
  assert.equal(timeout('established', {}), 900);
});

test('a service whose timeouts change all the time keeps the last hundred', () => {
  const past = new PastTimeouts();
  for (let i = 0; i < 150; i += 1) {
    follow(past, 1000 + i, { established: 900 + i });
  }
  assert.equal(past.periods(NAME, 1200).length, 100);
  assert.equal(timeoutAt(past, 1148, 1200), 900 + 147);
});

test('the next process goes on with the timeouts that were kept, if the flows are still there', async () => {
  let file: Buffer | undefined;
  const store = {
    load: () => file && decode(timeoutsFormat, file, NOW),
    save: (value: KeptTimeouts) => {
      file = encode(timeoutsFormat, value, NOW);
      return Promise.resolve();
    },
    clear: () => {
      file = undefined;
      return Promise.resolve();
    },
  } as unknown as Store<KeptTimeouts>;
  const first = new PastTimeouts(store, false);
  follow(first, 1000, {}, { persistence: { timeout: 300 } });
  follow(first, 1100, { established: 50 }, { persistence: { timeout: 300 } });
  await first.keep();
  const second = new PastTimeouts(store, true);
  // The configuration changed while no daemon ran.
  assert.equal(follow(second, 1200, { established: 60 }, { persistence: { timeout: 300 } }), true);
  assert.deepEqual(
    [1100, 1200].map((time) => timeoutAt(second, time, 1210)),
    [900, 50],
  );
  await second.keep();
  const afterBoot = new PastTimeouts(store, false);
  assert.equal(file, undefined);
  assert.equal(follow(afterBoot, 1300), false);
});

test('flows that outlive their service keep its last timeouts, whatever others change to', () => {
  const past = new PastTimeouts();
  follow(past, 1000);
  past.follow({ services: [], timeouts: DEFAULT_TIMEOUTS }, 1010);
  past.follow({ services: [], timeouts: { ...DEFAULT_TIMEOUTS, established: 50 } }, 1020);
  assert.equal(timeoutAt(past, 1010, 1030), 900);
});

test('a service that keeps its timeouts writes no file, and each kind of change writes one', async () => {
  const saved: unknown[] = [];
  const store = {
    load: () => undefined,
    clear: () => Promise.resolve(),
    save: (value: unknown) => Promise.resolve(saved.push(value)),
  };
  const past = new PastTimeouts(store as unknown as Store<KeptTimeouts>);
  const steps: [what: string, timeouts: Partial<Timeouts>, asked: Partial<Service>, writes: number][] = [
    ['begins', {}, {}, 1],
    ['weights change', {}, { destinations: [] }, 0],
    ['common timeouts change', { udp: 30 }, {}, 1],
    ['its own', { udp: 30 }, { timeouts: { udp: 20 } }, 1],
    ['nothing', { udp: 30 }, { timeouts: { udp: 20 } }, 0],
    ['becomes persistent', { udp: 30 }, { timeouts: { udp: 20 }, persistence: { timeout: 1 } }, 1],
  ];
  for (const [what, timeouts, asked, writes] of steps) {
    saved.length = 0;
    follow(past, 1000, timeouts, asked);
    await past.keep();
    assert.equal(saved.length, writes, what);
  }
});
