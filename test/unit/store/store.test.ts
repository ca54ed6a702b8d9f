/** A stored value outlives any damage and any death of the process, and a disk that takes nothing is reported. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { z } from 'zod';

import { decode, encode, type Format, type Moment } from '../../../src/store/index.js';
import { folderFor, NOW, storeAt } from '../../support/store.js';

interface Value {
  readonly count: number;
}

const FORMAT: Format<Value> = {
  title: 'beeline-counts',
  version: 1,
  noun: 'counts',
  schema: z.strictObject({ count: z.number() }),
};
const WITH_PLAIN: Format<Value> = { ...FORMAT, fromPlain: (json) => json };

test('content that is cut off at any byte is refused', () => {
  for (const format of [FORMAT, WITH_PLAIN]) {
    const bytes = encode(format, { count: 1 }, NOW);
    assert.deepEqual(decode(format, bytes, NOW), { count: 1 });
    for (let length = 0; length < bytes.length; length += 1) {
      assert.throws(() => decode(format, bytes.subarray(0, length), NOW), Error, `${length} bytes`);
    }
    assert.throws(() => decode(format, Buffer.concat([bytes, Buffer.from(' ')]), NOW), /damaged/);
  }
});

test('content of which any bit is flipped is refused', () => {
  for (const format of [FORMAT, WITH_PLAIN]) {
    const bytes = encode(format, { count: 1 }, NOW);
    for (let bit = 0; bit < 8 * bytes.length; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => decode(format, flipped, NOW), Error, `bit ${bit}`);
    }
  }
});

test('content of another version, of another kind, or that does not match the schema is refused with the reason', () => {
  const bytes = encode(FORMAT, { count: 1 }, NOW);
  assert.throws(
    () => decode({ ...FORMAT, version: 2 }, bytes, NOW),
    /is of version 1, and this program reads version 2/,
  );
  assert.throws(() => decode({ ...FORMAT, title: 'beeline-state' }, bytes, NOW), /does not begin with beeline-state/);
  assert.throws(
    () => decode(FORMAT, encode(FORMAT, { count: 'one' } as unknown as Value, NOW), NOW),
    /invalid at count/,
  );
});

test('a file that an older program wrote without a first line is read where the format says how', () => {
  const plain = Buffer.from('{"count":7}');
  assert.deepEqual(decode(WITH_PLAIN, plain, NOW), { count: 7 });
  assert.throws(() => decode(FORMAT, plain, NOW), /does not begin with/);
  assert.throws(() => decode(WITH_PLAIN, Buffer.from('{"count":null}'), NOW), /invalid at count/);
  assert.throws(() => decode(WITH_PLAIN, Buffer.from('{"cou'), NOW), /damaged or cut off/);
});

test('if the file is damaged the one before is used, and the damaged one never replaces it', async (context) => {
  const path = join(folderFor(context), 'counts');
  const said: string[] = [];
  const first = storeAt(path, FORMAT, said);
  assert.deepEqual([first.load(), said], [undefined, []]);
  for (const count of [1, 2, 3]) {
    await first.save({ count });
  }
  assert.deepEqual([storeAt(path, FORMAT, said).load(), said], [{ count: 3 }, []]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  writeFileSync(path, readFileSync(path).subarray(0, 90));
  const second = storeAt(path, FORMAT, said);
  assert.deepEqual(second.load(), { count: 2 });
  assert.deepEqual(said.splice(0), [
    `warn: ${path} cannot be used: it was damaged or cut off; it is kept as ${path}.damaged; the state before the last change is used`,
  ]);
  assert.equal(statSync(`${path}.damaged`).size, 90);
  assert.match(second.damage.join(), /^a file of counts could not be used and is kept as .*counts\.damaged: remove it/);
  await second.save({ count: 4 });
  writeFileSync(path, '');
  assert.deepEqual(storeAt(path, FORMAT).load(), { count: 2 });
  assert.equal(statSync(`${path}.damaged`).size, 0);
  rmSync(`${path}.damaged`);
  assert.deepEqual(second.damage, []);
  writeFileSync(path, '');
  writeFileSync(`${path}.previous`, 'beeline');
  assert.equal(storeAt(path, FORMAT, said).load(), undefined);
  assert.deepEqual(
    said.map((each) => /^error: .* cannot be used: .*; the counts in it are lost$/.test(each)),
    [true, true],
  );
});

test('a death between any two steps of writing leaves the last value that was kept', async (context) => {
  const path = join(folderFor(context), 'counts');
  const store = storeAt(path, FORMAT);
  await store.save({ count: 1 });
  await store.save({ count: 2 });
  // The next one half written; whole; the spare linked.
  writeFileSync(`${path}.new`, encode(FORMAT, { count: 3 }, NOW).subarray(0, 50));
  assert.deepEqual(storeAt(path, FORMAT).load(), { count: 2 });
  writeFileSync(`${path}.new`, encode(FORMAT, { count: 3 }, NOW));
  writeFileSync(`${path}.previous.new`, readFileSync(path));
  assert.deepEqual(storeAt(path, FORMAT).load(), { count: 2 });
  await storeAt(path, FORMAT).save({ count: 3 });
  assert.deepEqual(storeAt(path, FORMAT).load(), { count: 3 });
  // Removed by hand: the one before is better than nothing, and that is reported.
  rmSync(path);
  const said: string[] = [];
  assert.deepEqual(storeAt(path, FORMAT, said).load(), { count: 1 });
  assert.deepEqual(said, [`warn: ${path} is missing; the state before the last change is used`]);
  await store.clear();
  assert.equal(storeAt(path, FORMAT).load(), undefined);
});

test('a file that somebody removes is written again', async (context) => {
  const path = join(folderFor(context), 'counts');
  const store = storeAt(path, FORMAT);
  await store.save({ count: 1 });
  rmSync(path);
  await store.save({ count: 2 });
  assert.equal(store.problem, undefined);
  assert.deepEqual(storeAt(path, FORMAT).load(), { count: 2 });
});

test('of values that are saved at the same time the last one is kept', async (context) => {
  const path = join(folderFor(context), 'later', 'counts');
  const store = storeAt(path, FORMAT);
  await Promise.all([1, 2, 3].map((count) => store.save({ count })));
  assert.deepEqual(storeAt(path, FORMAT).load(), { count: 3 });
  await Promise.all([store.save({ count: 4 }), store.clear()]);
  assert.equal(existsSync(path), false);
  await Promise.all([store.clear(), store.save({ count: 5 })]);
  assert.deepEqual(storeAt(path, FORMAT).load(), { count: 5 });
});

test('a disk that takes nothing is reported once, as a problem as long as it lasts, and is tried again', async (context) => {
  const folder = folderFor(context);
  const path = join(folder, 'counts');
  const said: string[] = [];
  using store = storeAt(path, FORMAT, said);
  mkdirSync(`${path}.new`);
  await store.save({ count: 1 });
  assert.match(store.problem!, /^counts are in force, but cannot be kept, and a restart would lose them: EISDIR/);
  await sleep(100);
  assert.deepEqual(said, ['error: cannot keep counts; trying again']);
  rmdirSync(`${path}.new`);
  while (store.problem !== undefined) {
    await sleep(5);
  }
  assert.deepEqual(storeAt(path, FORMAT).load(), { count: 1 });
  assert.deepEqual(said.slice(1), ['info: the counts are kept again']);
  assert.deepEqual(readdirSync(folder), ['counts']);
});

test('a file that cannot be removed is reported too', async (context) => {
  const path = join(folderFor(context), 'counts');
  const store = storeAt(path, FORMAT);
  mkdirSync(`${path}.previous`);
  await store.clear();
  store[Symbol.dispose]();
  assert.match(store.problem!, /^counts are over, but .* cannot be removed, and a restart would bring them back: /);
});

/** A value with a time, as drains and histories have. */
const TIMED: Format<{ at: number }> = {
  title: 'beeline-times',
  version: 2,
  noun: 'times',
  schema: z.strictObject({ at: z.number() }),
  times: { shift: ({ at }, ms) => ({ at: at + ms }), wallVersion: 1 },
  fromPlain: (json) => json,
};

