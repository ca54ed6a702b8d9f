/** The lock of commands that change a host: it holds while its process runs, and no longer. */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { lockHost } from '../../../src/steps/index.js';

function rootFor(context: TestContext): { readonly root: string; readonly path: string } {
  const root = mkdtempSync(join(tmpdir(), 'beeline-test-'));
  context.after(() => {
    rmSync(root, { recursive: true });
  });
  return { root, path: join(root, 'run', 'beeline', 'host.lock') };
}

test('a second command is refused while the first one runs, and nothing is left after it', (context) => {
  const { root, path } = rootFor(context);
  const lock = lockHost(root);
  assert.throws(() => lockHost(root), { code: 'HOST_FAILED', message: new RegExp(`process ${process.pid} `) });
  lock[Symbol.dispose]();
  lockHost(root)[Symbol.dispose]();
  assert.deepEqual(readdirSync(join(path, '..')), []);
});

test('what a process left that was killed, or whose number another one has by now, does not lock', (context) => {
  const { root, path } = rootFor(context);
  lockHost(root)[Symbol.dispose]();
  for (const left of ['4194303 1', `${process.pid} 1`, '', 'x']) {
    writeFileSync(path, left);
    const lock = lockHost(root);
    assert.match(readFileSync(path, 'utf8'), new RegExp(`^${process.pid} \\d+\\n$`));
    lock[Symbol.dispose]();
  }
});

test('a process that was killed, and whose parent has not waited for it, does not lock', async (context) => {
  const { root, path } = rootFor(context);
  lockHost(root)[Symbol.dispose]();
  const parent = spawn('sh', ['-c', 'true & echo $!; exec sleep 10']);
  context.after(() => parent.kill('SIGKILL'));
  const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
  let fields: readonly string[] = [];
  while (fields[0] !== 'Z') {
    fields = readFileSync(`/proc/${String(pid).trim()}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    await sleep(20);
  }
  writeFileSync(path, `${String(pid).trim()} ${fields[19]!}\n`);
  lockHost(root)[Symbol.dispose]();
});

test('of many commands at once that find what a killed one left, one at a time has the lock', async (context) => {
  const { root, path } = rootFor(context);
  lockHost(root)[Symbol.dispose]();
  writeFileSync(path, '4194303 1');
  const held = `${path}.held`;
  const program = `
    import { lockHost } from ${JSON.stringify(new URL('../../../src/steps/shell/lock.js', import.meta.url).href)};
    import { rmSync, writeFileSync } from 'node:fs';
    try {
      const lock = lockHost(${JSON.stringify(root)});
      writeFileSync(${JSON.stringify(held)}, '', { flag: 'wx' });
      await new Promise((resolve) => setTimeout(resolve, 20));
      rmSync(${JSON.stringify(held)});
      lock[Symbol.dispose]();
      process.stdout.write('held');
    } catch (error) {
      process.stdout.write(error.code);
    }`;
  const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
  const said = (await Promise.all(Array.from({ length: 6 }, run))).map(({ stdout }) => stdout);
  assert.ok(said.includes('held'));
  assert.deepEqual(
    said.filter((each) => each !== 'held' && each !== 'HOST_FAILED'),
    [],
  );
});
