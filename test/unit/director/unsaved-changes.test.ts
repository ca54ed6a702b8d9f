/** Changes that commands made outlive the daemon, until a file replaces them. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import fc from 'fast-check';
import { pino } from 'pino';

import { type ConfigFile, originOf, parseConfig } from '../../../src/config/index.js';
import {
  beginWith,
  type Snapshot,
  snapshotFormat,
  UnsavedChanges,
} from '../../../src/director/changes/unsaved-changes.js';
import { ip, mac, type Model } from '../../../src/model/index.js';
import { decode, encode } from '../../../src/store/index.js';
import { anyServices, service } from '../../support/models.js';
import { folderFor, NOW, storeAt } from '../../support/store.js';

const MODEL: Model = {
  interfaces: ['ens3'],
  mode: 'native',
  services: [service(ip('192.168.1.100'), 80, [ip('10.0.0.1'), [ip('10.0.0.2'), 3]])],
};

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
  assert.deepEqual(beginWith(file, undefined), { model: file.model, dropped: undefined });
  assert.equal(beginWith(file, kept).model, MODEL);
  // Comments and order of keys are no other meaning, nor is another spelling that reads as the same.
  assert.equal(beginWith(fileOf(`# ours\n${WEB}`), kept).model, MODEL);
});

test('a file that was changed meanwhile replaces changes by commands, if it has services', () => {
  const kept = { ...snapshotOf(2), origin: originOf(fileOf(WEB)) };
  const other = fileOf(WEB.replace('port: 80', 'port: 81'));
  assert.deepEqual(beginWith(other, kept), { model: other.model, dropped: kept });
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
    services: [
      {
        ...{ address: ip('192.168.1.100'), port: 53, protocol: 'udp', scheduler: 'wlc', onePacket: true },
        ...{ timeouts, slots: 64, ttl: 'decrement', noDestination: 'drop', track: 'all' },
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
    fc.property(anyServices, (services) => {
      assert.deepEqual(roundTrip({ ...MODEL, services }), { ...MODEL, services });
    }),
  );
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
    assert.equal(unsaved.begin(file), file.model);
    await unsaved.confirm(file.model);
    assert.equal(existsSync(stateIn(folder)), false);
    await unsaved.record(MODEL, 2);
    await unsaved.record(MODEL, 1);
    assert.equal(unsaved.count, 3);
  }
  const unsaved = openIn(folder);
  const model = unsaved.begin(file);
  await unsaved.confirm(model);
  assert.deepEqual([model, unsaved.count], [MODEL, 3]);
  assert.equal(await unsaved.replace(file, model), 3);
  assert.deepEqual([existsSync(stateIn(folder)), unsaved.count, unsaved.dropped], [false, 0, droppedIn(folder)]);
  // The replaced changes can be brought back.
  assert.deepEqual(parseConfig(readFileSync(droppedIn(folder), 'utf8'), 'dropped'), MODEL);
});

test('a saved state is removed only after a successful start with another file', async (context) => {
  const folder = folderFor(context);
  {
    const unsaved = openIn(folder);
    unsaved.begin(fileOf(WEB));
    await unsaved.record(MODEL, 1);
  }
  const other = fileOf(WEB.replace('port: 80', 'port: 81'));
  {
    const unsaved = openIn(folder);
    assert.equal(unsaved.begin(other), other.model);
  }
  const unsaved = openIn(folder);
  assert.deepEqual(unsaved.begin(fileOf(WEB)), MODEL);
});

test('changes that were saved to the file no longer count, except for those made meanwhile', async (context) => {
  const folder = folderFor(context);
  const file = fileOf(WEB);
  const unsaved = openIn(folder);
  unsaved.begin(file);
  await unsaved.record(MODEL, 2);
  const { revision } = unsaved;
  await unsaved.record(MODEL, 1);
  await unsaved.markSaved({ text: 'saved', meaning: 'saved' }, revision, MODEL);
  assert.deepEqual([unsaved.count, existsSync(stateIn(folder))], [1, true]);
  await unsaved.markSaved({ text: 'again', meaning: 'again' }, unsaved.revision, MODEL);
  assert.deepEqual([unsaved.count, unsaved.since, existsSync(stateIn(folder))], [0, undefined, false]);
});

test('a client cannot save a revision that never was', async (context) => {
  const unsaved = openIn(folderFor(context));
  unsaved.begin(fileOf(WEB));
  await unsaved.record(MODEL, 2);
  const later = unsaved.markSaved({ text: 'saved', meaning: 'saved' }, unsaved.revision + 1, MODEL);
  await assert.rejects(later, { code: 'CONTROL_METHOD' });
  assert.deepEqual([unsaved.count, unsaved.origin.text === 'saved'], [2, false]);
});

test("applying another file counts as one change, also after an edit of the daemon's own file", async (context) => {
  const folder = folderFor(context);
  const edited = fileOf(`${WEB}mode: generic\n`);
  {
    const unsaved = openIn(folder);
    unsaved.begin(fileOf(WEB));
    assert.equal(await unsaved.replaceByOther(MODEL, edited, fileOf(WEB).model), 0);
    assert.equal(unsaved.count, 1);
  }
  const unsaved = openIn(folder);
  assert.deepEqual(unsaved.begin(edited), MODEL);
});

test('a file that says what is running replaces no change, and counts as none', async (context) => {
  const folder = folderFor(context);
  const unsaved = openIn(folder);
  const own = fileOf(WEB);
  unsaved.begin(own);
  await unsaved.replaceByOther(MODEL, own, own.model);
  const before = [unsaved.count, unsaved.since, unsaved.revision];
  assert.equal(await unsaved.replaceByOther(MODEL, own, MODEL), 0);
  assert.deepEqual([unsaved.count, unsaved.since, unsaved.revision], before);
  assert.equal(await unsaved.replace({ text: 'the same', model: MODEL }, MODEL), 0);
  assert.deepEqual([unsaved.count, unsaved.dropped], [0, undefined]);
});

test('a failing disk is reported with every change, and changes hold all the same', async (context) => {
  const folder = folderFor(context);
  writeFileSync(join(folder, 'file'), '');
  using store = storeAt(join(folder, 'file', 'x.state'), snapshotFormat);
  const unsaved = openIn(folder, store);
  unsaved.begin(fileOf(WEB));
  await unsaved.record(MODEL, 1);
  assert.match(store.problem!, /in force, but cannot be kept/);
  assert.equal(unsaved.count, 1);
});

test('comments do not change the meaning of a file, and its settings do', () => {
  const meaning = (text: string): string => originOf(fileOf(text)).meaning;
  assert.equal(meaning(WEB), meaning(`${WEB}# more\n`));
  assert.notEqual(meaning(WEB), meaning(WEB.replace('80', '81')));
});
