/** The command as a shell sees it: exit statuses, one line for what goes wrong, commands that can be pasted. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { nearest } from '../../../src/model/index.js';
import { beeline as program } from '../../../src/cli/program.js';
import { invocation } from '../../../src/cli/terminal/invocation.js';
import { readConfig } from '../../../src/config/index.js';

const MAIN = fileURLToPath(new URL('../../../app/cli/main.js', import.meta.url));

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

test("mistakes in a command line exit with 2, in Beeline's words, and name the help of their command", () => {
  const cases: readonly (readonly [line: string, message: string, help: string])[] = [
    [
      'lab exec nohost true',
      '"nohost" cannot be <host>: choose one of client, director, standby, real1, real2, switch',
      ' lab exec',
    ],
    ['lab exec client', '<command> is missing', ' lab exec'],
    ['lab up --fast', 'there is no option --fast', ' lab up'],
    ['lab dance', 'there is no command "dance"', ' lab'],
    ['list --jsno', 'there is no option --jsno; did you mean --json?', ' list'],
    ['flows --limit 0', '"0" cannot be the value of --limit: it must be a whole number from 1 to 10000', ' flows'],
    ['flows --limit', 'the value is missing: --limit <n>', ' flows'],
    ['mark add 1', 'the option --match <match> is missing', ' mark add'],
    ['reload now', 'too many arguments: 1, and there may be none', ' reload'],
    ['statsu', 'there is no command "statsu"; did you mean status?', ''],
    ['\u001b]0;owned\u0007', 'there is no command "\\u001b]0;owned\\u0007"', ''],
  ];
  for (const [line, message, help] of cases) {
    const { status, stderr } = beeline(line.split(' '));
    assert.deepEqual([status, stderr], [2, `beeline: ${message}\nSee "beeline${help} --help".\n`], line);
  }
});

test('no guess leads from a slip, or from a command of another program, to one that changes what is running', () => {
  const names = ['run', 'stop', 'status', 'stats', 'list', 'apply', 'reload', 'drain', 'remove', 'add', '--json'];
  for (const word of ['top', 'step-up', 'start', 'restart', 'up', 'rm', 'reap', 'a', 's', 'train', '']) {
    assert.equal(nearest(word, names), undefined, word);
  }
  const slips = { statu: 'status', sttaus: 'status', relaod: 'reload', lis: 'list', stpo: 'stop', '--jsn': '--json' };
  for (const [word, name] of Object.entries(slips)) {
    assert.equal(nearest(word, names), name, word);
  }
});

test('ipvsadm-restore with a word on its command line prints its help, and neither reads nor clears anything', () => {
  for (const [words, status] of [
    [['ipvsadm-restore', '--help'], 0],
    [['ipvsadm-restore', '-h'], 0],
    [['ipvsadm-restore', '-n'], 1],
    [['ipvsadm-restore', 'rules'], 1],
    [['ipvsadm-save', '--help'], 0],
    [['ipvsadm-save', '-n', '-x'], 1],
  ] as const) {
    // Without a daemon, whatever asks one ends with 3.
    assert.equal(beeline(['--instance', 'nobody', ...words]).status, status, words.join(' '));
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

test('the page about a finding is printed wherever Beeline is installed, and no other file is', () => {
  const ask = (name: string): string =>
    spawnSync(process.execPath, [MAIN, 'doctor', '--about', name], { cwd: '/', encoding: 'utf8' }).stdout;
  assert.equal(ask('vip-prefix'), readFileSync('docs/doctor/vip-prefix.md', 'utf8'));
  for (const name of ['vip-prefx', 'README', '../glossary']) {
    const { status, stderr } = beeline(['doctor', '--about', name]);
    assert.deepEqual([status, stderr.startsWith(`beeline: there is no check "${name}"`)], [2, true]);
  }
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

test('the doctor refuses times that would make it look without a pause, or not listen at all', async () => {
  for (const args of [
    ['--watch', '0'],
    ['--watch', '99ms'],
    // Longer than a timer of Node.js, which would not wait then.
    ['--watch', '600h'],
    ['--listen', '25h'],
  ]) {
    await assert.rejects(
      (await program()).parseAsync(['node', 'beeline', 'doctor', ...args]),
      { code: 'USAGE' },
      args.join(' '),
    );
  }
});
