/** The command as a shell sees it: exit statuses, one line for what goes wrong, commands that can be pasted. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { beeline as program } from '../../../src/cli/program.js';
import { invocation } from '../../../src/cli/terminal/invocation.js';
import { readConfig } from '../../../src/config/index.js';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));

function beeline(args: readonly string[], stdout: number | 'pipe' = 'pipe'): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', stdout, 'pipe'],
    encoding: 'utf8',
  });
  return { status, stderr };
}

test('a full disk is reported in one line', () => {
  const full = openSync('/dev/full', 'w');
  const { status, stderr } = beeline(['schema'], full);
  closeSync(full);
  assert.deepEqual(
    [status, stderr],
    [1, 'beeline: cannot write to standard output: ENOSPC: no space left on device, write\n'],
  );
});

test("mistakes in a subcommand's command line exit with 2 as all others do", () => {
  for (const args of [
    ['lab', 'exec', 'nohost', 'true'],
    ['lab', 'exec', 'client'],
    ['lab', 'up', '--fast'],
    ['lab', 'dance'],
  ]) {
    const { status, stderr } = beeline(args);
    assert.deepEqual([status, stderr.endsWith('See "beeline --help".\n')], [2, true], `${args.join(' ')}: ${stderr}`);
  }
});

test('the hint for an unreadable file fits the reason', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'beeline-cli-'));
  context.after(() => {
    rmSync(directory, { recursive: true });
  });
  assert.throws(() => readConfig(directory), { code: 'CONFIG_UNREADABLE', hint: /folder/ });
  assert.throws(() => readConfig(join(directory, 'x')), {
    code: 'CONFIG_UNREADABLE',
    hint: /the name of another file/,
  });
});

test('commands are printed so that they can be pasted', () => {
  assert.equal(invocation({ BEELINE_COMMAND: undefined, SUDO_USER: undefined }), 'beeline');
  assert.equal(invocation({ BEELINE_COMMAND: 'scripts/beeline', SUDO_USER: 'me' }), 'sudo scripts/beeline');
});

test('a command line that begins with a command loads that command alone', async () => {
  const namesFor = async (line: string): Promise<string[]> =>
    (await program(line.split(' '))).commands.map((command) => command.name());
  const all = await namesFor('--help');
  for (const name of all) {
    assert.deepEqual(await namesFor(`--instance edge ${name} --json`), [name]);
  }
  for (const line of ['', 'help status', 'constructor', '--version status']) {
    assert.deepEqual(await namesFor(line), all);
  }
});
