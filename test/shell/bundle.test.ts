/** The bundled program, dist/app: it says what the tested one says, finds its files, and trusts no other user's cache. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const NOBODY = 65534;

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, words: readonly string[], uid?: number): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], BEELINE_INSTANCE: 'bundle-test' },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  return { status, stdout, stderr };
}

/** Makes a copy of the program as npm installs it, without a cache. @returns its folder */
function installed(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'beeline-bundle-'));
  context.after(() => {
    rmSync(folder, { recursive: true });
  });
  chmodSync(folder, 0o755);
  const cache = join(ROOT, 'dist/app/cache');
  cpSync(join(ROOT, 'dist/app'), join(folder, 'dist/app'), {
    recursive: true,
    filter: (path) => !path.startsWith(cache),
  });
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  return join(folder, 'dist/app');
}

/** The files of the cache that belongs to a copy of the program. */
function cached(app: string): readonly string[] {
  if (!existsSync(join(app, 'cache'))) {
    return [];
  }
  return readdirSync(join(app, 'cache'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

test('the bundle says the same as the program that is tested', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'beeline-bundle-')), 'wrong.yaml');
  writeFileSync(file, 'interfaces: [lo]\nservices:\n  - { address: 192.0.2.1, port: 80, realServer: [192.0.2.2] }\n');
  const lines: readonly (readonly [program: string, ...words: string[]])[] = [
    ['cli/main.js', '--help'],
    ['cli/main.js', '--version'],
    ['cli/main.js', 'check', file],
    ['cli/main.js', 'schema'],
    ['cli/main.js', 'status'],
    ['cli/main.js', 'statsu'],
    ['cli/main.js', 'explain', '--help'],
    ['cli/main.js', 'completion', 'bash'],
    ['cli/main.js', '__complete', '1', 'beeline', 'st'],
    ['cli/main.js', 'ipvsadm', '-Ln'],
    ['cli/main.js', 'ipvsadm-save', '-h'],
    ['ipvsadm/main.js', '--help'],
    ['ipvsadm/main.js', '-A', '-t', 'nowhere'],
  ];
  for (const [program, ...words] of lines) {
    assert.deepEqual(
      run(join(ROOT, 'dist/app', program), words),
      run(join(ROOT, 'dist/src', program), words),
      [program, ...words].join(' '),
    );
  }
});

test('every file that the bundle starts or reads by its own place is there', () => {
  const chunks = join(ROOT, 'dist/app/chunks');
  const text = readdirSync(chunks).map((name) => readFileSync(join(chunks, name), 'utf8'));
  const places = text.flatMap((each) => [
    ...each.matchAll(/new URL\("([^"]+)", globalThis\.beelineSource\("([^"]+)"\)\)/g),
  ]);
  const paths = places.map(([, path, source]) =>
    fileURLToPath(new URL(path!, new URL(source!, `file://${ROOT}/dist/app/`))),
  );
  assert.ok(paths.some((path) => path.endsWith('dist/app/config/parse-thread.js')));
  assert.ok(paths.some((path) => path.endsWith('dist/bpf/director.bpf.o')));
  assert.deepEqual(
    paths.filter((path) => !existsSync(path)),
    [],
  );
  assert.doesNotMatch(text.join(''), /import\.meta\.url/);
});

test('nothing of the program runs before the inspector is shut', () => {
  const [, , first = '', second = ''] = readFileSync(join(ROOT, 'dist/app/cli/main.js'), 'utf8').split(';\n');
  assert.match(first, /^load\("no-inspector-\w+\.js"\)$/);
  assert.match(second, /^load\("main-\w+\.js"\)/);
});

test("the owner's first command leaves compiled code that every user may read and only the owner writes", (context) => {
  const app = installed(context);
  assert.equal(run(join(app, 'cli/main.js'), ['--version']).status, 0);
  const files = cached(app);
  assert.notDeepEqual(files, []);
  for (const file of files) {
    assert.equal(statSync(file).mode & 0o777, 0o644, file);
  }
});

test("no user's compiled code is laid before another: only the owner of the program writes it", (context) => {
  const app = installed(context);
  assert.equal(run(join(app, 'cli/main.js'), ['--version'], NOBODY).status, 0);
  assert.deepEqual(cached(app), []);
  // A checkout belongs to its user, and sudo leaves no file of root's in it.
  chownSync(app, NOBODY, NOBODY);
  assert.equal(run(join(app, 'cli/main.js'), ['--version']).status, 0);
  assert.deepEqual(cached(app), []);
});

test('compiled code that is damaged, empty or of another chunk is not used', (context) => {
  const app = installed(context);
  const { stdout } = run(join(app, 'cli/main.js'), ['--help']);
  const files = cached(app);
  const damages: readonly ((file: string) => void)[] = [
    (file) => {
      truncateSync(file, 0);
    },
    (file) => {
      truncateSync(file, 100);
    },
    (file) => {
      writeFileSync(file, Buffer.alloc(4096));
    },
    (file) => {
      cpSync(join(app, 'load.js'), file);
    },
  ];
  for (const damage of damages) {
    files.forEach(damage);
    assert.deepEqual(run(join(app, 'cli/main.js'), ['--help']), { status: 0, stdout, stderr: '' });
  }
});
