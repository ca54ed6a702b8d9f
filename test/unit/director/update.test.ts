/** Changes of a running director that come at the same time: none is lost, none is done twice, none pays for another. */

import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { pino } from 'pino';

import { DrainFinisher } from '../../../src/director/changes/drain-finisher.js';
import { DrainCommands } from '../../../src/director/changes/drain-commands.js';
import { type Desired, editDesired } from '../../../src/director/changes/drains.js';
import { Director, type DirectorOptions } from '../../../src/director/director.js';
import type { DesiredChange } from '../../../src/director/changes/update-queue.js';
import { Overlays } from '../../../src/director/overlays/index.js';
import type { Overlay } from '../../../src/director/overlays/overlay.js';
import type { DrainReport } from '../../../src/control/index.js';
import type { DataPlane } from '../../../src/dataplane/index.js';
import type { Image } from '../../../src/image/index.js';
import { BeelineError, type Edit, ip, type IpAddress, type Model } from '../../../src/model/index.js';
import { bootTimeMs } from '../../../src/native/index.js';
import { DIRECTOR, macFor, service } from '../../support/models.js';

const KEY = { address: ip('192.168.1.100'), port: 80, protocol: 'tcp' } as const;
const NAME = 'tcp 192.168.1.100:80';
const [A, B] = [ip('10.0.0.1'), ip('10.0.0.2')] as const;

const MODEL: Model = { interfaces: ['ens3'], mode: 'native', services: [service(KEY.address, KEY.port, [A, B])] };

/** A director on a data path that takes a moment, and at most so many real servers of a service. */
class Fake {
  readonly published: Image[] = [];
  readonly kept: [servers: number, changes: number][] = [];
  readonly drains: DrainCommands;
  readonly #finisher: DrainFinisher;
  /** The flows that each real server has. */
  flows = 0;
  /** Why no round succeeds, after its publication. */
  attachFailure: Error | undefined;
  readonly director: Director;
  most = Infinity;
  /** The real servers that do not answer ARP. */
  readonly pending: string[] = [];

  constructor(context: TestContext, ...overlays: Overlay[]) {
    const dataPlane = {
      image: undefined as Image | undefined,
      needed: 0,
      generation: 0,
      movesUntil: Infinity,
      attachedTo: [DIRECTOR.ifindex] as readonly number[],
      isAttached: (ifindex: number) => dataPlane.attachedTo.includes(ifindex),
      withPast: (image: Image) => Promise.resolve(image),
      prepare: () => undefined,
      publish: async (image: Image): Promise<void> => {
        await sleep(5);
        if (image.services.some(({ destinations }) => destinations.length > this.most)) {
          throw new BeelineError('TABLE_FULL', 'too many');
        }
        dataPlane.image = image;
        dataPlane.needed = image.features;
        this.published.push(image);
      },
      attach: () => {
        if (this.attachFailure !== undefined) {
          throw this.attachFailure;
        }
        return { mode: 'native', adopted: true };
      },
      flowCounts: () =>
        new Map(
          (dataPlane.image?.services ?? []).map(({ name, destinations }) => [
            name,
            destinations.map(() => ({ active: this.flows, inactive: 0, persistent: 0 })),
          ]),
        ),
      sweep: () => Promise.resolve(undefined),
    };
    this.director = new Director({
      network: { link: () => DIRECTOR, interface: () => DIRECTOR, ownAddresses: () => [] },
      resolver: {
        track: () => Promise.resolve(),
        resolutions: () => new Map(),
        latest: new Map(),
        isPending: (address: string) => this.pending.includes(address),
        version: 0,
      },
      dataPlane,
      overlays: new Overlays(overlays),
      log: pino({ level: 'silent' }),
      replace: false,
      keep: ({ model }: Desired, changes: number) => {
        this.kept.push([model.services[0]?.destinations.length ?? 0, changes]);
        return Promise.resolve();
      },
    } as unknown as DirectorOptions);
    const log = pino({ level: 'silent' });
    const options = { director: this.director, dataPlane: dataPlane as unknown as DataPlane, log };
    this.drains = new DrainCommands({ ...options, warnings: () => [] });
    this.#finisher = new DrainFinisher(options);
    context.after(() => this.director.stop());
  }

  edit(change: Edit): Promise<Model> {
    return this.director.update({ apply: (desired) => editDesired(desired, change) });
  }

  async drain(address: IpAddress, deadlineMs?: number): Promise<DrainReport> {
    return this.drains.handlers.drain({ service: NAME, realServer: address, deadlineMs });
  }

