/** Checks by programs, agents and files: what hangs, floods, has children or is not there, and that nothing is left behind. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { checkEnvironment, runSlow } from '../../../src/health/index.js';
import { type AgentCheck, ip } from '../../../src/model/index.js';
import { checked, contextFor, serve } from '../../support/slow-checks.js';
import { folderFor } from '../../support/store.js';

const exec = (script: string, given: Parameters<typeof checked>[2] = {}): Promise<string> =>
  checked({ type: 'exec', command: ['/bin/sh', '-c', script] }, 80, given);

function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOENT');
    return false;
  }
}

/** Waits until a process that was killed is gone. */
async function assertGone(pid: number): Promise<void> {
  for (let i = 0; i < 1000 && isAlive(pid); i += 1) {
    await sleep(20);
  }
  assert.ok(!isAlive(pid), `process ${pid} lives`);
}

test('the status of a program decides, and what it says is told in one line of printable characters', async () => {
  assert.equal(await exec('exit 0'), 'passed L7 ok');
  assert.equal(await exec('exit 2'), 'failed L7 exit 2');
  assert.equal(await exec('echo disk full; echo more; exit 2'), 'failed L7 exit 2: "disk full…"');
  assert.equal(await exec('echo said; echo error >&2; exit 1'), 'failed L7 exit 1: "said"');
  assert.equal(await exec('echo error >&2; exit 1'), 'failed L7 exit 1: "error"');
  assert.equal(await exec("printf '\\033]0;evil\\007'; exit 1"), 'failed L7 exit 1: "…"');
  assert.equal(await exec('kill -SEGV $$'), 'failed L7 killed by SIGSEGV');
});

test('a program that cannot be started says nothing about the real server', async (context) => {
  const run = (file: string): Promise<string> => checked({ type: 'exec', command: [file] }, 80);
  assert.equal(await run('/nowhere/check'), 'trouble: cannot run /nowhere/check: no such file');
  assert.equal(await run('/etc/passwd'), 'trouble: cannot run /etc/passwd: permission denied');
  assert.equal(await run('/'), 'trouble: cannot run /: permission denied');
  const script = join(folderFor(context), 'script');
  writeFileSync(script, '#!/nowhere/interpreter\n');
  chmodSync(script, 0o755);
  assert.equal(await run(script), `trouble: cannot run ${script}: no such file`);
  assert.match(await run(`bad\u0000name`), /^trouble: cannot run /);
});

test('a program has its own directory and environment, and nothing to read', async () => {
  const environment = checkEnvironment(
    { address: ip('192.0.2.1'), port: 80, protocol: 'tcp' },
    ip('192.0.2.9'),
    { type: 'exec' },
    8080,
  );
  process.env['SECRET_OF_THE_TEST'] = 'x';
  const { outcome } = await runSlow(
    {
      type: 'exec',
      command: ['/bin/sh', '-c', 'env | cut -d= -f1 | grep -v -e ^PWD -e ^_ -e SHLVL | sort | paste -sd" "; exit 1'],
    },
    contextFor(80, { environment: { A_VARIABLE: 'x' } }),
  );
  assert.equal(outcome?.words, 'exit 1: "A_VARIABLE PATH"');
  assert.equal(await exec('echo $(pwd) $(cat | wc -c); exit 1'), 'failed L7 exit 1: "/ 0"');
  assert.equal(
    await exec('echo $BEELINE_VIP $BEELINE_PORT $BEELINE_REAL_SERVER $BEELINE_SERVICE; exit 1', { environment }),
    'failed L7 exit 1: "192.0.2.1 8080 192.0.2.9 tcp 192.0.2.1:80"',
  );
  delete process.env['SECRET_OF_THE_TEST'];
});

test('the environment of a check of marked packets has the mark in the place of a VIP', () => {
  const environment = checkEnvironment({ mark: 7, family: 6 }, ip('fd00::9'), { type: 'exec' }, 0);
  assert.deepEqual(environment, {
    BEELINE_SERVICE: 'fwm 7 ipv6',
    BEELINE_FAMILY: '6',
    BEELINE_MARK: '7',
    BEELINE_REAL_SERVER: 'fd00::9',
    BEELINE_ADDRESS: 'fd00::9',
    BEELINE_PORT: '0',
    BEELINE_CHECK: 'exec',
  });
});

