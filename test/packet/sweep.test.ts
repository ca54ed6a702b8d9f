/** What a sweep over the real program's tables forgets, and what it leaves. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'node:test';

import { Caller } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { service } from '../support/models.js';

const VIP = '10.99.0.10';
const SMALL = { ipv4: 1 << 12, ipv6: 1 << 12 };

test('the templates of a service that is not persistent any more are forgotten', async () => {
  const servers = ['10.99.0.31', '10.99.0.32'];
  const asked = service(VIP, 80, servers, { scheduler: 'rr', persistence: { timeout: 300 } });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const { publisher } = director;
  new Caller(director, asked).segments(1000, 'S', 'A');
  const states = async (): Promise<unknown> => (await publisher.sweep([]))?.states.get('tcp 10.99.0.10:80');
  assert.deepEqual(await states(), { established: 1, template: 1 });
  await director.publish([{ ...asked, persistence: undefined }], {}, SMALL);
  // More than a unit of the data path's time, and a second one that may just have begun.
  await sleep(3_000);
  assert.deepEqual(await states(), { established: 1 });
});
