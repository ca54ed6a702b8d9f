import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { InterfaceReport } from '../../../src/control/index.js';
import { againstMastership, type Seen } from '../../../src/director/mastership/against.js';
import {
  type Against,
  Decider,
  FIRST_HOLD_MS,
  BEHIND_MS,
  FOUND_MS,
  holdMs,
  LAST_HOLD_MS,
  LOST_MS,
  REMEMBERED_MS,
  START_MS,
} from '../../../src/director/mastership/decision.js';
import { Fifo } from '../../../src/director/mastership/fifo.js';
import { leaveVips, type VipsView } from '../../../src/director/mastership/leave.js';
import { Lines, parseNotice } from '../../../src/director/mastership/notify.js';
import { type RouterChange, Routers } from '../../../src/director/mastership/routers.js';
import { readMayBeMaster, writeMayBeMaster } from '../../../src/director/mastership/track-file.js';
import type { ServerHealth } from '../../../src/health/rules.js';
import { type Destination, ip, mac, type VirtualRouter } from '../../../src/model/index.js';

const WELL: Against = { forwarding: [], essential: [], missing: [], asked: [] };
const DOWN: Against = { ...WELL, forwarding: ['ens3 is down'] };
const LOST: Against = { ...WELL, essential: ['web: no real server'] };
const MISSING: Against = { ...WELL, missing: ['192.168.1.31'] };
const ASKED: Against = { ...WELL, asked: ['a command'] };

/** Decides at each time, and returns what keepalived is told. */
function told(decider: Decider, ...steps: readonly (readonly [number, Against])[]): boolean[] {
  return steps.map(([now, against]) => decider.decide(against, now).may);
}

test('mastership is not taken before packets are forwarded, and then at once', () => {
  assert.deepEqual(told(new Decider(false, 0), [0, DOWN], [500, DOWN], [600, WELL]), [false, false, true]);
});

test('mastership is given up at once when packets are not forwarded, or somebody asks for it', () => {
  for (const against of [DOWN, ASKED]) {
    assert.deepEqual(told(new Decider(true, 0), [20_000, WELL], [20_001, against]), [true, false]);
  }
});

test('a service that is without real servers for a moment costs no mastership, and one that is for longer does', () => {
  const decider = new Decider(true, 0);
  const at = START_MS + 1;
  assert.deepEqual(told(decider, [at, LOST], [at + LOST_MS - 1, LOST], [at + LOST_MS, WELL]), [true, true, true]);
  const later = at + 10_000;
  assert.equal(decider.decide(LOST, later).due, later + LOST_MS);
  assert.deepEqual(told(decider, [later + LOST_MS, LOST]), [false]);
});

test('a daemon that starts keeps the mastership of the one before while its checks have no results', () => {
  const decider = new Decider(true, 0);
  assert.deepEqual(told(decider, [0, LOST], [START_MS - 1, LOST], [START_MS, LOST]), [true, true, false]);
});

test('real servers that are missing delay mastership for a time, and never end it', () => {
  const decider = new Decider(false, 0);
  assert.deepEqual(told(decider, [0, MISSING], [FOUND_MS - 1, MISSING], [FOUND_MS, MISSING]), [false, false, true]);
  assert.deepEqual(told(decider, [FOUND_MS + 1, MISSING], [FOUND_MS + 60_000, MISSING]), [true, true]);
});

test('flows of the other director that are on their way delay mastership for a time, and never end it', () => {
  const behind: Against = { ...WELL, behind: ['flows'] };
  const late = BEHIND_MS - 1;
  assert.deepEqual(told(new Decider(false, 0), [0, behind], [late, behind], [BEHIND_MS, behind]), [false, false, true]);
  assert.deepEqual(told(new Decider(false, 0), [0, behind], [50, WELL], [60, behind]), [false, true, true]);
  assert.deepEqual(told(new Decider(true, 0), [0, behind], [60_000, behind]), [true, true]);
  // The time counts from when nothing else speaks against it: a cable that is put in again.
  const back = new Decider(true, 0);
  assert.deepEqual(
    told(back, [1, { ...DOWN, behind: ['flows'] }], [60_000, behind], [60_000 + late, behind], [62_000, WELL]),
    [false, false, false, false],
  );
});

