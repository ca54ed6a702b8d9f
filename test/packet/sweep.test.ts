/** Entries that a sweep over the real program's tables removes, and those that it keeps. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'node:test';

import { type FlowFilter, type FlowSums, summarizeFlows } from '../../src/dataplane/index.js';
import { ip, ipBytes } from '../../src/model/index.js';
import { Caller } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { service } from '../support/models.js';

const VIP = ip('10.99.0.10');
const SMALL = { ipv4: 1 << 12, ipv6: 1 << 12 };

test('the sweep removes the templates of a service that is no longer persistent', async () => {
  const servers = [ip('10.99.0.31'), ip('10.99.0.32')];
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

test('a summary counts only the selected flows: by state, by real server, by client', async () => {
  const asked = service(VIP, 80, [ip('10.99.0.31'), ip('10.99.0.32')], {
    scheduler: 'rr',
    persistence: { timeout: 300 },
  });
  using director = await PacketDirector.with(
    [asked, service(VIP, 81, [ip('10.99.0.31')], { scheduler: 'rr' })],
    {},
    SMALL,
  );
  const caller = new Caller(director, asked);
  caller.segments({ address: ip('10.50.0.1'), port: 1000 }, 'S', 'A');
  caller.segments({ address: ip('10.50.0.1'), port: 1001 }, 'S');
  caller.segments({ address: ip('10.50.0.2'), port: 1000 }, 'S', 'A', 'FA');
  new Caller(director, { ...asked, port: 81 }).send({ address: ip('10.50.0.2'), port: 1000 });
  const { set, numbering } = director.publisher;
  const { number, destinations } = numbering.get('tcp 10.99.0.10:80')!;
  const summary = (filter: FlowFilter): Promise<FlowSums> => summarizeFlows(set!, 4, filter, 10);
  assert.deepEqual(await summary({}), {
    states: { 'syn-recv': 2, established: 1, 'fin-wait': 1, template: 2 },
    topClients: [
      { client: '10.50.0.1', flows: 2 },
      { client: '10.50.0.2', flows: 2 },
    ],
  });
  const first =
    caller.send({ address: ip('10.50.0.1'), port: 1000 }, 'A') === '31' ? ip('10.99.0.31') : ip('10.99.0.32');
  assert.deepEqual(await summary({ services: [number], destination: destinations.get(first)! }), {
    states: { 'syn-recv': 1, established: 1, template: 1 },
    topClients: [{ client: '10.50.0.1', flows: 2 }],
  });
  assert.deepEqual(await summary({ states: ['syn-recv'], client: ipBytes(ip('10.50.0.2')) }), {
    states: { 'syn-recv': 1 },
    topClients: [{ client: '10.50.0.2', flows: 1 }],
  });
});
