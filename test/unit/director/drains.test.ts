/** The rule for drains: what a drain changes, what ends it, when it is over, and what is made of an earlier daemon's. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import {
  type Desired,
  type Drain,
  dueDrains,
  editDesired,
  finishDrain,
  type FlowsLeft,
  startDrain,
} from '../../../src/director/changes/drains.js';
import { adoptEarlier, type EarlierDrain, earlierDrainsFormat } from '../../../src/director/changes/earlier-drains.js';
import { allServices, type Edit, ip, type IpAddress, type Model, serviceName } from '../../../src/model/index.js';
import { service } from '../../support/models.js';
import { folderFor, storeAt } from '../../support/store.js';

const [A, B] = [ip('10.0.0.1'), ip('10.0.0.2')] as const;
const VIP = ip('192.168.1.100');
const KEY = { address: VIP, port: 80, protocol: 'tcp' } as const;
const OTHER = { ...KEY, port: 81 } as const;
const MARK = { mark: 1, family: 4 } as const;
const NAME = 'tcp 192.168.1.100:80';
const IDLE: FlowsLeft = { flows: 0, uncertain: false };

/** Two services and a mark service with the same real servers. */
const MODEL: Model = {
  interfaces: ['ens3'],
  mode: 'native',
  services: [service(VIP, 80, [A, [B, 3]]), service(VIP, 81, [A, [B, 3]])],
  markServices: [{ ...MARK, scheduler: 'rr', destinations: service(VIP, 80, [A, [B, 3]]).destinations }],
};
const ASKED: Desired = { model: MODEL, drains: [] };

function drain(desired: Desired, name: string, address: IpAddress, deadlineMs?: number, now = 0): Desired {
  return startDrain(desired, { service: name, address }, now, deadlineMs);
}

/** "10.0.0.1 0, 10.0.0.2 3", by service. */
function weightsOf({ model }: Desired): Record<string, string> {
  return Object.fromEntries(
    allServices(model).map((each) => [
      serviceName(each),
      each.destinations.map(({ address, weight }) => `${address} ${weight}`).join(', '),
    ]),
  );
}

const WEIGHTS = weightsOf(ASKED);

function namesOf({ drains }: Desired): string[] {
  return drains.map(({ service: name, address }) => `${address} of ${name}`);
}

