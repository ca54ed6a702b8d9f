/** Changes that commands made outlive the daemon, until a file replaces them. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import fc from 'fast-check';
import { pino } from 'pino';

import { type ConfigFile, originOf, parseConfig } from '../../../src/config/index.js';
import { type Desired, type Drain } from '../../../src/director/changes/drains.js';
import {
  beginWith,
  type Snapshot,
  snapshotFormat,
  UnsavedChanges,
} from '../../../src/director/changes/unsaved-changes.js';
import { ip, mac, type Model } from '../../../src/model/index.js';
import { decode, encode, type Moment } from '../../../src/store/index.js';
import { anyHealth, anyHealthSettings, anyRealServerHealth } from '../../support/health-models.js';
import { anyServices, service } from '../../support/models.js';
import { folderFor, NOW, storeAt } from '../../support/store.js';

const MODEL: Model = {
  interfaces: ['ens3'],
  mode: 'native',
  services: [service(ip('192.168.1.100'), 80, [ip('10.0.0.1'), [ip('10.0.0.2'), 3]])],
};

/** What is asked for while nothing is drained. */
function asked(model: Model): Desired {
  return { model, drains: [] };
}

const DESIRED = asked(MODEL);

function snapshotOf(changes: number, model = MODEL): Snapshot {
  return { origin: { text: 'text', meaning: 'meaning' }, changes, since: '2026-11-21T10:00:00.000Z', model };
}

function fileOf(text: string): ConfigFile {
  return { path: 'file', text, model: parseConfig(text, 'file') };
}

const WEB = 'interfaces: [ens3]\nservices: [{ address: 192.168.1.100, port: 80, realServers: [10.0.0.1] }]\n';

test('changes by commands stay while the meaning of the file stays', () => {
  const file = fileOf(WEB);
  const kept = { ...snapshotOf(2), origin: originOf(file) };
  assert.deepEqual(beginWith(file, undefined), { ...asked(file.model), dropped: undefined });
  assert.equal(beginWith(file, kept).model, MODEL);
  // Comments and order of keys are no other meaning, nor is another spelling that reads as the same.
  assert.equal(beginWith(fileOf(`# ours\n${WEB}`), kept).model, MODEL);
});

test('a file that was changed meanwhile replaces changes by commands, if it has services', () => {
  const kept = { ...snapshotOf(2), origin: originOf(fileOf(WEB)) };
  const other = fileOf(WEB.replace('port: 80', 'port: 81'));
  assert.deepEqual(beginWith(other, kept), { ...asked(other.model), dropped: kept });
});

test('a file without services changes the settings, and keeps the services of commands', () => {
  const kept = {
    ...snapshotOf(2, { ...MODEL, timeouts: { udp: 10 } }),
    origin: originOf(fileOf('interfaces: [ens3]\n')),
  };
  const { model, dropped } = beginWith(fileOf('interfaces: [ens3, ens4]\nmode: generic\n'), kept);
  assert.equal(dropped, undefined);
  assert.deepEqual(model, { ...MODEL, interfaces: ['ens3', 'ens4'], mode: 'generic', timeouts: { udp: 10 } });
});

const log = pino({ level: 'silent' });

const stateIn = (folder: string): string => join(folder, 'x.state');
const droppedIn = (folder: string): string => join(folder, 'x.dropped.yaml');

/** The unsaved changes that a daemon finds in a folder. */
function openIn(folder: string, store = storeAt(stateIn(folder), snapshotFormat)): UnsavedChanges {
  return new UnsavedChanges({ store, droppedPath: droppedIn(folder), log });
}