  async drainState(address: IpAddress): Promise<DrainReport> {
    return this.drains.handlers.drainState({ service: NAME, realServer: address });
  }

  /** As after a sweep, so many milliseconds from now. */
  sweepIn(ms: number): Promise<void> {
    return this.#finisher.finish(bootTimeMs() + ms);
  }

  add(address: IpAddress): Promise<Model> {
    return this.edit({ kind: 'add-destination', service: KEY, destination: { address, weight: 1 } });
  }

  get addresses(): string[] {
    return this.director.desired.model.services.flatMap(({ destinations }) =>
      destinations.map(({ address }) => address),
    );
  }
}

async function started(context: TestContext): Promise<Fake> {
  const fake = new Fake(context);
  await fake.director.start({ model: MODEL, drains: [] });
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
  await fake.director.start({ model: tagged, drains: [] });
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
  const changes = (last: number): DesiredChange[] =>
    Array.from({ length: last }, (_, i) => ({
      apply: (desired) =>
        editDesired(desired, {
          kind: 'add-destination',
          service: KEY,
          destination: { address: ip(`10.0.1.${i}`), weight: 1 },
        }),
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

/** The weights that packets follow, by address. */
function weightsOf({ director }: Fake): Record<string, number> {
  const [found] = director.models.effective.services;
  return Object.fromEntries(found!.destinations.map(({ address, weight }) => [address, weight]));
}

const edited = (address: IpAddress, weight: number): Edit => ({
  kind: 'edit-destination',
  service: KEY,
  destination: { address, weight },
});

test('a drain is published, kept and acknowledged as any change is, and so is its end', async (context) => {
  const fake = await started(context);
  fake.flows = 2;
  const { flows, removed } = await fake.drain(A);
  assert.deepEqual([flows, removed, weightsOf(fake), fake.kept], [2, false, { [A]: 0, [B]: 1 }, [[2, 1]]]);
  await fake.sweepIn(1e6);
  assert.deepEqual(weightsOf(fake), { [A]: 0, [B]: 1 });
  fake.flows = 0;
  await fake.sweepIn(1e6);
  assert.deepEqual(
    [weightsOf(fake), fake.kept],
    [
      { [B]: 1 },
      [
        [2, 1],
        [1, 1],
      ],
    ],
  );
  assert.equal((await fake.drainState(A)).removed, true);
  assert.deepEqual(fake.director.desired.drains, []);
});

test('a new deadline is kept, and is no change of the configuration', async (context) => {
  const fake = await started(context);
  fake.flows = 1;
  await fake.drain(A, 1000);
  await fake.drain(A, 2_000_000);
  assert.deepEqual(fake.kept, [
    [2, 1],
    [2, 0],
  ]);
  await fake.sweepIn(1e6);
  assert.deepEqual(weightsOf(fake), { [A]: 0, [B]: 1 });
  await fake.sweepIn(2.1e6);
  assert.deepEqual(weightsOf(fake), { [B]: 1 });
});

/** What makes a round fail, before and after packets follow it. */
const FAILURES: readonly [what: string, begin: (fake: Fake) => void, end: (fake: Fake) => void][] = [
  [
    'the publication',
    (fake) => {
      fake.most = 0;
    },
    (fake) => {
      fake.most = Infinity;
    },
  ],
  [
    'the attachment after it',
    (fake) => {
      fake.attachFailure = new BeelineError('XDP_REFUSED', 'taken');
    },
    (fake) => {
      fake.attachFailure = undefined;
    },
  ],
];

for (const [what, begin, end] of FAILURES) {
  test(`if ${what} fails, nothing is drained, now or later`, async (context) => {
    const fake = await started(context);
    begin(fake);
    await assert.rejects(fake.drain(A), BeelineError);
    end(fake);
    // The round after it.
    await fake.director.exclusively(() => undefined);
    await fake.director.exclusively(() => undefined);
    assert.deepEqual([weightsOf(fake), fake.kept, fake.director.desired.drains], [{ [A]: 1, [B]: 1 }, [], []]);
    await assert.rejects(fake.drainState(A), { code: 'NOT_FOUND', message: /not being drained: it has weight 1$/ });
    await fake.sweepIn(1e6);
    assert.deepEqual(weightsOf(fake), { [A]: 1, [B]: 1 });
  });

  test(`if ${what} fails at the end of a drain, it is drained still, and removed later`, async (context) => {
    const fake = await started(context);
    await fake.drain(A);
    begin(fake);
    await fake.sweepIn(1e6);
    assert.deepEqual([fake.kept.length, (await fake.drainState(A)).removed], [1, false]);
    end(fake);
    await fake.sweepIn(1e6);
    assert.deepEqual([weightsOf(fake), fake.kept.length], [{ [B]: 1 }, 2]);
  });
}

test('a drain of what is not there is refused, and a concurrent one is not', async (context) => {
  const fake = await started(context);
  const [none, some] = await Promise.allSettled([fake.drain(ip('10.0.0.8')), fake.drain(A)]);
  assert.deepEqual([none.status, some.status, weightsOf(fake)], ['rejected', 'fulfilled', { [A]: 0, [B]: 1 }]);
});

test('drains that are over are removed together', async (context) => {
  const fake = await started(context);
  await Promise.all([fake.drain(A), fake.drain(B)]);
  fake.published.length = 0;
  await fake.sweepIn(1e6);
  assert.deepEqual([weightsOf(fake), fake.published.length], [{}, 1]);
});

test('an edit of a real server ends its drain, and no other drain', async (context) => {
  const fake = await started(context);
  await fake.drain(A);
  await fake.drain(B);
  await fake.add(ip('10.0.1.1'));
  assert.deepEqual(weightsOf(fake), { [A]: 0, [B]: 0, '10.0.1.1': 1 });
  await fake.edit(edited(A, 7));
  assert.deepEqual(weightsOf(fake), { [A]: 7, [B]: 0, '10.0.1.1': 1 });
  await fake.edit({ kind: 'delete-destination', service: KEY, address: B });
  await fake.add(B);
  assert.deepEqual(weightsOf(fake), { [A]: 7, '10.0.1.1': 1, [B]: 1 });
  await fake.sweepIn(1e6);
  assert.deepEqual(weightsOf(fake), { [A]: 7, '10.0.1.1': 1, [B]: 1 });
});

test('an edit that comes while the removal waits for its turn wins', async (context) => {
  const fake = await started(context);
  await fake.drain(A);
  const editing = fake.edit(edited(A, 7));
  await Promise.all([editing, fake.sweepIn(1e6)]);
  assert.deepEqual(weightsOf(fake), { [A]: 7, [B]: 1 });
});

test('a real server that was drained and removed can be added again', async (context) => {
  const fake = await started(context);
  await fake.drain(A);
  await fake.sweepIn(1e6);
  await fake.add(A);
  assert.deepEqual(weightsOf(fake), { [B]: 1, [A]: 1 });
});

test('a configuration ends all drains, also one that says what is running', async (context) => {
  const fake = await started(context);
  await fake.drain(A);
  const running = fake.director.desired.model;
  const before = await fake.director.change(running);
  assert.deepEqual(
    before.drains.map(({ address }) => address),
    [A],
  );
  await fake.sweepIn(1e6);
  assert.deepEqual(weightsOf(fake), { [A]: 0, [B]: 1 });
  await fake.drain(B);
  await fake.director.change(MODEL);
  await fake.sweepIn(1e6);
  assert.deepEqual(weightsOf(fake), { [A]: 1, [B]: 1 });
});

test('a configuration that --max-moved refuses, or that cannot be published, changes nothing, drains included', async (context) => {
  const fake = await started(context);
  await fake.drain(A);
  const check = (): void => {
    throw new BeelineError('MAX_MOVED', 'too much');
  };
  await assert.rejects(fake.director.change({ ...MODEL, services: [] }, { check }), { code: 'MAX_MOVED' });
  fake.most = 1;
  await assert.rejects(fake.director.change(MODEL), { code: 'TABLE_FULL' });
  fake.most = Infinity;
  assert.deepEqual(weightsOf(fake), { [A]: 0, [B]: 1 });
  assert.equal((await fake.drainState(A)).removed, false);
});

test('what overlays do to packets is no part of what is asked for', async (context) => {
  const halved = new WeakMap<Model, Model>();
  const fake = new Fake(context, {
    apply: (model) => {
      const services = model.services.map((each) => ({ ...each, destinations: each.destinations.slice(1) }));
      const result = halved.get(model) ?? { ...model, services };
      halved.set(model, result);
      return result;
    },
  });
  await fake.director.start({ model: MODEL, drains: [] });
  assert.deepEqual([weightsOf(fake), fake.addresses], [{ [B]: 1 }, [A, B]]);
});
