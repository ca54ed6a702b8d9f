/** Entries that a sweep over the real program's tables removes, and those that it keeps. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'node:test';

import { type FlowFilter, type FlowSums, listFlows, summarizeFlows } from '../../src/dataplane/index.js';
import { ip, ipBytes, type Service, serviceName } from '../../src/model/index.js';
import { Caller } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { service, worldOf } from '../support/models.js';

const VIP = ip('10.99.0.10');
const SMALL = { ipv4: 1 << 12, ipv6: 1 << 12 };

test('the sweep removes the templates of a service that is no longer persistent', async () => {
  const servers = [ip('10.99.0.31'), ip('10.99.0.32')];
  const asked = service(VIP, 80, servers, { scheduler: 'rr', persistence: { timeout: 300 } });
  using director = await PacketDirector.with([asked], {}, SMALL);
  const { publisher } = director;
  new Caller(director, asked).segments(1000, 'S', 'A');
  const states = async (): Promise<unknown> => (await publisher.sweep([]))?.states.get('tcp 10.99.0.10:80');
  assert.deepEqual(await states(), { unconfirmed: 1, template: 1 });
  await director.publish([{ ...asked, persistence: undefined }], {}, SMALL);
  // More than a unit of the data path's time, and a second one that may just have begun.
  await sleep(3_000);
  assert.deepEqual(await states(), { unconfirmed: 1 });
});

test('a change of timeouts reaches a flow with its next packet, and not before', async () => {
  const servers = { 4: [ip('10.99.0.31')], 6: [ip('fd99::31')] };
  /** Seconds before and after the change, by the common timeouts or the service's. */
  const SHORTER = [300, 1] as const;
  const LONGER = [1, 300] as const;
  const asked = (port: number, family: 4 | 6, rest: Partial<Service>): Service =>
    service(family === 4 ? VIP : ip('fd99::10'), port, servers[family], { scheduler: 'rr', ...rest });
  const cases = ([4, 6] as const).flatMap((family) =>
    (['tcp', 'udp'] as const).flatMap((protocol) =>
      [SHORTER, LONGER].map((seconds, i) => ({ seconds, own: asked(80 + i, family, { protocol }) })),
    ),
  );
  const common = asked(90, 4, {});
  const model = (moment: 0 | 1): Parameters<PacketDirector['publishModel']>[0] => ({
    services: [
      ...cases.map(({ own, seconds }) => ({
        ...own,
        timeouts: { established: seconds[moment], udp: seconds[moment] },
      })),
      common,
    ],
    flows: SMALL,
    timeouts: { established: SHORTER[moment] },
  });
  using director = new PacketDirector();
  const world = worldOf(model(0).services);
  await director.publishModel(model(0), world);
  const all = [...cases, { seconds: SHORTER, own: common }];
  const callers = all.map(({ own }) => new Caller(director, own));
  // Both in their last state: the one is silent from now on, the other goes on after the change.
  for (const caller of callers) {
    for (const port of [1000, 2000]) {
      caller.segments(port, 'S', 'A', 'A');
    }
  }
  await director.publishModel(model(1), world);
  callers.forEach((caller) => caller.send(2000, 'A'));
  // More than a unit of the data path's time, and a second one that may just have begun.
  await sleep(3_000);
  await director.publisher.sweep([]);
  const { flows } = await listFlows(director.publisher.set!, 4, {}, 0, 100);
  const others = await listFlows(director.publisher.set!, 6, {}, 0, 100);
  const left = [...flows, ...others.flows];
  for (const { own, seconds } of all) {
    const { number } = director.publisher.numbering.get(serviceName(own))!;
    const ports = left.filter(({ service: of }) => of === number).map(({ clientPort }) => clientPort);
    assert.deepEqual(ports, seconds === SHORTER ? [1000] : [2000], `${serviceName(own)}, ${seconds.join(', then ')} s`);
  }
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
  caller.segments({ address: ip('10.50.0.1'), port: 1001 }, 'S');
  caller.segments({ address: ip('10.50.0.1'), port: 1000 }, 'S', 'A');
  caller.segments({ address: ip('10.50.0.2'), port: 1000 }, 'S', 'A', 'FA');
  new Caller(director, { ...asked, port: 81 }).send({ address: ip('10.50.0.2'), port: 1000 });
  const { set, numbering } = director.publisher;
  const { number, destinations } = numbering.get('tcp 10.99.0.10:80')!;
  const summary = (filter: FlowFilter): Promise<FlowSums> => summarizeFlows(set!, 4, filter, 10);
  assert.deepEqual(await summary({}), {
    states: { 'syn-recv': 2, unconfirmed: 1, 'fin-wait': 1, template: 2 },
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
