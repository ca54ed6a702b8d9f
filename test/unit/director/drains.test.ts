/** Real servers on their way out: what is kept of them, and what a daemon makes of a file that is not its own. */

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import { Drains, type Left } from '../../../src/director/overlays/drains.js';
import type { Model } from '../../../src/model/index.js';
import { service } from '../../support/models.js';

const [A, B] = ['10.0.0.1', '10.0.0.2'] as const;
const NAME = 'tcp 192.168.1.100:80';
const IDLE: Left = { flows: 0, uncertain: false };

function modelOf(...servers: string[]): Model {
  return { interfaces: ['ens3'], mode: 'native', services: [service('192.168.1.100', 80, servers)] };
}

function withFile(work: (path: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'beeline-'));
  try {
    work(join(directory, 'drains'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('a drained real server has weight 0, also after a restart, and is removed when its flows have ended', () => {
  withFile((path) => {
    const model = modelOf(A, B);
    new Drains(path).start(model, NAME, A, undefined);
    const drains = new Drains(path);
    const weights = (): number[] => drains.apply(model).services[0]!.destinations.map(({ weight }) => weight);
    assert.deepEqual(weights(), [0, 1]);
    assert.equal(drains.apply(model).services[0], drains.apply(model).services[0]);
    const later = Date.now() + 10_000;
    assert.deepEqual(
      drains.finish(() => ({ flows: 1, uncertain: false }), later),
      [],
    );
    assert.deepEqual(
      drains.finish(() => ({ flows: 0, uncertain: true }), later),
      [],
    );
    assert.deepEqual(
      drains.finish(() => IDLE, later),
      [`${A} of ${NAME}: drained and removed`],
    );
    assert.deepEqual(weights(), [1]);
    assert.equal(drains.report(NAME, A, IDLE)?.removed, true);
    drains.clear();
    assert.deepEqual(weights(), [1, 1]);
    assert.ok(!existsSync(path));
  });
});

test('a real server that is removed from the configuration and added again is no longer drained', () => {
  withFile((path) => {
    new Drains(path).start(modelOf(A, B), NAME, A, undefined);
    new Drains(path).keepOnly(modelOf(B));
    const model = modelOf(A, B);
    assert.equal(new Drains(path).apply(model), model);
  });
});

test('a damaged file of drains is ignored', () => {
  withFile((path) => {
    const model = modelOf(A, B);
    for (const text of ['', 'null', '{}', '7', '[null]', '[{"service":1}]', '{"length":1}']) {
      writeFileSync(path, text);
      assert.equal(new Drains(path).apply(model), model, text);
    }
  });
});
