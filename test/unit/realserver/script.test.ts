/** The script for hosts without Node.js: any POSIX shell takes it, and ShellCheck has nothing to say. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
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