test('what flaps gets mastership back later each time, up to a bound, and that is forgotten', () => {
  assert.deepEqual([0, 1, 2, 3].map(holdMs), [0, FIRST_HOLD_MS, 2 * FIRST_HOLD_MS, 4 * FIRST_HOLD_MS]);
  assert.equal(holdMs(100), LAST_HOLD_MS);
  const decider = new Decider(true, 0);
  assert.deepEqual(told(decider, [1, DOWN], [2, WELL], [1 + FIRST_HOLD_MS, WELL], [2 + FIRST_HOLD_MS, WELL]), [
    false,
    false,
    false,
    true,
  ]);
  const again = 10_000;
  assert.deepEqual(
    told(decider, [again, DOWN], [again, WELL], [again + FIRST_HOLD_MS, WELL], [again + 2 * FIRST_HOLD_MS, WELL]),
    [false, false, false, true],
  );
  const late = again + REMEMBERED_MS + 10_000;
  assert.deepEqual(told(decider, [late, DOWN], [late + 1, WELL], [late + 1 + FIRST_HOLD_MS, WELL]), [
    false,
    false,
    true,
  ]);
});

test('mastership that a command gave up comes back at once, since nothing had failed', () => {
  assert.deepEqual(told(new Decider(true, 0), [1, ASKED], [2, WELL]), [false, true]);
});

test('a wait for something to stay well begins again when it fails meanwhile', () => {
  const decider = new Decider(true, 0);
  const steps = [
    [0, DOWN],
    [1, WELL],
    [FIRST_HOLD_MS, DOWN],
    [FIRST_HOLD_MS + 1, WELL],
    [FIRST_HOLD_MS + 2, WELL],
  ] as const;
  assert.deepEqual(told(decider, ...steps), [false, false, false, false, false]);
});

const SERVER = ip('192.168.1.31');
const DESTINATION: Destination = { address: SERVER, weight: 1 };
const ATTACHED: InterfaceReport & { readonly up: boolean } = { name: 'ens3', state: 'attached', up: true };

function health(isUp: boolean, check: { last?: boolean; trouble?: string } = { last: true }): ServerHealth {
  const state = { isUp, since: 0, against: 0, downs: [], ...(check.last === true && { last: {} }) };
  const checks = [{ check: {}, label: 'http', state, trouble: check.trouble }];
  return { service: 'web', address: SERVER, checks, isUp, since: 0 } as unknown as ServerHealth;
}

/** What speaks against mastership with one essential service of one real server. */
function against(
  destination: Destination = DESTINATION,
  action: 'forward' | 'local' | 'none' = 'forward',
  of?: ServerHealth,
): ReturnType<typeof againstMastership> {
  const routes = [{ action, reason: 'it does not answer' }];
  const services = [{ service: { essential: true }, name: 'web', destinations: [destination], routes }];
  return againstMastership({ interfaces: [ATTACHED], services, healthOf: () => of } as unknown as Seen);
}

test('an essential service needs a real server that takes flows because it is well, and is known to be', () => {
  const condition = { asked: 1, configured: 1 };
  const cases: [string, ReturnType<typeof against>, boolean][] = [
    ['unchecked', against(), true],
    ['local', against(DESTINATION, 'local'), true],
    ['up', against(DESTINATION, 'forward', health(true)), true],
    ['down', against(DESTINATION, 'forward', health(false)), false],
    ['no result yet', against(DESTINATION, 'forward', health(true, {})), false],
    ['cannot be checked', against(DESTINATION, 'forward', health(true, { trouble: 'no port' })), true],
    ['MAC unknown', against(DESTINATION, 'none', health(true)), false],
    ['weight 0', against({ ...DESTINATION, weight: 0 }), false],
    ['a fallback', against({ ...DESTINATION, condition: { ...condition, spare: true } }), false],
    ['panic', against({ ...DESTINATION, condition: { ...condition, word: 'panic' } }), false],
    ['ramping', against({ ...DESTINATION, condition: { ...condition, word: 'ramping' } }), true],
  ];
  for (const [name, { essential }, isWell] of cases) {
    assert.equal(essential.length === 0, isWell, name);
  }
});

