/** The lock of commands that change a host: it holds while its process runs, and no longer. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { promisify } from 'node:util';

import { lockHost } from '../../../src/steps/index.js';

function lockIn(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'beeline-test-'));
  context.after(() => {
    rmSync(folder, { recursive: true });
  });
  return join(folder, 'run', 'host.lock');
}

test('a second command is refused while the first one runs, and nothing is left after it', (context) => {
  const path = lockIn(context);
  const lock = lockHost(path);
  assert.throws(() => lockHost(path), { code: 'HOST_FAILED', message: new RegExp(`process ${process.pid} `) });
  lock[Symbol.dispose]();
  lockHost(path)[Symbol.dispose]();
  assert.deepEqual(readdirSync(join(path, '..')), []);
});

test('what a process left that was killed, or whose number another one has by now, does not lock', (context) => {
  const path = lockIn(context);
  lockHost(path)[Symbol.dispose]();
  for (const left of ['4194303 1', `${process.pid} 1`, '', 'x']) {
    writeFileSync(path, left);
    const lock = lockHost(path);
    assert.match(readFileSync(path, 'utf8'), new RegExp(`^${process.pid} \\d+\\n$`));
    lock[Symbol.dispose]();
  }
});

test('of many commands at once that find what a killed one left, one at a time has the lock', async (context) => {
  const path = lockIn(context);
  lockHost(path)[Symbol.dispose]();
  writeFileSync(path, '4194303 1');
  const held = `${path}.held`;
  const program = `
    import { lockHost } from ${JSON.stringify(new URL('../../../src/steps/shell/lock.js', import.meta.url).href)};
    import { rmSync, writeFileSync } from 'node:fs';
    try {
      const lock = lockHost(${JSON.stringify(path)});
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
