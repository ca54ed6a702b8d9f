/** Larger maps replace others: no flow and no count is lost if the process ends, or something fails, amid that. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test, { type TestContext } from 'node:test';

import { BPF_FS, listSets, removePins } from '../../src/dataplane/index.js';
import { GrowingDirector, interfere, MOMENTS } from '../support/growing.js';

const GROWING = fileURLToPath(new URL('../support/growing.js', import.meta.url));

const [SMALL, LARGE, HUGE] = [1 << 13, 1 << 16, 1 << 17];
const EARLY = [4001, 4002, 4003, 4004];
const BETWEEN = [4101, 4102, 4103];
const LATER = [4201, 4202];

function folderFor(context: TestContext): string {
  const directory = `${BPF_FS}/beeline/test-outgrown-${process.pid}`;
  context.after(() => removePins(directory));
  return directory;
}

/** Grows in another process, which is killed; flows begin meanwhile. @param others how many more services there are */
function growAndDie(directory: string, moment: string, others = 0): void {
  const words = [directory, moment, String(LARGE), String(others), ...BETWEEN.map(String)];
  const { signal, stderr } = spawnSync(process.execPath, [GROWING, ...words], { encoding: 'utf8' });
  assert.equal(signal, 'SIGKILL', stderr);
}

async function begun(directory: string): Promise<void> {
  using first = new GrowingDirector(directory);
  await first.publish(SMALL);
  first.begin(EARLY);
  assert.equal((await first.flows()).length, EARLY.length);
}

function portsIn(flows: readonly string[]): number[] {
  return flows.map((flow) => Number(flow.split(' ')[0]));
}

for (const moment of MOMENTS) {
  for (const others of [0, 3000]) {
    const what = others === 0 ? 'the flow table grows' : 'the flow table and the tables of services grow';
    test(`${what}, and the process is killed ${moment}: the next one has all flows and counts`, async (context) => {
      const directory = folderFor(context);
      await begun(directory);
      growAndDie(directory, moment, others);
      using next = new GrowingDirector(directory);
      // Also those that began while nobody was there.
      next.begin(LATER);
      await next.publish(LARGE, others);
      assert.deepEqual(portsIn(await next.flows()), [...EARLY, ...BETWEEN, ...LATER]);
      await next.plane.sweep();
      assert.equal(next.packets, EARLY.length + BETWEEN.length + LATER.length);
      assert.equal(
        next.loads.reduce((sum, each) => sum + each),
        EARLY.length + BETWEEN.length + LATER.length,
      );
      assert.equal(listSets(directory).length, 1);
    });
  }
}

test('two processes that are killed one after the other amid growth lose nothing, and count nothing twice', async (context) => {
  const directory = folderFor(context);
  await begun(directory);
  growAndDie(directory, 'before the last copy');
  {
    // It adopts, and ends before it publishes.
    using second = new GrowingDirector(directory);
    second.begin(LATER);
    assert.equal(listSets(directory).length, 2);
  }
  using third = new GrowingDirector(directory);
  await third.publish(LARGE);
  assert.deepEqual(portsIn(await third.flows()), [...EARLY, ...BETWEEN, ...LATER]);
  assert.equal(third.packets, EARLY.length + BETWEEN.length + LATER.length);
  assert.equal(listSets(directory).length, 1);
});

test('maps that grow again right after a kill bring over what the first ones have', async (context) => {
  const directory = folderFor(context);
  await begun(directory);
  growAndDie(directory, 'before the last copy');
  using next = new GrowingDirector(directory);
  await next.publish(HUGE);
  assert.deepEqual(portsIn(await next.flows()), [...EARLY, ...BETWEEN]);
  assert.equal(next.packets, EARLY.length + BETWEEN.length);
  assert.equal(listSets(directory).length, 1);
});

test('if the last copy fails, the next publication makes it', async (context) => {
  const directory = folderFor(context);
  await begun(directory);
  using director = new GrowingDirector(directory);
  await director.publish(SMALL);
  const between = (): void => {
    director.begin(BETWEEN);
  };
  const undo = interfere('before the last copy', between, () => {
    throw new Error('no memory');
  });
  try {
    await assert.rejects(director.publish(LARGE), /no memory/);
    assert.equal(listSets(directory).length, 2);
  } finally {
    undo();
  }
  await director.publish(LARGE);
  assert.deepEqual(portsIn(await director.flows()), [...EARLY, ...BETWEEN]);
  assert.equal(director.packets, EARLY.length + BETWEEN.length);
  assert.equal(listSets(directory).length, 1);
});