test('an interface without the program, without a cable or missing speaks against mastership', () => {
  const cases: [InterfaceReport & { readonly up: boolean }, RegExp | undefined][] = [
    [ATTACHED, undefined],
    [{ ...ATTACHED, up: false }, /ens3 is down, or has no carrier/],
    [{ ...ATTACHED, state: 'failed' }, /ens3: packets are not forwarded/],
    [{ ...ATTACHED, state: 'missing', up: false }, /ens3: packets are not forwarded/],
  ];
  for (const [each, pattern] of cases) {
    const { forwarding } = againstMastership({ interfaces: [each], services: [], healthOf: () => undefined });
    assert.match(forwarding.join(), pattern ?? /^$/);
  }
  const unpublished = againstMastership({ interfaces: [ATTACHED], services: undefined, healthOf: () => undefined });
  assert.equal(unpublished.forwarding.length, 1);
});

test("keepalived's lines are read, and no other", () => {
  const state = { kind: 'state', instance: 'VI_1' };
  const cases: [string, ReturnType<typeof parseNotice>][] = [
    ['INSTANCE "VI_1" MASTER 100', { ...state, state: 'MASTER', priority: 100 } as never],
    ['INSTANCE "VI_1" BACKUP 0', { ...state, state: 'BACKUP', priority: 0 } as never],
    ['INSTANCE "VI_1" FAULT 255', { ...state, state: 'FAULT', priority: 255 } as never],
    ['INSTANCE "VI_1" STOP 1', { ...state, state: 'STOP', priority: 1 } as never],
    ['INSTANCE "VI_1" MASTER_PRIORITY 90', { kind: 'priority', instance: 'VI_1', priority: 90 }],
    ['INSTANCE "VI_1" MASTER_RX_LOWER_PRI 90', { kind: 'other-master', instance: 'VI_1' }],
    ['INSTANCE "with spaces" MASTER 1', { kind: 'state', instance: 'with spaces', state: 'MASTER', priority: 1 }],
    ['GROUP "G" MASTER 0', 'ignored'],
    ['INSTANCE "VI_1" MASTER 256', undefined],
    ['INSTANCE "VI_1" MASTER -1', undefined],
    ['INSTANCE "VI_1" SOMETHING 1', undefined],
    ['INSTANCE VI_1 MASTER 100', undefined],
    ['INSTANCE "VI_1" MASTER 100 ', undefined],
    ['INSTANCE "" MASTER 100', undefined],
    ['VS [192.168.1.1]:tcp:80 UP', undefined],
    ['', undefined],
    [`INSTANCE "${'x'.repeat(256)}" MASTER 1`, undefined],
  ];
  for (const [line, expected] of cases) {
    assert.deepEqual(parseNotice(line), expected, line);
  }
});

test('lines are made of what is read however it is cut, and one that never ends takes no memory', () => {
  const lines = new Lines();
  assert.deepEqual(lines.add('a\nb'), ['a']);
  assert.deepEqual(lines.add('c\n\nd\n'), ['bc', '', 'd']);
  for (let i = 0; i < 1000; i += 1) {
    lines.add('x'.repeat(10_000));
  }
  const [long, next] = lines.add('x\nINSTANCE "VI_1" MASTER 1\n');
  assert.ok(long!.length <= 512);
  assert.equal(parseNotice(long!), undefined);
  assert.equal(parseNotice(next!) !== undefined, true);
});

class Router {
  readonly changes: RouterChange[] = [];
  readonly wrong: string[] = [];
  readonly masters: string[] = [];
  now = 1_000;
  readonly routers: Routers;

