/** Three directors with one file: each that ends leaves the VIPs to the next one, and of two masters one remains. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Director } from '../../src/lab/index.js';
import { Pair } from '../support/pair.js';
import type { VipResult } from '../support/vip-watch.js';

function requireUnnoticed({ udp, http, downloads }: VipResult): void {
  assert.deepEqual(http.failures, [], 'no request failed');
  assert.deepEqual(downloads.failures, [], 'no download was reset');
  assert.equal(downloads.alive, 6, 'all downloads go on');
  assert.ok(udp.sent > 0 && http.requests > 0);
}

/** As a host that loses its power: nobody hears of it any more. */
async function die(pair: Pair, director: Director): Promise<void> {
  await pair.lab.kill(pair.daemon(director));
  await pair.cable(director, false);
}

async function revive(pair: Pair, director: Director): Promise<void> {
  await pair.startDaemon(director);
  await pair.cable(director, true);
}

for (const [variant, options] of [
  ['', {}],
  [', by unicast', { unicast: true }],
] as const) {
  test(`three directors with one file${variant}: the last one has the VIPs, and no connection is reset`, async (context) => {
    const pair = await Pair.build(context, 'three', { third: true, ...options });

    await context.test('the file says for each what is its own', async () => {
      const of = async (each: Director): Promise<unknown[]> => {
        const { vrrp } = await pair.status(each);
        return [vrrp?.instances[0]?.state, vrrp?.instances[0]?.priority];
      };
      assert.deepEqual(await Promise.all(pair.directors.map(of)), [
        ['MASTER', 250],
        ['BACKUP', 240],
        ['BACKUP', 230],
      ]);
    });

    await context.test('the master dies, and then the next one', async () => {
      const away = await pair.during(async () => {
        await die(pair, 'director');
        await pair.untilState('standby', 'MASTER');
        await sleep(1_000);
        await die(pair, 'standby');
        await pair.untilState('third', 'MASTER');
      });
      requireUnnoticed(away);
      const back = await pair.during(async () => {
        await revive(pair, 'standby');
        await pair.untilOwner('standby');
        await revive(pair, 'director');
        await pair.untilOwner('director');
      });
      requireUnnoticed(back);
    });

    await context.test(
      'nobody hears the others: all are master, and then the one of the highest priority',
      async () => {
        const apart = await pair.during(async () => {
          await pair.advertisements('director', false);
          await pair.advertisements('third', false);
          await pair.untilState('standby', 'MASTER');
          await pair.untilState('third', 'MASTER');
        });
        requireUnnoticed(apart);
        assert.deepEqual(await pair.owners(), pair.directors);
        const together = await pair.during(async () => {
          await pair.advertisements('third', true);
          await pair.advertisements('director', true);
          await pair.untilOwner('director');
        });
        requireUnnoticed(together);
      },
    );
  });
}
