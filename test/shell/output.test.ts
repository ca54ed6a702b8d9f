/** Output on a terminal and on a pipe, also one that no process reads. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { ControlServer } from '../../src/control/index.js';
import { fakeDaemon } from '../support/fake-daemon.js';
import { Terminal } from '../support/terminal.js';

const MAIN = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));
const INSTANCE = `output-${process.pid}`;

let daemon: ControlServer;

before(async () => {
  daemon = await fakeDaemon(INSTANCE);
});

after(() => daemon.close());

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a line of bash in which "beeline" is ours. */
async function shell(line: string, environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const script = `beeline() { "${process.execPath}" "${MAIN}" "$@"; }; ${line}`;
  const env = { ...process.env, NO_COLOR: '', FORCE_COLOR: undefined, BEELINE_INSTANCE: INSTANCE, ...environment };
  const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'], env });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (stdout += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, stdout, stderr };
}

async function onTerminal(args: string, environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const terminal = new Terminal(`"${process.execPath}" "${MAIN}" ${args}`, {
    TERM: 'xterm-256color',
    BEELINE_INSTANCE: INSTANCE,
    ...environment,
  });
  return terminal.ended();
}

const EXPLAIN = 'explain 192.168.1.12 192.168.1.100';
const COLOURED = ['list', 'status', 'stats', 'flows', 'flows --summary', EXPLAIN];

for (const command of COLOURED) {
  test(`"beeline ${command}" is coloured on a terminal, and the text is the same without`, async () => {
    const coloured = await onTerminal(command);
    assert.match(coloured, /\x1b\[2m/);
    const plain = await onTerminal(command, { NO_COLOR: '1' });
    assert.doesNotMatch(plain, /\x1b/);
    // Seconds go by between the two.
    const comparable = (text: string): string => text.replaceAll(/\x1b\[\d+m/g, '').replaceAll(/\d+ s\b/g, '');
    assert.equal(comparable(coloured), comparable(plain));
  });
}

test('states are green, yellow or red', async () => {
  const text = await onTerminal('list');
  for (const [code, state] of [
    [32, 'up'],
    [33, 'drained'],
    [31, 'unresolved'],
  ] as const) {
    assert.ok(text.includes(`\x1b[${code}m${state}\x1b[39m`), state);
  }
});

test('dumb terminals and pipes get no colours unless colours are forced', async () => {
  assert.doesNotMatch(await onTerminal('list', { TERM: 'dumb' }), /\x1b/);
  assert.doesNotMatch((await shell('beeline list')).stdout, /\x1b/);
  assert.match((await shell('beeline list', { FORCE_COLOR: '1' })).stdout, /\x1b\[32mup/);
});

test('if program and oracle disagree, the explanation is printed, followed by advice', async () => {
  for (const form of ['', ' --json']) {
    const { status, stdout, stderr } = await shell(`beeline ${EXPLAIN} --vlan 5${form}`);
    assert.equal(status, 1);
    assert.match(stdout, form === '' ? /^oracle +DISAGREES/m : /"agrees": false/);
    assert.match(stderr, /program and oracle disagree: verdict forwarded, oracle no-flow\n.*please report it/);
  }
});

test('JSON has no colours on a terminal', async () => {
  const text = await onTerminal('list --json');
  assert.equal((JSON.parse(text) as unknown[]).length, 2);
});

const READ_BY_NOBODY = [
  '--help',
  'help flows',
  'list',
  'list --json',
  'status',
  'stats',
  'flows',
  'flows --limit 10000',
  'flows --limit 10000 --json',
  'flows --summary',
  EXPLAIN,
  'reload',
  'schema',
  'manual',
  'manual beeline.yaml',
  'completion zsh',
  'lab list',
  'check /dev/null --json',
];

for (const command of READ_BY_NOBODY) {
  test(`"beeline ${command}" ends quietly when the reader stops reading`, async () => {
    const { stdout, stderr } = await shell(`beeline ${command} | true; echo "\${PIPESTATUS[0]}"`);
    assert.match(stdout, command.startsWith('check') ? /^[02]\n$/ : /^(0|141)\n$/);
    assert.equal(stderr, '');
  });
}

test('a message that nobody reads causes no further message', async () => {
  assert.equal((await shell('beeline nonsense 2> >(true); echo $?')).stdout, '2\n');
  assert.equal((await shell('beeline list --instance none 2>&1 | true; echo "${PIPESTATUS[0]}"')).stdout, '3\n');
});