  constructor(kept: ConstructorParameters<typeof Routers>[0]['kept'] = []) {
    this.routers = new Routers({
      clock: () => this.now,
      kept,
      onChange: (change) => this.changes.push(change),
      onTwoMasters: (name) => this.masters.push(name),
      onWrong: (message) => this.wrong.push(message),
    });
    this.routers.follow([{ name: 'VI_1' } as VirtualRouter]);
  }

  take(...lines: string[]): void {
    lines.forEach((line) => {
      this.routers.take(line);
    });
  }
}

test('a state that keepalived repeats is no change, and keeps its time', () => {
  const router = new Router();
  router.take('INSTANCE "VI_1" BACKUP 100');
  router.now = 2_000;
  router.take('INSTANCE "VI_1" BACKUP 90');
  assert.deepEqual(router.routers.find('VI_1'), { name: 'VI_1', state: 'BACKUP', since: 1_000, priority: 90 });
  router.take('INSTANCE "VI_1" MASTER 90');
  assert.deepEqual(router.changes, [
    { name: 'VI_1', state: 'BACKUP', priority: 100 },
    { name: 'VI_1', state: 'MASTER', priority: 90, before: 'BACKUP' },
  ]);
});

test('wrong lines and unknown routers are told once each, and change nothing', () => {
  const router = new Router();
  router.take('nonsense', 'more nonsense', 'INSTANCE "other" MASTER 1', 'INSTANCE "third" MASTER 1');
  assert.equal(router.wrong.length, 2);
  assert.deepEqual([router.changes, router.routers.kept], [[], []]);
});

test('what the last daemon knew goes on; of a keepalived that is gone without a word nothing is known', () => {
  const router = new Router([{ name: 'VI_1', state: 'MASTER', since: 5, priority: 100 }]);
  router.routers.lose();
  assert.equal(router.routers.find('VI_1')?.state, 'UNKNOWN');
  router.take('INSTANCE "VI_1" STOP 100');
  router.routers.lose();
  assert.equal(router.routers.find('VI_1')?.state, 'STOP');
});

test('another master is told once, and is over after a time without word of it', () => {
  const router = new Router([{ name: 'VI_1', state: 'MASTER', since: -10_000, priority: 100 }]);
  router.take('INSTANCE "VI_1" MASTER_RX_LOWER_PRI 1', 'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 1');
  assert.deepEqual([router.masters, router.routers.twoMasters()], [['VI_1'], ['VI_1']]);
  router.now += 10_000;
  assert.deepEqual(router.routers.twoMasters(), []);
  router.take('INSTANCE "VI_1" MASTER_RX_LOWER_PRI 1');
  assert.equal(router.masters.length, 2);
});

test('a master hears the one before for a moment, which is no other master', () => {
  const router = new Router();
  router.take('INSTANCE "VI_1" MASTER 1', 'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 1');
  assert.deepEqual([router.masters, router.routers.twoMasters()], [[], []]);
  router.now += 2_000;
  router.take('INSTANCE "VI_1" MASTER_RX_LOWER_PRI 1');
  assert.deepEqual(router.masters, ['VI_1']);
});

test('a router that the configuration loses is forgotten', () => {
  const router = new Router();
  router.take('INSTANCE "VI_1" MASTER 1');
  router.routers.follow([{ name: 'VI_2' } as VirtualRouter]);
  assert.deepEqual(router.routers.kept, []);
});

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'beeline-mastership-'));
  context.after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

test('keepalived never finds an empty file: it is renamed, and no other content means that it may be master', (context) => {
  const folder = folderOf(context);
  const path = join(folder, 'x.forwards');
  assert.equal(readMayBeMaster(path), undefined);
  for (const may of [true, false, true]) {
    writeMayBeMaster(path, may);
    assert.equal(readMayBeMaster(path), may);
  }
  assert.deepEqual(readdirSync(folder), ['x.forwards']);
  for (const content of ['', '0', '11', '-1', 'true']) {
    writeFileSync(path, content);
    assert.equal(readMayBeMaster(path), false, content);
  }
});

interface Heard {
  readonly fifo: Fifo;
  readonly lines: string[];
  readonly presence: boolean[];
  readonly troubles: (string | undefined)[];
}

