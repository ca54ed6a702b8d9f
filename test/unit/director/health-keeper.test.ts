/** What is known of health is kept as soon as packets follow it: a daemon that is killed then forgets no failure. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { pino } from 'pino';

import { HealthKeeper } from '../../../src/director/health/keeper.js';
import { Stores } from '../../../src/director/stores.js';
import { ip, type Model, instanceOf } from '../../../src/model/index.js';
import type { Network } from '../../../src/net/index.js';
import { service, worldOf } from '../../support/models.js';

const VIP = ip('192.168.1.100');
const RIP = ip('192.168.1.31');

test('a failure is kept after the round that follows it, and not 200 ms later', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'beeline-keeper-'));
  context.after(() => {
    rmSync(folder, { recursive: true });
  });
  const log = pino({ level: 'silent' });
  const flag = join(folder, 'flag');
  const instance = { ...instanceOf('keeper'), healthPath: join(folder, 'health'), maintenancePath: join(folder, 'm') };
  using stores = new Stores(instance, log);
  const saves: boolean[][] = [];
  const { health } = stores;
  health.save = (value) => {
    saves.push(value.checks.servers.map(({ isUp }) => isUp));
    // A slow disk would have the next one wait.
    return Promise.resolve();
  };
  let onChange = (): void => undefined;
  const keeper = new HealthKeeper({
    ...{ instance: 'keeper', stores, log },
    // A program of this host needs no network.
    network: { ownNeighbours: () => [] } as unknown as Network,
    onChange: () => {
      onChange();
    },
  });
  context.after(() => keeper.stop());
  writeFileSync(flag, '');
  const services = [
    service(VIP, 80, [RIP], {
      health: {
        checks: [{ type: 'exec', command: ['/bin/sh', '-c', '[ -e "$0" ]', flag] }],
        ...{ interval: 0.1, fastInterval: 0.1, rise: 1, fall: 1, jitter: 0 },
      },
    }),
  ];
  const model: Model = { interfaces: ['ens3'], mode: 'auto', services };
  await keeper.follow(model, worldOf(services));
  while (keeper.all()[0]?.checks[0]?.state.last === undefined || saves.length === 0) {
    await sleep(20);
  }
  // What was to be kept is kept by now, and nothing waits.
  await sleep(300);
  saves.length = 0;
  const failed = new Promise<void>((resolve) => {
    onChange = () => {
      // From here no timer ends but by the test.
      context.mock.timers.enable({ apis: ['setTimeout'] });
      resolve();
    };
  });
  rmSync(flag);
  await failed;
  keeper.endRound();
  assert.deepEqual(saves, [], 'packets do not wait for it');
  context.mock.timers.tick(1);
  context.mock.timers.reset();
  assert.deepEqual(saves, [[false]]);
});