test('a time that was written a minute ago is a minute ago, whatever was done to the wall clock, and after a boot', () => {
  const HOUR = 3_600_000;
  const then: Moment = { boot: 'a', bootMs: 10 * HOUR, wallMs: 1000 * HOUR };
  const bytes = encode(TIMED, { at: then.bootMs - 5 }, then);
  const later = { boot: 'a', bootMs: then.bootMs + 60_000 };
  for (const [what, now] of [
    ['the clock goes on', { ...later, wallMs: then.wallMs + 60_000 }],
    ['it was set forward by a day', { ...later, wallMs: then.wallMs + 25 * HOUR }],
    ['it was set back by a day', { ...later, wallMs: then.wallMs - 23 * HOUR }],
    ['the machine was booted', { boot: 'b', bootMs: 20_000, wallMs: then.wallMs + 60_000 }],
    [
      'the machine was booted, and runs for longer than before',
      { boot: 'b', bootMs: 11 * HOUR, wallMs: then.wallMs + 60_000 },
    ],
  ] as const) {
    assert.equal(now.bootMs - decode(TIMED, bytes, now).at, 60_005, what);
  }
});

test("times of an older daemon, which were the wall clock's, are read as what they were at the moment", () => {
  const now: Moment = { boot: 'a', bootMs: 5000, wallMs: 1_795_980_885_305 };
  const old: Format<{ at: number }> = { ...TIMED, version: 1, times: undefined } as unknown as typeof TIMED;
  for (const bytes of [encode(old, { at: now.wallMs - 300 }, now), Buffer.from(`{"at":${now.wallMs - 300}}`)]) {
    assert.equal(decode(TIMED, bytes, now).at, 4700);
  }
  assert.throws(() => decode(TIMED, encode({ ...TIMED, version: 3 }, { at: 1 }, now), now), /of version 3/);
});