function hear(context: TestContext, path: string): Heard {
  const heard = { lines: [] as string[], presence: [] as boolean[], troubles: [] as (string | undefined)[] };
  const fifo = new Fifo({
    path,
    onLine: (line) => heard.lines.push(line),
    onPresence: (isThere) => heard.presence.push(isThere),
    onTrouble: (error) => heard.troubles.push(error?.message),
  });
  context.after(() => {
    fifo.close();
  });
  return { fifo, ...heard };
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, 'still not so after 10 s');
    await sleep(10);
  }
}

/** Opens a FIFO as keepalived does. */
function openWriter(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
}

test('what keepalived wrote before anybody read it is not lost, and its end is noticed', async (context) => {
  const path = join(folderOf(context), 'x.vrrp');
  execFileSync('mkfifo', [path]);
  const writer = openWriter(path);
  writeSync(writer, 'one\ntwo\n');
  const heard = hear(context, path);
  assert.deepEqual([heard.lines, heard.fifo.isThere], [['one', 'two'], true]);
  writeSync(writer, 'three\n');
  await until(() => heard.lines.length === 3);
  writeSync(writer, 'four\n');
  closeSync(writer);
  await until(() => !heard.fifo.isThere);
  assert.deepEqual(heard.lines, ['one', 'two', 'three', 'four']);
  assert.deepEqual(heard.presence, [true, false]);
  const again = openWriter(path);
  writeSync(again, 'five\n');
  await until(() => heard.lines.length === 5);
  assert.equal(heard.fifo.isThere, true);
  closeSync(again);
  await until(() => !heard.fifo.isThere);
});

test('a FIFO that keepalived makes later, or anew, is read; another kind of file is said to be wrong', async (context) => {
  const path = join(folderOf(context), 'x.vrrp');
  const heard = hear(context, path);
  assert.equal(heard.fifo.isThere, false);
  for (const line of ['first', 'second']) {
    execFileSync('mkfifo', [path]);
    const writer = openWriter(path);
    writeSync(writer, `${line}\n`);
    await until(() => heard.lines.at(-1) === line);
    // As keepalived ends.
    rmSync(path);
    closeSync(writer);
    await until(() => !heard.fifo.isThere);
  }
  writeFileSync(path, 'INSTANCE "VI_1" MASTER 1\n');
  await until(() => heard.troubles.at(-1)?.includes('not a FIFO') === true);
  assert.deepEqual(heard.lines, ['first', 'second']);
});

/** A network of one VIP, which leaves or stays, and which another host then has or not. */
function networkOf(vip: { leaves: boolean; owner?: string }): VipsView & { readonly deleted: string[] } {
  const address = ip('192.168.1.100');
  const deleted: string[] = [];
  let asked = false;
  return {
    deleted,
    linksByAddress: () => new Map(vip.leaves ? [] : [[address, { name: 'ens3' }]]) as never,
    link: () => ({ ifindex: 7 }) as never,
    setNeighbour: (_ifindex, which) => {
      deleted.push(which);
      return Promise.resolve();
    },
    solicit: () => {
      asked = true;
      return Promise.resolve();
    },
    neighbour: () => (asked && vip.owner !== undefined ? ({ mac: mac(vip.owner) } as never) : undefined),
  };
}

test('it is said where the VIPs went, by who answers now, and that is not who answered before', async () => {
  const routers = [{ name: 'VI_1', interface: 'ens3', addresses: [ip('192.168.1.100')], interval: 0.01 }];
  const of = { address: '192.168.1.100', router: 'VI_1' };
  const owner = '00:50:00:00:05:00';
  const taken = networkOf({ leaves: true, owner });
  assert.deepEqual(await leaveVips(taken, routers), [{ ...of, here: false, owner }]);
  assert.deepEqual(taken.deleted, ['192.168.1.100']);
  assert.deepEqual(await leaveVips(networkOf({ leaves: true }), routers), [{ ...of, here: false }]);
  assert.deepEqual(await leaveVips(networkOf({ leaves: false, owner }), routers), [{ ...of, here: true }]);
});