test('any model is kept as it is, and no part of one is believed that has another shape', () => {
  const policy = { scheduler: 'mh', flags: ['mh-port'], track: 'moved', destinations: [] } as const;
  const timeouts = { synReceived: 1, established: 2, finWait: 3, timeWait: 4, close: 5, udp: 6 };
  const full: Model = {
    ...MODEL,
    fragments: false,
    vlans: true,
    directors: [ip('192.168.1.5'), mac('00:50:00:00:04:09')],
    timeouts,
    flows: { ipv4: 10, ipv6: 20 },
    vrrp: {
      routerName: 'lb1',
      instances: [
        { name: 'VI_1', interface: 'ens3', id: 1, priority: 250, interval: 0.1, family: 6, vmac: true },
        {
          ...{ name: 'b', interface: 'ens3', id: 2, priority: 1, interval: 1, addresses: [ip('10.0.0.9')] },
          ...{ peers: [ip('10.0.0.3')], source: ip('10.0.0.2'), preempt: true, preemptDelay: 2.5 },
        },
      ],
    },
    services: [
      {
        ...{ address: ip('192.168.1.100'), port: 53, protocol: 'udp', scheduler: 'wlc', onePacket: true },
        ...{ timeouts, slots: 64, ttl: 'decrement', noDestination: 'drop', track: 'all', essential: true },
        persistence: { timeout: 300, mask: ip('255.255.255.0') },
        destinations: [
          {
            ...{ address: ip('10.0.0.1'), mac: mac('00:50:00:00:01:00'), interface: 'ens3', vlan: { id: 7, outer: 8 } },
            ...{ weight: 1, upperThreshold: 100, lowerThreshold: 50 },
          },
        ],
      },
    ],
    markServices: [
      { mark: 1, family: 6, ...policy },
      { mark: 2, family: 4, ...policy, persistence: { timeout: 1, mask: 64 } },
    ],
    markRules: [
      { mark: 1, match: { protocol: 'tcp', address: ip('fd00::'), prefixLength: 64, firstPort: 1, lastPort: 9 } },
    ],
  };
  const roundTrip = (model: Model): Model =>
    decode(snapshotFormat, encode(snapshotFormat, snapshotOf(1, model), NOW), NOW).model;
  assert.deepEqual(roundTrip(full), full);
  fc.assert(
    fc.property(anyServices, anyHealth, anyRealServerHealth, anyHealthSettings, (some, policy, own, health) => {
      const services = some.map((each) => ({
        ...each,
        health: policy,
        destinations: each.destinations.map((server) => ({ ...server, health: own })),
      }));
      assert.deepEqual(roundTrip({ ...MODEL, health, services }), { ...MODEL, health, services });
    }),
  );
  for (const health of [
    { checks: [{ type: 'tcp', path: '/' }] },
    { checks: [{ type: 'htp' }] },
    { checks: [], x: 1 },
  ]) {
    const services = full.services.map((each) => ({ ...each, health: health as never }));
    assert.throws(() => roundTrip({ ...full, services }), /invalid at model\.services\.0\.health/);
  }
  const wrong = JSON.parse(JSON.stringify(full).replace('"10.0.0.1"', '"10.0.0.01"')) as Model;
  assert.throws(() => roundTrip(wrong), /invalid at model\.services\.0\.destinations\.0\.address/);
});

test('the state that daemons before this one wrote is read', () => {
  const body = `${JSON.stringify(snapshotOf(2))}\n`;
  const sum = createHash('sha256').update(`beeline-state 1\n${body}`).digest('hex');
  assert.deepEqual(decode(snapshotFormat, Buffer.from(`beeline-state 1 ${sum}\n${body}`), NOW), snapshotOf(2));
});

test('a recorded change is there for the next daemon, and gone after a file replaced it', async (context) => {
  const folder = folderFor(context);
  const file = fileOf(WEB);
  {
    const unsaved = openIn(folder);
    assert.deepEqual(unsaved.begin(file), asked(file.model));
    await unsaved.confirm(asked(file.model));
    assert.equal(existsSync(stateIn(folder)), false);
    await unsaved.record(DESIRED, 2);
    await unsaved.record(DESIRED, 1);
    assert.equal(unsaved.count, 3);
  }
  const unsaved = openIn(folder);
  const desired = unsaved.begin(file);
  await unsaved.confirm(desired);
  assert.deepEqual([desired, unsaved.count], [DESIRED, 3]);
  assert.equal(await unsaved.replace(file, desired), 3);
  assert.deepEqual([existsSync(stateIn(folder)), unsaved.count, unsaved.dropped], [false, 0, droppedIn(folder)]);
  // The replaced changes can be brought back.
  assert.deepEqual(parseConfig(readFileSync(droppedIn(folder), 'utf8'), 'dropped'), MODEL);
});

