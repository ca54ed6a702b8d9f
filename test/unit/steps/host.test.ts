/** The host's files and programs: files appear whole and readable, and what is missing or refused is said. */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';

import { BeelineError } from '../../../src/model/index.js';
import { Host } from '../../../src/steps/index.js';

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'beeline-test-'));
  context.after(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}

test('a file is written whole, with its mode whatever the umask is, and nothing is left beside it', (context) => {
  const root = folder(context);
  const before = process.umask(0o077);
  try {
    const host = new Host(root);
    host.write('/etc/netplan/a.yaml', 'first', 0o644);
    host.write('/etc/netplan/a.yaml', 'second', 0o600);
    host.write('/etc/systemd/network/a.network', 'x', 0o644);
    host.link('/etc/wants/a', '/etc/a');
    assert.equal(host.read('/etc/netplan/a.yaml'), 'second');
    assert.equal(host.read('/etc/wants/a'), '/etc/a');
    assert.equal(host.read('/etc/nothing'), undefined);
    assert.equal(statSync(join(root, '/etc/netplan/a.yaml')).mode & 0o777, 0o600);
    assert.equal(statSync(join(root, '/etc/systemd/network/a.network')).mode & 0o777, 0o644);
    assert.equal(statSync(join(root, '/etc/systemd/network')).mode & 0o777, 0o755);
    assert.deepEqual(readdirSync(join(root, 'etc/netplan')), ['a.yaml']);
    host.remove('/etc/netplan/a.yaml');
    host.remove('/etc/netplan/a.yaml');
    assert.deepEqual(host.names('/etc/netplan'), []);
  } finally {
    process.umask(before);
  }
});

test('a folder of drop-ins goes with its last file, and other folders stay', (context) => {
  const root = folder(context);
  const host = new Host(root);
  const [ours, other] = ['/etc/network/20-lan.network.d/beeline.conf', '/etc/network/20-lan.network.d/mine.conf'];
  host.write(ours, '', 0o644);
  host.write(other, '', 0o644);
  host.remove(ours);
  assert.ok(host.exists(other));
  host.remove(other);
  assert.ok(!host.exists('/etc/network/20-lan.network.d'));
  assert.ok(host.exists('/etc/network'));
  host.remove(ours);
});

test('what a crash left of a file is no hindrance', (context) => {
  const root = folder(context);
  mkdirSync(join(root, 'etc'));
  writeFileSync(join(root, 'etc/.a.conf.beeline'), 'half');
  new Host(root).write('/etc/a.conf', 'whole', 0o644);
  assert.equal(readFileSync(join(root, 'etc/a.conf'), 'utf8'), 'whole');
  assert.deepEqual(readdirSync(join(root, 'etc')), ['a.conf']);
});

test('a file that cannot be written leaves nothing beside it, and remove takes what a crash left', (context) => {
  const root = folder(context);
  const host = new Host(root);
  mkdirSync(join(root, 'etc/a.conf/in-the-way'), { recursive: true });
  assert.throws(
    () => {
      host.write('/etc/a.conf', 'x', 0o644);
    },
    { code: 'HOST_UNWRITABLE' },
  );
  assert.deepEqual(readdirSync(join(root, 'etc')), ['a.conf']);
  mkdirSync(join(root, 'etc/lan.network.d'));
  writeFileSync(join(root, 'etc/lan.network.d/.b.conf.beeline'), 'half');
  host.remove('/etc/lan.network.d/b.conf');
  assert.deepEqual(readdirSync(join(root, 'etc')), ['a.conf']);
});

test('a file that cannot be written is named, with what to do', (context) => {
  const root = folder(context);
  writeFileSync(join(root, 'etc'), 'no folder');
  assert.throws(
    () => {
      new Host(root).write('/etc/sysctl.d/a.conf', 'x', 0o644);
    },
    (error) => {
      assert.ok(error instanceof BeelineError && error.code === 'HOST_UNWRITABLE');
      assert.match(error.message, /cannot write \/etc\/sysctl\.d\/a\.conf/);
      assert.match(error.hint!, /beeline realserver remove/);
      return true;
    },
  );
});

test('a program that is missing is told from one that fails, and a listing takes both for nothing', async () => {
  const host = new Host();
  await assert.rejects(host.run({ file: 'beeline-no-such-tool', args: [] }), { code: 'HOST_TOOL' });
  await assert.rejects(host.run({ file: 'sh', args: ['-c', 'echo reason >&2; exit 3'] }), {
    code: 'HOST_FAILED',
    message: /reason/,
  });
  assert.equal(await host.run({ file: 'cat', args: [], input: 'text' }), 'text');
  assert.equal(await host.listing('beeline-no-such-tool'), undefined);
  assert.equal(await host.listing('false'), undefined);
});
