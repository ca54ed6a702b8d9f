/** Which real servers are looked for, and how long a start waits for them. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Surroundings } from '../../../src/director/surroundings.js';
import { ip, type IpAddress, mac, type Model } from '../../../src/model/index.js';
import { service } from '../../support/models.js';

const VIP = ip('192.168.1.100');
const [A, B, C] = [ip('192.168.1.31'), ip('192.168.1.32'), ip('192.168.1.33')];

/** Surroundings in which nobody answers until `pending` is empty. */
function surroundings(): {
  readonly surroundings: Surroundings;
  readonly tracked: ReadonlySet<IpAddress>[];
  readonly pending: Set<IpAddress>;
} {
  const tracked: ReadonlySet<IpAddress>[] = [];
  const pending = new Set<IpAddress>();
  const made = new Surroundings(
    { link: () => undefined, interface: () => undefined, ownAddresses: () => [] },
    {
      track: (addresses) => {
        tracked.push(addresses);
        return Promise.resolve();
      },
      resolutions: () => new Map(),
      latest: new Map(),
      version: 0,
      isPending: (address) => pending.has(address),
    },
  );
  return { surroundings: made, tracked, pending };
}

const modelOf = (rest: Partial<Model> = {}): Model => ({
  interfaces: [],
  mode: 'native',
  services: [service(VIP, 80, [A, B])],
  ...rest,
});

test('an edit that leaves all real servers where they are looks for the same set, which costs nothing', async () => {
  const { surroundings: around, tracked } = surroundings();
  await around.survey(modelOf());
  await around.survey(
    modelOf({
      services: [
        service(VIP, 80, [
          [A, 5],
          [B, 0],
        ]),
      ],
    }),
  );
  assert.equal(tracked[0], tracked[1]);
});

const [kept, moved] = [
  { address: A, weight: 1 },
  { address: B, weight: 1 },
];
const OTHERS: readonly (readonly [what: string, next: Partial<Model>, wanted: readonly IpAddress[]])[] = [
  ['a real server more', { services: [service(VIP, 80, [A, B, C])] }, [A, B, C]],
  ['a real server less', { services: [service(VIP, 80, [A])] }, [A]],
  ['another real server in the same place', { services: [service(VIP, 80, [A, C])] }, [A, C]],
  ['a service more', { services: [service(VIP, 80, [A, B]), service(VIP, 443, [C])] }, [A, B, C]],
  ['no service', { services: [] }, []],
  [
    'a MAC that is set by hand',
    { services: [service(VIP, 80, [], { destinations: [kept, { ...moved, mac: mac('02:00:00:00:00:01') }] })] },
    [A],
  ],
  ['another director', { directors: [C] }, [A, B, C]],
  ['a fallback', { services: [service(VIP, 80, [A, B], { health: { checks: [], fallback: [C] } })] }, [A, B, C]],
];

for (const [what, next, wanted] of OTHERS) {
  test(`after an edit, ${what} is not overlooked`, async () => {
    const { surroundings: around, tracked } = surroundings();
    await around.survey(modelOf());
    await around.survey(modelOf(next));
    assert.deepEqual([...tracked[1]!].sort(), wanted);
    await around.survey(modelOf());
    assert.deepEqual([...tracked[2]!].sort(), [A, B]);
  });
}

test('a start waits for a real server that has not answered, no longer than from when it was asked', async (context) => {
  const { surroundings: around, pending } = surroundings();
  let now = 1_000;
  context.mock.method(performance, 'now', () => now);
  pending.add(A);
  await around.survey(modelOf());

  let isOver = false;
  const waiting = around.settle().then(() => {
    isOver = true;
  });
  now += 1_100;
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(isOver, false, 'the first repetition may just be answered');
  now += 200;
  await waiting;

  // Computing has taken all the time. An answer that came meanwhile is read all the same.
  now += 5_000;
  setImmediate(() => {
    pending.clear();
  });
  await around.settle();
  assert.equal(pending.size, 0);
});