test('a saved state is removed only after a successful start with another file', async (context) => {
  const folder = folderFor(context);
  {
    const unsaved = openIn(folder);
    unsaved.begin(fileOf(WEB));
    await unsaved.record(DESIRED, 1);
  }
  const other = fileOf(WEB.replace('port: 80', 'port: 81'));
  {
    const unsaved = openIn(folder);
    assert.deepEqual(unsaved.begin(other), asked(other.model));
  }
  const unsaved = openIn(folder);
  assert.deepEqual(unsaved.begin(fileOf(WEB)), DESIRED);
});

test('changes that were saved to the file no longer count, except for those made meanwhile', async (context) => {
  const folder = folderFor(context);
  const file = fileOf(WEB);
  const unsaved = openIn(folder);
  unsaved.begin(file);
  await unsaved.record(DESIRED, 2);
  const { revision } = unsaved;
  await unsaved.record(DESIRED, 1);
  await unsaved.markSaved({ text: 'saved', meaning: 'saved' }, revision, DESIRED);
  assert.deepEqual([unsaved.count, existsSync(stateIn(folder))], [1, true]);
  await unsaved.markSaved({ text: 'again', meaning: 'again' }, unsaved.revision, DESIRED);
  assert.deepEqual([unsaved.count, unsaved.since, existsSync(stateIn(folder))], [0, undefined, false]);
});

test('a client cannot save a revision that never was', async (context) => {
  const unsaved = openIn(folderFor(context));
  unsaved.begin(fileOf(WEB));
  await unsaved.record(DESIRED, 2);
  const later = unsaved.markSaved({ text: 'saved', meaning: 'saved' }, unsaved.revision + 1, DESIRED);
  await assert.rejects(later, { code: 'CONTROL_METHOD' });
  assert.deepEqual([unsaved.count, unsaved.origin.text === 'saved'], [2, false]);
});

test("applying another file counts as one change, also after an edit of the daemon's own file", async (context) => {
  const folder = folderFor(context);
  const edited = fileOf(`${WEB}mode: generic\n`);
  {
    const unsaved = openIn(folder);
    unsaved.begin(fileOf(WEB));
    assert.equal(await unsaved.replaceByOther(MODEL, edited, asked(fileOf(WEB).model)), 0);
    assert.equal(unsaved.count, 1);
  }
  const unsaved = openIn(folder);
  assert.deepEqual(unsaved.begin(edited), DESIRED);
});

test('a file that says what is running replaces no change, and counts as none', async (context) => {
  const folder = folderFor(context);
  const unsaved = openIn(folder);
  const own = fileOf(WEB);
  unsaved.begin(own);
  await unsaved.replaceByOther(MODEL, own, asked(own.model));
  const before = [unsaved.count, unsaved.since, unsaved.revision];
  assert.equal(await unsaved.replaceByOther(MODEL, own, DESIRED), 0);
  assert.deepEqual([unsaved.count, unsaved.since, unsaved.revision], before);
  assert.equal(await unsaved.replace({ text: 'the same', model: MODEL }, DESIRED), 0);
  assert.deepEqual([unsaved.count, unsaved.dropped], [0, undefined]);
});

test('a failing disk is reported with every change, and changes hold all the same', async (context) => {
  const folder = folderFor(context);
  writeFileSync(join(folder, 'file'), '');
  using store = storeAt(join(folder, 'file', 'x.state'), snapshotFormat);
  const unsaved = openIn(folder, store);
  unsaved.begin(fileOf(WEB));
  await unsaved.record(DESIRED, 1);
  assert.match(store.problem!, /in force, but cannot be kept/);
  assert.equal(unsaved.count, 1);
});

test('comments do not change the meaning of a file, and its settings do', () => {
  const meaning = (text: string): string => originOf(fileOf(text)).meaning;
  assert.equal(meaning(WEB), meaning(`${WEB}# more\n`));
  assert.notEqual(meaning(WEB), meaning(WEB.replace('80', '81')));
});

