/** `beeline realserver`: mistakes on the command line change nothing, and the script needs neither root nor a network. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../app/cli/main.js', import.meta.url));

/** Runs the command on a host without any program: what it wants to change or to ask fails. */
function run(...words: string[]): { status: number | null; stdout: string; stderr: string; wrote: boolean } {
  const root = mkdtempSync(join(tmpdir(), 'beeline-test-'));
  try {
    const env = { ...process.env, BEELINE_REALSERVER_ROOT: root, NO_COLOR: '1' };
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'realserver', ...words], {
      env,
      encoding: 'utf8',
    });
    return { status, stdout, stderr, wrote: existsSync(join(root, 'var')) || existsSync(join(root, 'etc')) };
  } finally {
    rmSync(root, { recursive: true });
  }
}

for (const [mistake, words, said] of [
  ['a VIP with a prefix', ['setup', '--vip', '192.168.1.100/32'], /cannot be a VIP/],
  ['a name', ['setup', '--vip', 'www.example.com'], /cannot be a VIP/],
  ['no VIP', ['setup'], /--vip/],
  ['a method that does not exist', ['setup', '--vip', '192.168.1.100', '--method', 'magic'], /magic/],
  ['ports without redirect', ['setup', '--vip', '192.168.1.100', '--port', '80'], /--port is for the method redirect/],
  ['port 0', ['setup', '--vip', '192.168.1.100', '--method', 'redirect', '--port', '0'], /from 1 to 65535/],
  ['a way that does not exist', ['setup', '--vip', '192.168.1.100', '--persist', 'cron'], /cron/],
  ['an interface that is a command', ['script', '--vip', '192.168.1.100', '--interface', "'; reboot"], /interface/],
  ['a check of nothing', ['check'], /no set-up is recorded/],
] as const) {
  test(`${mistake} ends with 2, and nothing is changed`, () => {
    const { status, stdout, stderr, wrote } = run(...words);
    assert.deepEqual([status, stdout, wrote], [2, '', false]);
    assert.match(stderr, said);
  });
}

test('remove on a host without a record says so, and writes nothing', () => {
  const { status, stdout, wrote } = run('remove', '--dry-run');
  assert.deepEqual([status, stdout, wrote], [0, 'nothing to undo: no such set-up is recorded on this host\n', false]);
});

test('the script is printed whole, for the VIPs that were asked for, each once', () => {
  const { status, stdout, wrote } = run('script', '--vip', '192.168.1.100', 'FD00::100', '--vip', '192.168.1.100');
  assert.deepEqual([status, wrote], [0, false]);
  assert.match(stdout, /^#!\/bin\/sh\n/);
  assert.equal(stdout.match(/^address_step /gm)?.length, 4);
});
