/** Changes of a running director that come at the same time: none is lost, none is done twice, none pays for another. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { pino } from 'pino';

import { Director, type DirectorOptions } from '../../../src/director/director.js';
import { Drains, drainsFormat } from '../../../src/director/overlays/drains.js';
import { Overlays } from '../../../src/director/overlays/index.js';
import type { Image } from '../../../src/image/index.js';
import { BeelineError, edit, type Edit, ip, type IpAddress, type Model } from '../../../src/model/index.js';
import { DIRECTOR, macFor, service } from '../../support/models.js';
import { folderFor, storeAt } from '../../support/store.js';

const KEY = { address: ip('192.168.1.100'), port: 80, protocol: 'tcp' } as const;
const NAME = 'tcp 192.168.1.100:80';
const [A, B] = [ip('10.0.0.1'), ip('10.0.0.2')] as const;

const MODEL: Model = { interfaces: ['ens3'], mode: 'native', services: [service(KEY.address, KEY.port, [A, B])] };

/** A director on a data path that takes a moment, and at most so many real servers of a service. */
class Fake {
  readonly published: Image[] = [];
  readonly kept: [servers: number, changes: number][] = [];
  readonly drains: Drains;
  readonly director: Director;
  most = Infinity;
  /** The real servers that do not answer ARP. */
  readonly pending: string[] = [];

  constructor(context: TestContext) {
    this.drains = new Drains(storeAt(join(folderFor(context), 'drains'), drainsFormat));
    const dataPlane = {
      image: undefined as Image | undefined,
      generation: 0,
      movesUntil: Infinity,
      attachedTo: [DIRECTOR.ifindex],
      withPast: (image: Image) => Promise.resolve(image),
      prepare: () => undefined,
      publish: async (image: Image): Promise<void> => {
        await sleep(5);
        if (image.services.some(({ destinations }) => destinations.length > this.most)) {
          throw new BeelineError('TABLE_FULL', 'too many');
        }
        dataPlane.image = image;
        this.published.push(image);
      },
      attach: () => ({ mode: 'native', adopted: true }),
      sweep: () => Promise.resolve(undefined),
    };
    this.director = new Director({
      network: { link: () => DIRECTOR, interface: () => DIRECTOR, ownAddresses: () => [] },
      resolver: {
        track: () => Promise.resolve(),
        resolutions: () => new Map(),
        isPending: (address: string) => this.pending.includes(address),
        version: 0,
      },
      dataPlane,
      overlays: new Overlays([this.drains]),
      log: pino({ level: 'silent' }),
      replace: false,
      keep: (model: Model, changes: number) => {
        this.kept.push([model.services[0]?.destinations.length ?? 0, changes]);
        return Promise.resolve();
      },
    } as unknown as DirectorOptions);
    context.after(() => this.director.stop());
  }

  edit(change: Edit): Promise<Model> {
    return this.director.update({ apply: (model) => edit(model, change) });
  }

  drain(address: IpAddress): Promise<void> {
    return this.director.adjust((model) => {
      this.drains.start(model, { service: NAME, address }, undefined);
    });
  }

  add(address: IpAddress): Promise<Model> {
    return this.edit({ kind: 'add-destination', service: KEY, destination: { address, weight: 1 } });
  }

  get addresses(): string[] {
    return this.director.models.desired.services.flatMap(({ destinations }) =>
      destinations.map(({ address }) => address),
    );
  }
}

async function started(context: TestContext): Promise<Fake> {
  const fake = new Fake(context);
  await fake.director.start(MODEL);
  fake.published.length = 0;
  // Nothing may wait for that.
  fake.pending.push('10.0.0.9');
  return fake;
}

test('a change of the VLANs alone is published', async (context) => {
  const fake = new Fake(context);
  const [asked] = MODEL.services;
  // With a MAC they need not be found, and the program can tag frames before and after.
  const destinations = asked!.destinations.map((each) => ({ ...each, mac: macFor(each.address), vlan: { id: 10 } }));
  const tagged: Model = { ...MODEL, services: [{ ...asked!, destinations }] };
  await fake.director.start(tagged);
  await fake.director.change({ ...tagged, vlans: true });
  assert.deepEqual(
    fake.published.map(({ vlans }) => vlans),
    [[[{ id: 10, service: false }]], 'all'],
  );
});

test('fifty concurrent additions are all applied once, and published and saved together', async (context) => {
  const fake = await started(context);
  const wanted = Array.from({ length: 50 }, (_, i) => ip(`10.0.1.${i}`));
  const begun = performance.now();
  await Promise.all(wanted.map((address) => fake.add(address)));
  assert.ok(performance.now() - begun < 1000, 'nobody waited for ARP');
  assert.deepEqual(fake.addresses, [A, B, ...wanted]);
  assert.ok(fake.published.length <= 2, `${fake.published.length} publications`);
  assert.equal(
    fake.kept.reduce((sum, [, changes]) => sum + changes, 0),
    50,
  );
});

