/** The package that `npm pack` makes, and what a machine reads that has not everything it needs. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

function temporary(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'beeline-package-'));
  context.after(() => {
    rmSync(folder, { recursive: true });
  });
  return folder;
}

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

test('the package has what it runs, and no sources, build leftovers, caches or paths of its builder', (context) => {
  const folder = temporary(context);
  const packed = spawnSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: ROOT, encoding: 'utf8' });
  assert.equal(packed.status, 0, packed.stderr);
  const [{ filename, files }] = JSON.parse(packed.stdout) as [Packed];
  const paths = files.map(({ path }) => path);
  for (const needed of [
    'dist/app/cli/main.js',
    'dist/app/load.js',
    'dist/bpf/director.bpf.o',
    'dist/man/beeline.1',
    'packaging/beeline.service',
    'README.md',
    'LICENSE',
  ]) {
    assert.ok(paths.includes(needed), needed);
  }
  assert.deepEqual(
    paths.filter((path) =>
      /^(src|test|native|dist\/(src|test|stamps|app\/cache))\/|\.(map|d\.ts|tsbuildinfo)$/.test(path),
    ),
    [],
  );
  assert.equal(spawnSync('tar', ['-xf', filename], { cwd: folder }).status, 0);
  assert.deepEqual(
    paths.filter((path) => readFileSync(join(folder, 'package', path)).includes(ROOT)),
    [],
  );
  const version = spawnSync(process.execPath, [join(folder, 'package/dist/app/cli/main.js'), '--version'], {
    encoding: 'utf8',
  });
  assert.deepEqual([version.status, version.stderr], [0, '']);
});

test('a tree that is not built is not packed', (context) => {
  const folder = temporary(context);
  for (const path of ['package.json', 'bpf', 'scripts', 'docs', 'packaging']) {
    cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  }
  const { status, stderr, stdout } = spawnSync('npm', ['pack', '--json'], { cwd: folder, encoding: 'utf8' });
  assert.notEqual(status, 0, stdout);
  assert.match(stderr, /dist\/app\/cli\/main\.js is missing: run scripts\/build before "npm pack"/);
});

test('setup asks for Node.js and npm before it installs anything', (context) => {
  const folder = temporary(context);
  const tools = join(folder, 'tools');
  mkdirSync(join(folder, 'scripts'));
  mkdirSync(tools);
  cpSync(join(ROOT, 'scripts/setup'), join(folder, 'scripts/setup'));
  for (const tool of ['bash', 'dirname', 'env']) {
    symlinkSync(`/usr/bin/${tool}`, join(tools, tool));
  }
  const say = (name: string, text: string): void => {
    writeFileSync(join(tools, name), `#!/bin/bash\n${text}\n`, { mode: 0o755 });
  };
  for (const tool of ['apt-get', 'dpkg-query']) {
    say(tool, `echo "${tool} ran" >&2`);
  }
  const setup = (): string =>
    spawnSync('/bin/bash', [join(folder, 'scripts/setup')], { encoding: 'utf8', env: { PATH: tools } }).stderr;

  assert.match(setup(), /^setup: node is not in root's PATH\. Install Node\.js 20\.19 or later: README\.md, .*\n$/);
  say('node', '[[ $1 == --version ]] && echo v18.20.4; exit 1');
  assert.match(setup(), /^setup: this is Node\.js v18\.20\.4; Beeline needs 20\.19 or later: README\.md, .*\n$/);
  say('node', 'exit 0');
  assert.match(
    setup(),
    /^setup: npm is missing\. Where Node\.js is Debian's, install the package npm: README\.md, .*\n$/,
  );
});

test('the unit finds the command where npm puts it, which is not /usr/bin on every Debian', () => {
  const unit = readFileSync(join(ROOT, 'packaging/beeline.service'), 'utf8');
  const commands = [...unit.matchAll(/^Exec\w+=(\S+)/gm)].map(([, command]) => command);
  assert.deepEqual(commands, ['beeline', 'beeline']);
});