/** A model in which 10.0.0.1 is drained: one that means the same as WEB but for that. */
const DRAINED: Desired = {
  model: { ...MODEL, services: [service(ip('192.168.1.100'), 80, [[ip('10.0.0.1'), 0]])] },
  drains: [{ service: 'tcp 192.168.1.100:80', address: ip('10.0.0.1'), since: 1_000, deadline: 61_000 }],
};

/** [what happened to the file between two daemons, the file, whether the drain goes on] */
const RESTARTS: readonly [what: string, text: string, goesOn: boolean][] = [
  ['it is the same', WEB, true],
  ['it has another comment', `# ours\n${WEB}`, true],
  ['it has another port', WEB.replace('80', '81'), false],
  ['it has one more real server', WEB.replace('10.0.0.1', '10.0.0.1, 10.0.0.2'), false],
  ['it has the weight that the drain made', WEB.replace('10.0.0.1', '{ address: 10.0.0.1, weight: 0 }'), false],
  ['it has no services', 'interfaces: [ens3]\nmode: generic\n', true],
];

for (const [what, text, goesOn] of RESTARTS) {
  for (const saved of [false, true]) {
    test(`a drain over a restart, the file: ${what}${saved ? ', and the weight was saved before' : ''}`, async (context) => {
      const folder = folderFor(context);
      const before = openIn(folder);
      before.begin(fileOf(WEB));
      await before.record(DRAINED, 1);
      if (saved) {
        await before.markSaved(originOf(fileOf(WEB)), before.revision, DRAINED);
        assert.deepEqual([before.count, existsSync(stateIn(folder))], [0, true]);
      }
      const unsaved = openIn(folder);
      const begun = unsaved.begin(fileOf(text));
      await unsaved.confirm(begun);
      assert.deepEqual(begun.drains, goesOn ? DRAINED.drains : []);
      const { services } = goesOn ? DRAINED.model : fileOf(text).model;
      assert.deepEqual(begun.model.services, services);
      assert.equal(unsaved.count, goesOn && !saved ? 1 : 0);
      assert.equal(existsSync(stateIn(folder)), goesOn);
      // What the file has after a save needs no other copy.
      assert.equal(existsSync(droppedIn(folder)), !goesOn && !saved);
    });
  }
}

test('a file that is loaded ends drains for the next daemon too, also where it changes nothing', async (context) => {
  const [same, folder] = [{ text: 'the same', model: DRAINED.model }, folderFor(context)];
  const file = { ...fileOf(WEB), ...same };
  const ways: ((unsaved: UnsavedChanges) => Promise<number>)[] = [
    (unsaved) => unsaved.replace(same, DRAINED),
    (unsaved) => unsaved.replaceByOther(DRAINED.model, file, DRAINED),
  ];
  for (const load of ways) {
    const unsaved = openIn(folder);
    unsaved.begin(file);
    await unsaved.record(DRAINED, 0);
    assert.equal(await load(unsaved), 0);
    assert.deepEqual(openIn(folder).begin(file).drains, []);
  }
});

test('a drain that is kept has the deadline that it had, also after another boot', () => {
  const drainIn = (written: Moment, read: Moment): Drain => {
    const kept = { ...snapshotOf(1, DRAINED.model), drains: DRAINED.drains };
    return decode(snapshotFormat, encode(snapshotFormat, kept, written), read).drains![0]!;
  };
  const written = { boot: 'one', bootMs: 2_000, wallMs: 1_000_000 };
  assert.deepEqual(drainIn(written, { ...written, wallMs: 9_000_000 }), DRAINED.drains[0]);
  // Ten seconds later, of which the new boot has seen one.
  const { since, deadline } = drainIn(written, { boot: 'two', bootMs: 1_000, wallMs: 1_010_000 });
  assert.deepEqual([since, deadline], [1_000 - 11_000, 61_000 - 11_000]);
});

test('a drain of a real server that has a weight, or is none, is not believed', () => {
  const model = fileOf(WEB).model;
  const elsewhere = { ...DRAINED.drains[0]!, service: 'tcp 192.168.1.100:81' };
  const kept = { ...snapshotOf(1, model), origin: originOf(fileOf(WEB)), drains: [...DRAINED.drains, elsewhere] };
  assert.deepEqual(beginWith(fileOf(WEB), kept), { model, drains: [], dropped: undefined });
});
