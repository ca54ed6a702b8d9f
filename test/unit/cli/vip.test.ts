/** `beeline vip` and `beeline init`: mistakes on the command line change nothing, and nothing hangs without a terminal. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../app/cli/main.js', import.meta.url));

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'beeline-test-'));
  context.after(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}

/** Runs a command for an instance that does not run, with its files in a folder. */
function run(root: string, ...words: string[]): Ran {
  const env = { ...process.env, BEELINE_VIP_ROOT: root, BEELINE_INSTANCE: 'test-none', NO_COLOR: '1' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words], {
    env,
    encoding: 'utf8',
    input: '',
  });
  return { status, stdout, stderr };
}

const CONFIG = `interfaces: [beeline-none]
vrrp: { instances: [{ id: 51, addresses: [192.168.77.1] }] }
services:
  - { address: 192.168.77.1, port: 80, realServers: [192.168.77.31] }
  - { address: 192.168.77.2, port: 80, realServers: [192.168.77.31] }
`;

for (const [mistake, words, said] of [
  ['a VIP with a prefix', ['192.168.1.100/32'], /cannot be a VIP/],
  ['a zone', ['fe80::1%lo'], /cannot be a VIP/],
  ['multicast', ['224.0.0.18'], /cannot be a VIP/],
  ['loopback', ['127.0.0.1'], /cannot be a VIP/],
  ['IPv4 in IPv6', ['::ffff:192.0.2.1'], /cannot be a VIP/],
  ['an interface that is not there', ['192.168.77.2', '--interface', 'beeline-none'], /no interface beeline-none/],
  ['a name that no interface has', ['192.168.77.2', '--interface', 'a b'], /not the name of an interface/],
  ['a way that does not exist', ['192.168.77.2', '--persist', 'cron'], /cron/],
  ['a file that is not there', ['--config', '/nonexistent.yaml'], /no configuration file/],
] as const) {
  test(`vip add, ${mistake}: it ends with 2, and nothing is changed`, (context) => {
    const root = folder(context);
    const { status, stdout, stderr } = run(root, 'vip', 'add', ...words, '--dry-run');
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, said);
    assert.ok(!existsSync(join(root, 'var')));
  });
}

test('a VIP that VRRP has is refused by name, and passed over without names', (context) => {
  const root = folder(context);
  const file = join(root, 'beeline.yaml');
  writeFileSync(file, CONFIG);
  const named = run(root, 'vip', 'add', '192.168.77.1', '--config', file, '--announce', '--dry-run');
  assert.equal(named.status, 1);
  assert.match(named.stderr, /192\.168\.77\.1 belongs to VRRP: instance VI_51 of .*beeline\.yaml/);
  const all = run(root, 'vip', 'add', '--config', file, '--announce', '--dry-run', '--json');
  assert.equal(all.status, 0, all.stderr);
  const { steps, notes } = JSON.parse(all.stdout) as { steps: { command: string }[]; notes: string[] };
  assert.deepEqual(
    steps.map(({ command }) => command),
    ['ip address add 192.168.77.2/32 dev lo'],
  );
  assert.match(notes.join('\n'), /192\.168\.77\.1 belongs to VRRP[^]*a router must have a route/);
});

test('list tells of the VIPs of a file, and remove of nothing says so', (context) => {
  const root = folder(context);
  const file = join(root, 'beeline.yaml');
  writeFileSync(file, CONFIG);
  const { status, stdout } = run(root, 'vip', 'list', '--config', file);
  assert.equal(status, 0);
  assert.match(stdout, /^192\.168\.77\.1 +- +- +VRRP VI_51 +.*beeline\.yaml\n192\.168\.77\.2 +- +- +- +-$/m);
  const removed = run(root, 'vip', 'remove', '--dry-run');
  assert.deepEqual(
    [removed.status, removed.stdout],
    [0, 'nothing to undo: "beeline vip add" added no such VIP on this host\n'],
  );
});

const ANSWERED = ['init', '--yes', '--interface', 'lo0', '--vip', '192.168.77.1', '--real-server', '192.168.77.31'];

test('init without a terminal and without answers is a mistake that names the options, and never waits', (context) => {
  const root = folder(context);
  const file = join(root, 'beeline.yaml');
  for (const words of [['init'], ['init', '--vip', '192.168.77.1'], ['init', '--json']]) {
    const { status, stderr } = run(root, ...words, '--output', file);
    assert.equal(status, 2);
    assert.match(stderr, /--yes --vip ADDRESS --real-server/);
    assert.match(stderr, words.includes('--json') ? /with --json nothing is asked/ : /there is no terminal/);
  }
  const missing = run(root, 'init', '--yes', '--output', file);
  assert.equal(missing.status, 2);
  assert.match(missing.stderr, /--(vip|interface) is missing/);
  const wrong = run(root, ...ANSWERED, '--output', file);
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /--interface: there is no interface "lo0"/);
  assert.ok(!existsSync(file));
});

test('init never replaces a file without --force, nor one behind a link', (context) => {
  const root = folder(context);
  const [file, link] = [join(root, 'beeline.yaml'), join(root, 'link.yaml')];
  writeFileSync(file, 'mine\n');
  symlinkSync(file, link);
  for (const path of [file, link]) {
    const { status, stderr } = run(root, ...ANSWERED, '--output', path);
    assert.equal(status, 2);
    assert.match(stderr, /is there already: it stays as it is/);
  }
  mkdirSync(join(root, 'folder'));
  assert.equal(run(root, ...ANSWERED, '--output', join(root, 'folder')).status, 2);
  assert.equal(readFileSync(file, 'utf8'), 'mine\n');
});
