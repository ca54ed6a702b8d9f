/** What commands changed outlives the daemon: no damage to a file is taken for a state, and no file for another. */

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';

import { pino } from 'pino';

import { type ConfigFile, parseConfig } from '../../../src/config/index.js';
import { beginWith, originOf, RunTime } from '../../../src/director/changes/run-time.js';
import { decodeSnapshot, encodeSnapshot, type Snapshot, SnapshotFile } from '../../../src/director/changes/snapshot.js';
import { type Instance, instanceOf, type Model } from '../../../src/model/index.js';
import { service } from '../../support/models.js';

const MODEL: Model = {
  interfaces: ['ens3'],
  mode: 'native',
  services: [service('192.168.1.100', 80, ['10.0.0.1', ['10.0.0.2', 3]])],
};

function snapshotOf(changes: number, model = MODEL): Snapshot {
  return { origin: { text: 'text', meaning: 'meaning' }, changes, since: '2026-11-21T10:00:00.000Z', model };
}

function directory(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'beeline-state-'));
  context.after(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}

test('a snapshot that is truncated at any byte is rejected', () => {
  const bytes = encodeSnapshot(snapshotOf(1));
  assert.deepEqual(decodeSnapshot(bytes), snapshotOf(1));
  for (let length = 0; length < bytes.length; length += 1) {
    assert.throws(() => decodeSnapshot(bytes.subarray(0, length)), Error, `${length} bytes`);
  }
  assert.throws(() => decodeSnapshot(Buffer.concat([bytes, Buffer.from(' ')])), /damaged/);
});

test('a snapshot with any bit flipped is rejected', () => {
  const bytes = encodeSnapshot(snapshotOf(1));
  for (let bit = 0; bit < 8 * bytes.length; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => decodeSnapshot(flipped), Error, `bit ${bit}`);
  }
});

test('a snapshot of another version is reported as such', () => {
  const text = encodeSnapshot(snapshotOf(1)).toString().replace('beeline-state 1', 'beeline-state 2');
  assert.throws(() => decodeSnapshot(Buffer.from(text)), /of version 2/);
});

test('the snapshot before a damaged one is used, and never overwritten by the damaged one', async (context) => {
  const path = join(directory(context), 'x.state');
  const first = new SnapshotFile(path);
  assert.deepEqual(first.load(), { troubles: [] });
  for (const changes of [1, 2, 3]) {
    await first.save(snapshotOf(changes));
  }
  assert.deepEqual(new SnapshotFile(path).load(), { snapshot: snapshotOf(3), troubles: [] });
  writeFileSync(path, readFileSync(path).subarray(0, 100));
  const second = new SnapshotFile(path);
  const { snapshot, troubles } = second.load();
  assert.deepEqual([snapshot?.changes, troubles.length], [2, 1]);
  await second.save(snapshotOf(4));
  writeFileSync(path, '');
  assert.equal(new SnapshotFile(path).load().snapshot?.changes, 2);
  writeFileSync(`${path}.previous`, 'beeline');
  const both = new SnapshotFile(path).load();
  assert.deepEqual([both.snapshot, both.troubles.length], [undefined, 2]);
});

test('a crash between any two steps of writing leaves the last saved state', async (context) => {
  const path = join(directory(context), 'x.state');
  const file = new SnapshotFile(path);
  await file.save(snapshotOf(1));
  await file.save(snapshotOf(2));
  // The next one half written; whole; the one before linked anew.
  writeFileSync(`${path}.new`, encodeSnapshot(snapshotOf(3)).subarray(0, 50));
  assert.equal(new SnapshotFile(path).load().snapshot?.changes, 2);
  writeFileSync(`${path}.new`, encodeSnapshot(snapshotOf(3)));
  writeFileSync(`${path}.previous.new`, readFileSync(path));
  assert.equal(new SnapshotFile(path).load().snapshot?.changes, 2);
  await new SnapshotFile(path).save(snapshotOf(3));
  assert.equal(new SnapshotFile(path).load().snapshot?.changes, 3);
  // Removed by hand: the one before is better than nothing, and that is told.
  rmSync(path);
  const { snapshot, troubles } = new SnapshotFile(path).load();
  assert.deepEqual([snapshot?.changes, troubles], [1, [`${path} is missing`]]);
  await file.remove();
  assert.deepEqual(new SnapshotFile(path).load(), { troubles: [] });
});

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

