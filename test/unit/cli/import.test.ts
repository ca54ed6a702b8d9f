/** `beeline import` as a shell sees it: what goes where, exit statuses, and files that are none. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { parseConfig } from '../../../src/config/index.js';

const MAIN = fileURLToPath(new URL('../../../app/cli/main.js', import.meta.url));

function run(args: readonly string[], input = ''): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'import', ...args], {
    input,
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

function inFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'beeline-import-'));
  try {
    use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const COMPLETE = `vrrp_instance A {
interface ens3
virtual_router_id 5
virtual_ipaddress {
192.168.1.100
}
}
virtual_server 192.168.1.100 80 {
lvs_method DR
protocol TCP
real_server 192.168.1.31 80 {
}
}
`;

test('a configuration goes to standard output, its report to standard error, and a loss ends with 1', () => {
  const complete = run(['keepalived', '-'], COMPLETE);
  assert.equal(complete.status, 0, complete.stderr);
  assert.equal(parseConfig(complete.stdout, 'f').services.length, 1);
  assert.match(complete.stderr, /^stdin:3: translated: virtual_router_id: id: 5$/m);
  assert.match(complete.stderr, /^stdin: 7 lines kept, 2 translated, 0 dropped$/m);
  const lossy = run(['keepalived', '-', '--interface', 'a0', '--interface', 'b0'], COMPLETE.replace(' DR', ' NAT'));
  assert.equal(lossy.status, 1);
  assert.deepEqual(parseConfig(lossy.stdout, 'f').interfaces, ['a0', 'b0']);
});

test('--json has the configuration, and each line with what became of it', () => {
  const { status, stdout, stderr } = run(['keepalived', '--json', '-v', '-'], COMPLETE);
  const { complete, config, lines } = JSON.parse(stdout) as { complete: boolean; config: string; lines: object[] };
  assert.deepEqual([status, stderr, complete], [0, '', true]);
  assert.equal(parseConfig(config, 'f').services.length, 1);
  assert.deepEqual(lines[1], { file: 'stdin', line: 2, kind: 'kept', text: '' });
});

test('includes are followed on the disk; what is no file to read is passed over, and nothing waits for a pipe', () => {
  inFolder((folder) => {
    writeFileSync(join(folder, 'k.conf'), 'include conf.d/*\n');
    mkdirSync(join(folder, 'conf.d'));
    mkdirSync(join(folder, 'conf.d', 'folder'));
    writeFileSync(join(folder, 'conf.d', 'a.conf'), COMPLETE);
    writeFileSync(join(folder, 'conf.d', 'script'), '#!/bin/sh\n');
    chmodSync(join(folder, 'conf.d', 'script'), 0o755);
    assert.equal(spawnSync('mkfifo', [join(folder, 'conf.d', 'pipe')]).status, 0);
    const { status, stdout, stderr } = run(['keepalived', join(folder, 'k.conf')]);
    assert.equal(status, 0, stderr);
    assert.equal(parseConfig(stdout, 'f').services.length, 1);
    assert.equal(stderr.match(/is passed over, as in keepalived/g)?.length, 3);
  });
});

test('what is no configuration of keepalived ends with 2, and nothing is on standard output', () => {
  inFolder((folder) => {
    const missing = join(folder, 'missing.conf');
    writeFileSync(missing, `${COMPLETE}include nowhere.conf\n`);
    const loop = join(folder, 'loop.conf');
    writeFileSync(loop, `${COMPLETE}include ./loop.conf\n`);
    for (const file of [missing, loop, process.execPath, folder, join(folder, 'none'), 'package.json', '/dev/null']) {
      const { status, stdout, stderr } = run(['keepalived', file]);
      assert.deepEqual([status, stdout], [2, ''], file);
      assert.match(stderr, /^beeline: /);
    }
  });
});

test('the rules of ipvsadm have the same report', () => {
  const { status, stdout, stderr } = run(
    ['ipvsadm', '-'],
    '-A -t 192.168.1.100:80 -s wlc\n-a -t 192.168.1.100:80 -r 192.168.1.31 -m\n',
  );
  assert.equal(status, 1);
  assert.equal(parseConfig(stdout, 'f').services.length, 1);
  assert.match(
    stderr,
    /^stdin:2: dropped: Beeline does not masquerade .*\nstdin: 1 line kept, 0 translated, 1 dropped\n$/,
  );
});
