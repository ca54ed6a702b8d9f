/** Drains: what they do to a model, what is kept of them, and what a daemon makes of a file that is not its own. */

import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { Drains, drainsFormat } from '../../../src/director/overlays/drains.js';
import type { FlowsLeft } from '../../../src/director/overlays/overlay.js';
import { ip, type IpAddress, type Model } from '../../../src/model/index.js';
import { service } from '../../support/models.js';
import { folderFor, storeAt } from '../../support/store.js';

const [A, B] = [ip('10.0.0.1'), ip('10.0.0.2')] as const;
const NAME = 'tcp 192.168.1.100:80';
const DRAINED = { service: NAME, address: A };
const IDLE: FlowsLeft = { flows: 0, uncertain: false };

function modelOf(...servers: IpAddress[]): Model {
  return { interfaces: ['ens3'], mode: 'native', services: [service(ip('192.168.1.100'), 80, servers)] };
}

/** The drains that a daemon finds in a file. */
function drainsAt(path: string, said: string[] = []): Drains {
  return new Drains(storeAt(path, drainsFormat, said));
}

test('a drained real server has weight 0, also after a restart, and is removed when its flows have ended', async (context) => {
  const path = join(folderFor(context), 'drains');
  const model = modelOf(A, B);
  const first = drainsAt(path);
  first.start(model, DRAINED, undefined);
  await first.keep();
  const drains = drainsAt(path);
  const weights = (): number[] => drains.apply(model).services[0]!.destinations.map(({ weight }) => weight);
  assert.deepEqual(weights(), [0, 1]);
  assert.equal(drains.apply(model).services[0], drains.apply(model).services[0]);
  const later = Date.now() + 10_000;
  assert.deepEqual(
    drains.advance(() => ({ flows: 1, uncertain: false }), later),
    [],
  );
  assert.deepEqual(
    drains.advance(() => ({ flows: 0, uncertain: true }), later),
    [],
  );
  assert.equal(drains.withoutRemoved(model), model);
  assert.deepEqual(
    drains.advance(() => IDLE, later),
    [`${A} of ${NAME}: drained and removed`],
  );
  assert.deepEqual(weights(), [1]);
  assert.deepEqual(drains.withoutRemoved(model), modelOf(B));
  assert.equal(drains.withoutRemoved(model, { service: NAME, address: B }), model);
  assert.equal(drains.report(DRAINED, IDLE)?.removed, true);
  assert.deepEqual(drains.clear(), [`drain of ${A} of ${NAME}`]);
  assert.deepEqual(weights(), [1, 1]);
  await drains.keep();
  assert.ok(!existsSync(path));
});

test('a real server that is removed from the configuration and added again is no longer drained', async (context) => {
  const path = join(folderFor(context), 'drains');
  const first = drainsAt(path);
  first.start(modelOf(A, B), DRAINED, undefined);
  await first.keep();
  const second = drainsAt(path);
  second.keepOnly(modelOf(B));
  await second.keep();
  const model = modelOf(A, B);
  assert.equal(drainsAt(path).apply(model), model);
});

test('a change that is refused leaves drains as they were, also in the file', async (context) => {
  const path = join(folderFor(context), 'drains');
  const drains = drainsAt(path);
  const model = modelOf(A, B);
  drains.start(model, DRAINED, undefined);
  const restore = drains.checkpoint();
  drains.clear();
  await drains.keep();
  restore();
  await drains.keep();
  assert.equal(drainsAt(path).report(DRAINED, IDLE)?.removed, false);
});

test('a file that holds no drains is as good as none, and that is logged', (context) => {
  const path = join(folderFor(context), 'drains');
  const model = modelOf(A, B);
  for (const text of ['', 'null', '{}', '7', '[null]', '[{"service":1}]', '{"length":1}']) {
    writeFileSync(path, text);
    const said: string[] = [];
    assert.equal(drainsAt(path, said).apply(model), model, text);
    assert.match(said.join(), /^error: .*drains cannot be used: it.*; the drains in it are lost$/);
  }
});

test('the drains of a daemon before this one are read', (context) => {
  const path = join(folderFor(context), 'drains');
  writeFileSync(path, JSON.stringify([{ ...DRAINED, since: 1, removed: true }]));
  assert.equal(drainsAt(path).report(DRAINED, IDLE)?.removed, true);
});