function instanceIn(path: string): Instance {
  return { ...instanceOf('x'), statePath: join(path, 'x.state'), droppedPath: join(path, 'x.dropped.yaml') };
}

const SILENT = pino({ level: 'silent' });

test('a recorded change is there for the next daemon, and gone after a file replaced it', async (context) => {
  const instance = instanceIn(directory(context));
  const file = fileOf(WEB);
  {
    using runTime = new RunTime(instance, SILENT);
    assert.equal(runTime.begin(file), file.model);
    await runTime.begun(file.model);
    assert.equal(existsSync(instance.statePath), false);
    await runTime.record(MODEL, 2);
    await runTime.record(MODEL, 1);
    assert.equal(runTime.changes, 3);
  }
  using next = new RunTime(instance, SILENT);
  const model = next.begin(file);
  await next.begun(model);
  assert.deepEqual([model, next.changes], [MODEL, 3]);
  assert.equal(await next.replace(file, model), 3);
  assert.deepEqual([existsSync(instance.statePath), next.changes, next.dropped], [false, 0, instance.droppedPath]);
  // What was replaced can be brought back.
  assert.deepEqual(parseConfig(readFileSync(instance.droppedPath, 'utf8'), 'dropped'), MODEL);
});

test('a saved state is removed only after a successful start with another file', async (context) => {
  const instance = instanceIn(directory(context));
  {
    using runTime = new RunTime(instance, SILENT);
    runTime.begin(fileOf(WEB));
    await runTime.record(MODEL, 1);
  }
  const other = fileOf(WEB.replace('port: 80', 'port: 81'));
  {
    using failing = new RunTime(instance, SILENT);
    assert.equal(failing.begin(other), other.model);
  }
  using runTime = new RunTime(instance, SILENT);
  assert.deepEqual(runTime.begin(fileOf(WEB)), MODEL);
});

test('changes that were saved to the file no longer count, except for those made meanwhile', async (context) => {
  const instance = instanceIn(directory(context));
  const file = fileOf(WEB);
  using runTime = new RunTime(instance, SILENT);
  runTime.begin(file);
  await runTime.record(MODEL, 2);
  const { revision } = runTime;
  await runTime.record(MODEL, 1);
  await runTime.saved({ text: 'saved', meaning: 'saved' }, revision, MODEL);
  assert.deepEqual([runTime.changes, existsSync(instance.statePath)], [1, true]);
  await runTime.saved({ text: 'again', meaning: 'again' }, runTime.revision, MODEL);
  assert.deepEqual([runTime.changes, runTime.since, existsSync(instance.statePath)], [0, undefined, false]);
});

test("applying another file counts as one change, also after an edit of the daemon's own file", async (context) => {
  const instance = instanceIn(directory(context));
  const edited = fileOf(`${WEB}mode: generic\n`);
  {
    using runTime = new RunTime(instance, SILENT);
    runTime.begin(fileOf(WEB));
    assert.equal(await runTime.replaceByOther(MODEL, edited, fileOf(WEB).model), 0);
    assert.equal(runTime.changes, 1);
  }
  using next = new RunTime(instance, SILENT);
  assert.deepEqual(next.begin(edited), MODEL);
});

test('a failing disk is reported with every change, and changes hold all the same', async (context) => {
  const path = directory(context);
  writeFileSync(join(path, 'file'), '');
  const instance = instanceIn(join(path, 'file'));
  using runTime = new RunTime(instance, SILENT);
  runTime.begin(fileOf(WEB));
  await runTime.record(MODEL, 1);
  assert.match(runTime.problems[0]!, /in force, but cannot be kept/);
  assert.equal(runTime.changes, 1);
});

test('comments do not change the meaning of a file, and its settings do', () => {
  const meaning = (text: string): string => originOf(fileOf(text)).meaning;
  assert.equal(meaning(WEB), meaning(`${WEB}# more\n`));
  assert.notEqual(meaning(WEB), meaning(WEB.replace('80', '81')));
});