test('a program that hangs with its children is killed with them', async (context) => {
  const folder = folderFor(context);
  const script = `trap '' TERM INT HUP; sleep 1000 & echo $! > ${folder}/a; sh -c 'sleep 1000 & echo $! > ${folder}/b; wait' & wait; sleep 1000`;
  assert.equal(await exec(script, { timeoutMs: 500 }), 'failed L7 timeout');
  await assertGone(Number(readFileSync(`${folder}/a`, 'utf8')));
  await assertGone(Number(readFileSync(`${folder}/b`, 'utf8')));
});

test('children that a program left in its group when it ended are killed too', async (context) => {
  const folder = folderFor(context);
  assert.equal(await exec(`sleep 1000 & echo $! > ${folder}/a; exit 0`), 'passed L7 ok');
  await assertGone(Number(readFileSync(`${folder}/a`, 'utf8')));
});

test('a grandchild that left the group and keeps the output open delays nothing', async (context) => {
  const file = join(folderFor(context), 'pid');
  const before = readdirSync('/proc/self/fd').length;
  assert.equal(await exec(`setsid sh -c 'echo $$ > ${file}; exec sleep 1000' & sleep 0.3; exit 0`), 'passed L7 ok');
  const pid = Number(readFileSync(file, 'utf8'));
  assert.ok(isAlive(pid));
  process.kill(pid, 'SIGKILL');
  assert.ok(readdirSync('/proc/self/fd').length <= before);
});

test('a program that floods its output is ended, and one that writes much is not', async () => {
  assert.equal(await exec('yes'), 'failed L7 writes too much');
  assert.equal(await exec('yes >&2'), 'failed L7 writes too much');
  assert.equal(await exec('yes | head -c 500000; exit 3'), 'failed L7 exit 3: "y…"');
});

test('a check that is interrupted kills its program', async (context) => {
  const file = join(folderFor(context), 'pid');
  const controller = new AbortController();
  const running = exec(`echo $$ > ${file}.new; mv ${file}.new ${file}; exec sleep 1000`, { signal: controller.signal });
  while (!existsSync(file)) {
    await sleep(20);
  }
  controller.abort();
  assert.equal(await running, 'trouble: interrupted');
  await assertGone(Number(readFileSync(file, 'utf8')));
});

const agent = (check: Omit<AgentCheck, 'type'>, port: number, timeoutMs = 5000): Promise<string> =>
  checked({ type: 'agent', ...check }, port, { timeoutMs });

test('an agent is asked by a connection, and one line is its answer', async (context) => {
  const saying = (said: string | ((socket: Socket) => void)): Promise<number> =>
    serve(context, (socket) => {
      if (typeof said === 'string') {
        socket.write(said);
      } else {
        said(socket);
      }
    });
  assert.equal(await agent({}, await saying('75% up\n')), 'passed L7 up, 75 % of the weight');
  assert.equal(await agent({}, await saying((socket) => socket.end('drain'))), 'passed L7 drain');
  const echo = await saying((socket) => {
    socket.once('data', (data: Buffer) => socket.write(`weight ${data.length}\n`));
  });
  assert.equal(await agent({ send: 'abc\n' }, echo), 'passed L7 weight 4');
  assert.equal(await agent({}, await saying('hello\n')), 'trouble: the agent says "hello"');
  assert.equal(await agent({}, await saying('dra'), 100), 'trouble: no answer from the agent: L7 timeout');
  assert.equal(await agent({}, await saying((socket) => socket.end())), 'trouble: no answer from the agent: L7 closed');
  assert.equal(await agent({}, 1), 'trouble: no answer from the agent: L4 refused');
  const long = await saying('x'.repeat(100_000));
  assert.equal(await agent({}, long), 'trouble: no answer from the agent: L7 answer too long');
});