test('each edit sees the result of the one before, and is refused alone', async (context) => {
  const fake = await started(context);
  const results = await Promise.allSettled([
    fake.add(ip('10.0.1.1')),
    fake.add(ip('10.0.1.1')),
    fake.add(ip('10.0.1.2')),
  ]);
  assert.deepEqual(
    results.map((result) => (result.status === 'rejected' ? (result.reason as BeelineError).code : 'done')),
    ['done', 'DESTINATION_EXISTS', 'done'],
  );
  assert.deepEqual(fake.addresses, [A, B, '10.0.1.1', '10.0.1.2']);
});

test('an edit that the tables have no room for is refused, and concurrent ones are not', async (context) => {
  const fake = await started(context);
  fake.most = 4;
  const results = await Promise.allSettled(
    ['10.0.1.1', '10.0.1.2', '10.0.1.3'].map(ip).map((address) => fake.add(address)),
  );
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected'],
  );
  assert.deepEqual(fake.addresses, [A, B, '10.0.1.1', '10.0.1.2']);
  assert.deepEqual(fake.kept, [
    [3, 1],
    [4, 1],
  ]);
});

test('one edit too many among a hundred costs a few publications, not a hundred', async (context) => {
  const fake = await started(context);
  fake.most = 90;
  const results = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => fake.add(ip(`10.0.1.${i}`))));
  const refused = results.filter(({ status }) => status === 'rejected').length;
  assert.deepEqual([refused, fake.addresses.length], [12, 90]);
  assert.ok(fake.published.length < 15, `${fake.published.length} publications`);
});

test('edits that belong together are published together, or all refused if there is no room', async (context) => {
  const fake = await started(context);
  const changes = (last: number): { apply: (model: Model) => Model }[] =>
    Array.from({ length: last }, (_, i) => ({
      apply: (model) =>
        edit(model, { kind: 'add-destination', service: KEY, destination: { address: ip(`10.0.1.${i}`), weight: 1 } }),
    }));
  fake.most = 10;
  const tooMany = await fake.director.updateAll(changes(20), true);
  assert.deepEqual([...new Set(tooMany.map(({ status }) => status))], ['rejected']);
  assert.deepEqual(fake.addresses, [A, B]);

  const twice = [...changes(5), ...changes(5)];
  const outcomes = await fake.director.updateAll(twice, true);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    twice.map((_, i) => (i < 5 ? 'fulfilled' : 'rejected')),
  );
  assert.deepEqual(
    fake.published.map(({ services }) => services[0]!.destinations.length),
    [7],
  );
});

test('no edit is acknowledged before it is saved', async (context) => {
  const fake = await started(context);
  const model = await fake.add(ip('10.0.1.1'));
  assert.deepEqual([model.services[0]?.destinations.length, fake.kept], [3, [[3, 1]]]);
});

test('an edit of a real server ends its drain, and no other drain', async (context) => {
  const fake = await started(context);
  const weights = (): number[] => fake.director.models.effective.services[0]!.destinations.map((each) => each.weight);
  await fake.drain(A);
  await fake.drain(B);
  await fake.add(ip('10.0.1.1'));
  assert.deepEqual(weights(), [0, 0, 1]);
  await fake.director.update({
    apply: (model) => edit(model, { kind: 'edit-destination', service: KEY, destination: { address: A, weight: 7 } }),
    realServer: { service: NAME, address: A },
  });
  assert.deepEqual(weights(), [7, 0, 1]);
  await fake.edit({ kind: 'delete-destination', service: KEY, address: B });
  await fake.add(B);
  assert.deepEqual(weights(), [7, 1, 1]);
});

test('a real server that was drained and removed can be added again', async (context) => {
  const fake = await started(context);
  await fake.drain(A);
  fake.drains.advance(() => ({ flows: 0, uncertain: false }), Date.now() + 10_000);
  await fake.director.update({
    apply: (model) => edit(model, { kind: 'add-destination', service: KEY, destination: { address: A, weight: 2 } }),
    realServer: { service: NAME, address: A },
    adds: true,
  });
  assert.deepEqual(fake.addresses, [B, A]);
  assert.deepEqual(fake.director.models.effective, fake.director.models.desired);
});

test('a configuration that --max-moved refuses changes nothing, drains included', async (context) => {
  const fake = await started(context);
  await fake.drain(A);
  const refusal = fake.director.change(
    { ...MODEL, services: [] },
    {
      check: () => {
        throw new BeelineError('MAX_MOVED', 'too much');
      },
    },
  );
  await assert.rejects(refusal, { code: 'MAX_MOVED' });
  assert.equal(fake.director.models.desired.services.length, 1);
  assert.notEqual(fake.drains.report({ service: NAME, address: A }, { flows: 0, uncertain: false }), undefined);
});