function failure(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

for (const name of allServices(MODEL).map(serviceName)) {
  test(`${name}: a drain takes the weight at once and the real server at the end, of this service alone`, () => {
    const begun = drain(ASKED, name, B);
    assert.deepEqual(weightsOf(begun), { ...WEIGHTS, [name]: '10.0.0.1 1, 10.0.0.2 0' });
    const over = finishDrain(begun, begun.drains[0]!);
    assert.deepEqual(weightsOf(over), { ...WEIGHTS, [name]: '10.0.0.1 1' });
    assert.deepEqual(over.drains, []);
    // What was there before is untouched: a change that cannot be published leaves nothing behind.
    assert.deepEqual([weightsOf(ASKED), ASKED.drains], [WEIGHTS, []]);
  });
}

test('drains of several real servers and services stand beside each other, to the last one', () => {
  const all = drain(drain(drain(ASKED, NAME, A), NAME, B), 'fwm 1', A);
  assert.deepEqual(namesOf(all), [`${A} of ${NAME}`, `${B} of ${NAME}`, `${A} of fwm 1`]);
  const over = all.drains.reduce(finishDrain, all);
  assert.deepEqual(weightsOf(over), { ...WEIGHTS, [NAME]: '', 'fwm 1': '10.0.0.2 3' });
});

test('a second drain changes the deadline, and not when the first began', () => {
  const first = drain(ASKED, NAME, A, 60_000, 1_000);
  const second = drain(first, NAME, A, 5_000, 9_000);
  assert.deepEqual(second.drains, [{ service: NAME, address: A, since: 1_000, deadline: 14_000 }]);
  // The model is the same object: that is no change that the file could have.
  assert.equal(second.model, first.model);
  assert.deepEqual(drain(second, NAME, A, undefined, 9_000).drains, [{ service: NAME, address: A, since: 1_000 }]);
});

test('a real server of weight 0 can be drained, and is removed', () => {
  const quiesced = editDesired(ASKED, {
    kind: 'edit-destination',
    service: KEY,
    destination: { address: A, weight: 0 },
  });
  const begun = drain(quiesced, NAME, A);
  assert.equal(begun.model, quiesced.model);
  assert.deepEqual(weightsOf(finishDrain(begun, begun.drains[0]!))[NAME], '10.0.0.2 3');
});

test('what is not there cannot be drained', () => {
  for (const [name, address] of [
    [NAME, ip('10.0.0.9')],
    ['tcp 192.168.1.100:82', A],
    ['udp 192.168.1.100:80', A],
    ['fwm 2', A],
    ['fwm 1 ipv6', A],
    ['', A],
  ] as const) {
    assert.equal(
      failure(() => drain(ASKED, name, address)),
      'NOT_FOUND',
      `${name} ${address}`,
    );
  }
  // Nor what was drained already.
  const begun = drain(ASKED, NAME, A);
  assert.equal(
    failure(() => drain(finishDrain(begun, begun.drains[0]!), NAME, A)),
    'NOT_FOUND',
  );
});

const rr = { scheduler: 'rr' } as const;
const rule = {
  mark: 1,
  match: { protocol: 'tcp', address: VIP, prefixLength: 32, firstPort: 90, lastPort: 90 },
} as const;

/** Edits amid drains of A in all services and of B in one: what is drained after each. */
const EDITS: readonly [what: string, change: Edit, left: readonly string[]][] = [
  ...([KEY, OTHER, MARK] as const).flatMap((key): [string, Edit, string[]][] => {
    const left = ['tcp 192.168.1.100:80', 'tcp 192.168.1.100:81', 'fwm 1'].filter((each) => each !== serviceName(key));
    const others = [...left.map((each) => `${A} of ${each}`), `${B} of ${NAME}`];
    const name = serviceName(key);
    return [
      [
        `another weight in ${name}`,
        { kind: 'edit-destination', service: key, destination: { address: A, weight: 7 } },
        others,
      ],
      [
        `weight 0 in ${name}`,
        { kind: 'edit-destination', service: key, destination: { address: A, weight: 0 } },
        others,
      ],
      [`a removal from ${name}`, { kind: 'delete-destination', service: key, address: A }, others],
      [
        `a removal of ${name}`,
        { kind: 'delete-service', service: key },
        others.filter((each) => !each.endsWith(` of ${name}`)),
      ],
      [
        `another scheduler of ${name}`,
        { kind: 'edit-service', service: key, policy: rr },
        [`${A} of ${name}`, ...others],
      ],
      [
        `another real server of ${name}`,
        { kind: 'add-destination', service: key, destination: { address: ip('10.0.0.3'), weight: 1 } },
        [`${A} of ${name}`, ...others],
      ],
    ];
  }),
  ['a removal of everything', { kind: 'clear' }, []],
  ...(
    [
      ['another service', { kind: 'add-service', service: { ...KEY, port: 82 }, policy: rr }],
      ['a timeout', { kind: 'set-timeouts', timeouts: { udp: 7 } }],
      ['a mark rule', { kind: 'add-mark-rule', rule }],
      ['no mark rules', { kind: 'clear-mark-rules' }],
    ] as const
  ).map(([what, change]): [string, Edit, string[]] => [
    what,
    change,
    [`${A} of ${NAME}`, `${A} of tcp 192.168.1.100:81`, `${A} of fwm 1`, `${B} of ${NAME}`],
  ]),
];

for (const [what, change, left] of EDITS) {
  test(`an edit ends the drains of the real servers that it names or removes, and no others: ${what}`, () => {
    const names = allServices(MODEL).map(serviceName);
    const begun = drain(
      names.reduce((desired, name) => drain(desired, name, A), ASKED),
      NAME,
      B,
    );
    assert.deepEqual(namesOf(editDesired(begun, change)).sort(), [...left].sort());
  });
}

test('a real server that an edit adds again is not drained', () => {
  const edits: Edit[] = [
    { kind: 'delete-service', service: KEY },
    { kind: 'add-service', service: KEY, policy: rr },
    { kind: 'add-destination', service: KEY, destination: { address: A, weight: 2 } },
  ];
  const after = edits.reduce(editDesired, drain(ASKED, NAME, A));
  assert.deepEqual([weightsOf(after)[NAME], after.drains], ['10.0.0.1 2', []]);
});

test('an edit that is refused ends no drain', () => {
  const begun = drain(ASKED, NAME, A);
  const again: Edit = { kind: 'add-destination', service: KEY, destination: { address: A, weight: 1 } };
  assert.equal(
    failure(() => editDesired(begun, again)),
    'DESTINATION_EXISTS',
  );
  assert.equal(begun.drains.length, 1);
});

test('a removal that comes after another end of the drain removes nothing', () => {
  const begun = drain(ASKED, NAME, A, 1_000);
  const [due] = begun.drains;
  const edited = editDesired(begun, { kind: 'edit-destination', service: KEY, destination: { address: A, weight: 5 } });
  const later = drain(begun, NAME, A, 60_000);
  const anew = drain(edited, NAME, A, 1_000);
  for (const desired of [edited, later, anew, ASKED]) {
    assert.equal(
      failure(() => finishDrain(desired, due!)),
      'NOT_FOUND',
    );
  }
});

/** [flows left, whether there may be more, milliseconds since it began, deadline, whether it is over] */
const MOMENTS: readonly [flows: number, uncertain: boolean, ms: number, deadline: number | undefined, over: boolean][] =
  [
    [0, false, 3_000, undefined, true],
    // A handshake that was under way when it began is not counted yet.
    [0, false, 2_999, undefined, false],
    [1, false, 1e9, undefined, false],
    [0, true, 1e9, undefined, false],
    [1, true, 59_999, 60_000, false],
    [1, true, 60_000, 60_000, true],
    [7, false, 0, 0, true],
    [0, false, 3_000, 60_000, true],
  ];

for (const [flows, uncertain, ms, deadline, over] of MOMENTS) {
  const left = `${flows} flows left${uncertain ? ' and perhaps more' : ''}`;
  const limit = deadline === undefined ? 'without a deadline' : `with a deadline of ${deadline} ms`;
  test(`a drain is ${over ? '' : 'not '}over after ${ms} ms, ${limit}, ${left}`, () => {
    const { drains } = drain(ASKED, NAME, A, deadline, 500);
    assert.deepEqual(
      dueDrains(drains, () => ({ flows, uncertain }), 500 + ms),
      over ? drains : [],
    );
  });
}

test('only the drains that are over are', () => {
  const { drains } = drain(drain(ASKED, NAME, A), NAME, B);
  const due = dueDrains(drains, (_service, address) => (address === A ? { flows: 1, uncertain: false } : IDLE), 9_000);
  assert.deepEqual(
    due.map(({ address }: Drain) => address),
    [B],
  );
});

test("an earlier daemon's drains are changes after an upgrade: those that are over are removals", () => {
  const earlier: EarlierDrain[] = [
    { service: NAME, address: A, since: 1, deadline: 61, removed: false },
    { service: NAME, address: B, since: 1, removed: true },
    { service: 'tcp 192.168.1.100:82', address: A, since: 1, removed: true },
  ];
  const adopted = adoptEarlier(ASKED, earlier);
  assert.deepEqual(weightsOf(adopted), { ...WEIGHTS, [NAME]: '10.0.0.1 0' });
  assert.deepEqual(adopted.drains, [{ service: NAME, address: A, since: 1, deadline: 61 }]);
  // A daemon that ended before it could forget them finds them once more.
  assert.deepEqual(adoptEarlier(adopted, earlier), adopted);
  assert.equal(adoptEarlier(ASKED, []), ASKED);
});

test('a file of an earlier daemon that holds no drains is as good as none, and that is logged', (context) => {
  const path = join(folderFor(context), 'drains');
  for (const text of ['', 'null', '{}', '7', '[null]', '[{"service":1}]', '{"length":1}']) {
    writeFileSync(path, text);
    const said: string[] = [];
    assert.equal(storeAt(path, earlierDrainsFormat, said).load(), undefined, text);
    assert.match(said.join(), /^error: .*drains cannot be used: it.*; the drains in it are lost$/);
  }
  writeFileSync(path, JSON.stringify([{ service: NAME, address: A, since: 1, removed: true }]));
  assert.equal(storeAt(path, earlierDrainsFormat).load()?.length, 1);
});
