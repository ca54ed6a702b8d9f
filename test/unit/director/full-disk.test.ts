/** Every store on a disk that is full or read-only: the change holds, that is reported, and it is tried again. */

import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { pino } from 'pino';

import { type Histories, historiesFormat, MoveTracker } from '../../../src/dataplane/index.js';
import { EditCommands, type EditCommandsOptions } from '../../../src/director/changes/edit-commands.js';
import { type Snapshot, snapshotFormat, UnsavedChanges } from '../../../src/director/changes/unsaved-changes.js';
import { type Desired, startDrain } from '../../../src/director/changes/drains.js';
import { type Baselines, baselinesFormat } from '../../../src/director/reports/statistics.js';
import { compile } from '../../../src/image/index.js';
import { ip, type IpAddress, type Model } from '../../../src/model/index.js';
import type { Format, Store } from '../../../src/store/index.js';
import { service, worldOf } from '../../support/models.js';
import { storeAt } from '../../support/store.js';

const log = pino({ level: 'silent' });
const NAME = 'tcp 192.168.1.100:80';
const SERVERS = [ip('10.0.0.1'), ip('10.0.0.2'), ip('10.0.0.3')] as const;
const SIZE = 64 << 10;

function modelOf(servers: readonly IpAddress[]): Model {
  return { interfaces: ['ens3'], mode: 'native', services: [service(ip('192.168.1.100'), 80, servers)] };
}

