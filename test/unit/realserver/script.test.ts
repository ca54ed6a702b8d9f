/** The script for hosts without Node.js: any POSIX shell takes it, and ShellCheck has nothing to say. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import { ip } from '../../../src/model/index.js';
import { scriptFor } from '../../../src/realserver/script.js';
import { METHODS } from '../../../src/realserver/wish.js';

for (const method of METHODS) {
  for (const vips of [[ip('192.168.1.100')], [ip('fd00::100')], [ip('192.168.1.100'), ip('fd00::100')]]) {
    for (const ports of method === 'redirect' ? [[], [80, 443]] : [[]]) {
      test(`the script for ${vips.join(', ')} by ${method}, ports ${ports.join(', ') || 'all'}, is a clean one`, () => {
        const text = scriptFor({ vips, method, ports });
        const parsed = spawnSync('sh', ['-n'], { input: text, encoding: 'utf8' });
        assert.deepEqual([parsed.status, parsed.stderr], [0, '']);
        const checked = spawnSync('shellcheck', ['-s', 'sh', '-'], { input: text, encoding: 'utf8' });
        assert.deepEqual([checked.status, checked.stdout], [0, '']);
        // The place of an address that is not known yet must not be left in it.
        assert.doesNotMatch(text, /0\.0\.0\.0/);
        for (const vip of vips) {
          assert.ok(text.includes(vip));
        }
      });
    }
  }
}

test('a word that the script does not know changes nothing', () => {
  const text = scriptFor({ vips: [ip('192.168.1.100')], method: 'sysctl', ports: [] });
  const { status, stderr } = spawnSync('sh', ['-s', 'destroy'], { input: text, encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /usage:/);
});

test('the ip of BusyBox, which knows no nodad, sets up IPv6 too', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'beeline-test-'));
  context.after(() => {
    rmSync(folder, { recursive: true });
  });
  // Lists what was added, as "ip -o address show" does, and takes no word behind the interface.
  const busybox = `#!/bin/sh
case $*:$2 in
  *nodad:*) echo 'ip: either "local" is duplicate, or "nodad" is garbage' >&2; exit 1 ;;
  *:address) [ "$1" = -o ] && cat '${folder}/added'; exit 0 ;;
  *:add) echo "1: lo    inet6 $3 scope global" >>'${folder}/added' ;;
  *:del) : >'${folder}/added' ;;
esac
`;
  writeFileSync(join(folder, 'ip'), busybox, { mode: 0o755 });
  writeFileSync(join(folder, 'added'), '');
  const script = scriptFor({ vips: [ip('fd00::100')], method: 'sysctl', ports: [] });
  const env = { PATH: `${folder}:/usr/bin:/bin`, BEELINE_STATE: join(folder, 'state') };
  const run = (action: string) => spawnSync('sh', ['-s', action], { input: script, env, encoding: 'utf8' });
  const name = 'address fd00::100/128 on lo';
  for (const [action, word] of [
    ['setup', 'done'],
    ['setup', 'was so'],
    ['check', 'ok'],
    ['remove', 'undone'],
  ] as const) {
    const { status, stdout, stderr } = run(action);
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: `${word.padEnd(8)} ${name}\n`, stderr: '' });
  }
});
