/** Tests of the runs that Node.js makes: those that hang hold nobody up, and what comes late is told. */

import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';

import { Lateness } from '../../../src/health/engine/lateness.js';
import { SlowRuns } from '../../../src/health/engine/slow-runs.js';
import { Places } from '../../../src/health/slow/places.js';
import type { SlowContext, SlowResult } from '../../../src/health/slow/slow.js';
import { ip, type SlowCheck } from '../../../src/model/index.js';

before(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
});
after(() => {
  mock.timers.reset();
});

const TLS: SlowCheck = { type: 'tls' };
const EXEC: SlowCheck = { type: 'exec', command: ['/bin/x'] };
const ADDRESS = ip('10.0.0.1');
const CONTEXT: Omit<SlowContext, 'signal'> = {
  target: { address: ADDRESS, family: 4, port: 443, protocol: 'tcp' },
  rip: ADDRESS,
  timeoutMs: 3000,
  environment: {},
};
const UP = { isDown: false, intervalMs: 5000 };
const DOWN = { isDown: true, intervalMs: 5000 };
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs that end when a test says so. */
function held(ports = 1024): { runs: SlowRuns; begun: string[]; end: () => Promise<void>; late: number[]; at: number } {
  const ends: (() => void)[] = [];
  const begun: string[] = [];
  const late: number[] = [];
  const self = { begun, late, at: 0, end: () => tick(), runs: undefined as unknown as SlowRuns };
  self.runs = new SlowRuns({
    run: (_, { environment }) => {
      begun.push(environment['NAME'] ?? '');
      return new Promise<SlowResult>((resolve) => {
        ends.push(() => {
          resolve({});
        });
      });
    },
    clock: () => self.at,
    ports: () => ports,
    onBegin: (lateMs, intervalMs) => {
      late.push(lateMs - intervalMs);
    },
  });
  self.end = async (): Promise<void> => {
    ends.shift()?.();
    await tick();
  };
  return self;
}

function start({ runs }: { runs: SlowRuns }, check: SlowCheck, name: string, rank = UP): () => void {
  return runs.start(check, { ...CONTEXT, environment: { NAME: name } }, rank, () => undefined);
}

test('hundreds of real servers that hang keep no other from being checked at once', () => {
  const host = held();
  for (let i = 0; i < 900; i += 1) {
    start(host, TLS, 'hangs', DOWN);
  }
  start(host, TLS, 'lives');
  assert.equal(host.begun.at(-1), 'lives');
});

test('where there is no room, those that are down wait for the others, and have a turn now and then', async () => {
  const host = held(16);
  for (let i = 0; i < 64; i += 1) {
    start(host, TLS, 'first');
  }
  for (let i = 0; i < 20; i += 1) {
    start(host, TLS, 'down', DOWN);
  }
  for (let i = 0; i < 20; i += 1) {
    start(host, TLS, 'up');
  }
  const given = start(host, TLS, 'given up');
  given();
  assert.equal(host.begun.length, 64);
  for (let i = 0; i < 42; i += 1) {
    await host.end();
  }
  const order = host.begun.slice(64);
  const early = order.slice(0, 22).filter((each) => each === 'up').length;
  assert.ok(early >= 18, order.join());
  assert.ok(order.slice(0, 10).includes('down'), order.join());
  assert.deepEqual(
    order.toSorted().join(),
    [...Array<string>(20).fill('down'), ...Array<string>(20).fill('up')].join(),
  );
});

test('a few programs start at once, however many run', async () => {
  const host = held();
  for (let i = 0; i < 300; i += 1) {
    start(host, EXEC, 'exec');
  }
  assert.equal(host.begun.length, 16);
  start(host, TLS, 'tls');
  assert.equal(host.begun.at(-1), 'tls');
  mock.timers.tick(51);
  assert.equal(host.begun.length, 33);
  for (let i = 0; i < 40; i += 1) {
    mock.timers.tick(51);
  }
  assert.equal(host.begun.length, 257);
  await host.end();
  mock.timers.tick(51);
  assert.equal(host.begun.length, 258);
});

test('how late a run begins is known', async () => {
  const host = held(16);
  for (let i = 0; i < 65; i += 1) {
    start(host, TLS, 'each');
  }
  host.at = 7000;
  await host.end();
  assert.deepEqual(host.late.slice(63), [-5000, 2000]);
});

test('checks that are late are told of once, and once when that is over', () => {
  const told: string[] = [];
  let now = 0;
  const lateness = new Lateness({
    clock: () => now,
    onTrouble: (message, details) => {
      told.push(`${message} ${JSON.stringify(details)}`);
    },
  });
  lateness.note(4000, 5000);
  assert.deepEqual(told, []);
  for (; now < 30_000; now += 1000) {
    lateness.note(6000, 5000);
    lateness.note(0, 5000);
  }
  assert.equal(told.length, 1);
  assert.match(told[0]!, /^health checks are late: .* \{"seconds":6\}$/);
  for (; now < 60_000; now += 1000) {
    lateness.note(0, 5000);
  }
  assert.equal(told.length, 2);
  assert.match(told[1]!, /in time again/);
});

test('a place is given back by who has it, or soon by itself, and once', async () => {
  const places = new Places(1);
  const first = places.tryTake()!;
  assert.equal(places.tryTake(), undefined);
  let taken = 0;
  const wait = async (): Promise<void> => {
    await places.take();
    taken += 1;
  };
  void wait();
  void wait();
  first();
  first();
  await tick();
  assert.equal(taken, 1);
  // Who waits for an answer has it no more.
  mock.timers.tick(51);
  await tick();
  assert.equal(taken, 2);
});