/** A small tmpfs in a mount namespace, which is reached by way of the process that holds it. */
class SmallDisk {
  readonly #holder: ChildProcess;
  readonly #ballast: string;
  readonly path: string;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
    this.path = `/proc/${holder.pid!}/root/mnt`;
    this.#ballast = join(this.path, 'ballast');
  }

  /** Undefined where namespaces are not for this user. */
  static async mount(context: TestContext): Promise<SmallDisk | undefined> {
    const script = `mount -t tmpfs -o size=${SIZE} tmpfs /mnt && echo ready && exec cat`;
    const holder = spawn('unshare', [...asRoot('--map-root-user'), '--mount', 'sh', '-c', script]);
    context.after(() => {
      holder.stdin.end();
    });
    const [said] = (await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])) as [unknown];
    return Buffer.isBuffer(said) ? new SmallDisk(holder) : undefined;
  }

  fill(): void {
    assert.throws(() => {
      writeFileSync(this.#ballast, Buffer.alloc(2 * SIZE));
    }, /ENOSPC/);
  }

  free(): void {
    rmSync(this.#ballast);
  }

  remount(option: 'ro' | 'rw'): void {
    const target = ['--target', String(this.#holder.pid), ...asRoot('--user', '--preserve-credentials'), '--mount'];
    execFileSync('nsenter', [...target, 'mount', '-o', `remount,${option}`, '/mnt']);
  }
}

/** Returns options that the tools need only if the user is not root. */
function asRoot(...options: string[]): string[] {
  return process.getuid!() === 0 ? [] : options;
}

/** One of the daemon's parts that keeps something, and how to change it. */
interface Keeper<Value> {
  readonly format: Format<Value>;
  /** Returns what changes the part, and whether the change holds. */
  readonly open: (store: Store<Value>) => { change: (step: number) => unknown; holds: (step: number) => boolean };
}

const baselines: Keeper<Baselines> = {
  format: baselinesFormat,
  open: (store) => {
    const destinations = [{ address: SERVERS[0], packets: 0, bytes: 0, flows: 0 }];
    const dataPlane = {
      image: undefined,
      services: [],
      counters: () => ({ services: [{ name: NAME, destinations, verdicts: {} }], noService: {} }),
      flowCounts: () => new Map(),
    };
    const models = { desired: modelOf(SERVERS), effective: modelOf(SERVERS) };
    const edits = new EditCommands({ director: { models }, dataPlane, store, log } as unknown as EditCommandsOptions);
    edits[Symbol.dispose]();
    const counted = async (): Promise<number> => (await edits.handlers.table({})).services[0]!.counters.packets;
    let shown = NaN;
    return {
      change: async () => {
        destinations[0] = { ...destinations[0]!, packets: destinations[0]!.packets + 100 };
        assert.equal(await counted(), 100);
        await edits.handlers.zero({});
        shown = await counted();
      },
      holds: () => shown === 0,
    };
  },
};

const histories: Keeper<Histories> = {
  format: historiesFormat,
  open: (store) => {
    const tracker = new MoveTracker(store, false);
    let moved = false;
    return {
      change: async (step) => {
        const { services } = modelOf(SERVERS.slice(0, step + 1));
        const image = tracker.attach(compile({ services }, worldOf(services)), 1000 * step);
        await tracker.keep();
        moved = image.services[0]!.previous !== undefined;
      },
      holds: (step) => moved === step > 0,
    };
  },
};

const unsaved: Keeper<Snapshot> = {
  format: snapshotFormat,
  open: (store) => {
    const changes = new UnsavedChanges({ store, droppedPath: '', log });
    return {
      change: (step) => changes.record({ model: modelOf(SERVERS.slice(0, step + 1)), drains: [] }, 1),
      holds: (step) => changes.count === step + 1,
    };
  },
};

/** Beside a model that the file has: only the drains are kept. */
const drains: Keeper<Snapshot> = {
  format: snapshotFormat,
  open: (store) => {
    const changes = new UnsavedChanges({ store, droppedPath: '', log });
    let desired: Desired = { model: modelOf(SERVERS), drains: [] };
    return {
      change: (step) => {
        desired = startDrain(desired, { service: NAME, address: SERVERS[step]! }, 0, undefined);
        return changes.record(desired, 0);
      },
      holds: (step) => desired.drains.length === step + 1,
    };
  },
};

const CONDITIONS = {
  full: [
    (disk: SmallDisk) => {
      disk.fill();
    },
    (disk: SmallDisk) => {
      disk.free();
    },
    /ENOSPC/,
  ],
  'read-only': [
    (disk: SmallDisk) => {
      disk.remount('ro');
    },
    (disk: SmallDisk) => {
      disk.remount('rw');
    },
    /EROFS/,
  ],
} as const;

async function survives<Value>(
  { format, open }: Keeper<Value>,
  disk: SmallDisk,
  [spoil, mend, reason]: (typeof CONDITIONS)[keyof typeof CONDITIONS],
): Promise<void> {
  const path = join(disk.path, format.title);
  const said: string[] = [];
  const kept = (): Value | undefined => storeAt(path, format).load();
  using store = storeAt(path, format, said);
  const part = open(store);
  await part.change(0);
  const before = kept();
  assert.notEqual(before, undefined);
  spoil(disk);
  await part.change(1);
  assert.ok(part.holds(1), 'the change holds');
  assert.match(store.problem!, reason);
  assert.match(store.problem!, /are in force, but cannot be kept, and a restart would lose them/);
  await sleep(100);
  assert.equal(said.length, 1, said.join());
  assert.deepEqual(kept(), before, 'what was kept before is whole');
  mend(disk);
  while (store.problem !== undefined) {
    await sleep(5);
  }
  assert.notDeepEqual(kept(), before);
  assert.match(said.at(-1)!, /^info: .* are kept again$/);
}

for (const [condition, steps] of Object.entries(CONDITIONS)) {
  test(`on a ${condition} disk`, async (context) => {
    const disk = await SmallDisk.mount(context);
    if (disk === undefined) {
      context.skip('this user may not make mount namespaces');
      return;
    }
    await context.test('nothing to keep is no problem', async () => {
      steps[0](disk);
      using store = storeAt(join(disk.path, 'nothing'), snapshotFormat);
      await store.clear();
      assert.equal(store.problem, undefined);
      steps[1](disk);
    });
    await context.test('drains hold and are kept later', () => survives(drains, disk, steps));
    await context.test('statistics are zero and their baselines are kept later', () =>
      survives(baselines, disk, steps),
    );
    await context.test('slots are moved and their histories are kept later', () => survives(histories, disk, steps));
    await context.test('changes by commands hold and are kept later', () => survives(unsaved, disk, steps));
  });
}