test('an agent is asked by a request, and the first line of the body is its answer', async (context) => {
  const port = await serve(context, (socket) => {
    socket.once('data', (data: Buffer) => {
      const path = /^GET (\S+)/.exec(data.toString())![1]!;
      const body = path === '/load' ? '50%\n' : 'up';
      socket.end(`HTTP/1.1 ${path === '/no' ? 404 : 200} x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
  });
  assert.equal(await agent({ by: 'http' }, port), 'passed L7 up');
  assert.equal(await agent({ by: 'http', path: '/load' }, port), 'passed L7 50 % of the weight');
  assert.equal(await agent({ by: 'http', path: '/no' }, port), 'trouble: no answer from the agent: L7 status 404');
});

test('an agent that is a program answers by its output, or by its status', async () => {
  const run = (script: string): Promise<string> => agent({ by: 'exec', command: ['/bin/sh', '-c', script] }, 80, 400);
  assert.equal(await run('echo drain; exit 1'), 'passed L7 drain');
  assert.equal(await run('exit 0'), 'passed L7 up');
  assert.equal(await run('echo noise >&2; exit 1'), 'passed L7 down');
  assert.equal(await run('exit 12'), 'passed L7 up, weight 10');
  assert.equal(await run('kill -9 $$'), 'trouble: no answer from the agent: killed by SIGKILL');
  assert.equal(await run('sleep 1000'), 'trouble: no answer from the agent: timeout');
});

test('a file advises; one that is missing does not; one that is no file, empty or strange is a trouble', async (context) => {
  const folder = folderFor(context);
  const path = join(folder, 'weight');
  const read = (name = path): Promise<string> => checked({ type: 'file', path: name }, 80, { timeoutMs: 1000 });
  const missing = await runSlow({ type: 'file', path }, contextFor(80));
  assert.deepEqual([missing.advice, missing.trouble, missing.outcome?.words], [undefined, undefined, 'no file']);
  assert.equal(await read(join(folder, 'no/folder')), 'passed L7 no file');
  writeFileSync(path, '20\n');
  const found = await runSlow({ type: 'file', path }, contextFor(80));
  assert.deepEqual([found.advice, found.outcome?.words], [{ weight: 20 }, 'weight 20']);
  writeFileSync(path, 'maint # somebody works on it\n');
  assert.equal(await read(), 'passed L7 maint');
  writeFileSync(path, '');
  assert.equal(await read(), `trouble: ${path}: is empty`);
  writeFileSync(path, 'x'.repeat(1_000_000));
  assert.equal(await read(), `trouble: ${path}: says "${'x'.repeat(60)}…"`);
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  assert.equal(await read(join(folder, 'fifo')), `trouble: ${join(folder, 'fifo')}: is no regular file`);
  assert.equal(await read('/dev/zero'), 'trouble: /dev/zero: is no regular file');
  mkdirSync(join(folder, 'folder'));
  assert.equal(await read(join(folder, 'folder')), `trouble: ${join(folder, 'folder')}: is no regular file`);
});

/** How many children of this process are zombies, or live. */
function children(): number {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return Number(/^\d+ \(.*\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))![1]) === process.pid;
      } catch (error) {
        // It ended meanwhile.
        assert.match((error as NodeJS.ErrnoException).code!, /^(ENOENT|ESRCH)$/);
        return false;
      }
    }).length;
}

async function leaksOf(context: TestContext, runs: number, run: (i: number) => Promise<unknown>): Promise<void> {
  await run(0);
  const [descriptors, processes] = [readdirSync('/proc/self/fd').length, children()];
  for (let i = 0; i < runs; i += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, j) => run(i + j)));
  }
  // The other ends, which are in this process too, close when they are told, which on a busy machine takes its time.
  const isOver = (): boolean => readdirSync('/proc/self/fd').length <= descriptors && children() === processes;
  for (let waits = 0; waits < 200 && !isOver(); waits += 1) {
    await sleep(50);
  }
  context.diagnostic(`${readdirSync('/proc/self/fd').length - descriptors} descriptors more`);
  assert.ok(readdirSync('/proc/self/fd').length <= descriptors);
  assert.equal(children(), processes);
}

test('200 runs of programs leave no descriptor, no zombie and no child', async (context) => {
  const scripts = ['exit 0', 'exit 1', 'sleep 1000', 'sleep 1000 & exit 0', 'echo x; kill -9 $$'];
  await leaksOf(context, 200, (i) => exec(scripts[i % scripts.length]!, { timeoutMs: 200 }));
});

test('200 connections, of which many fail, leave no descriptor and no warning', async (context) => {
  const warnings: unknown[] = [];
  const warn = (warning: unknown): void => void warnings.push(warning);
  process.on('warning', warn);
  const port = await serve(context, (socket, served) => {
    // Data and a reset that come at once are told as an end, which a socket that nobody reads never emits.
    socket.resume();
    if (served % 4 === 0) {
      socket.destroy();
    } else if (served % 4 === 1) {
      socket.write('up\n');
    } else if (served % 4 === 2) {
      socket.resetAndDestroy();
    }
  });
  const { signal } = new AbortController();
  await leaksOf(context, 200, (i) =>
    i % 2 === 0
      ? checked({ type: 'agent' }, port, { signal, timeoutMs: 100 })
      : checked({ type: 'tls' }, port, { signal, timeoutMs: 100 }),
  );
  assert.deepEqual(warnings, []);
  process.off('warning', warn);
});
