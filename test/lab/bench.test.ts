/** `beeline bench` with real packets, very short: every director forwards, and nothing is left behind. */

import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { ForwardReport, LatencyReport } from '../../src/bench/index.js';

const BEELINE = 'dist/app/cli/main.js';
const FORWARD = ['forward', '--ipvs', 'none', '--rounds', '1', '--duration', '20'];

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [BEELINE, 'bench', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function bench(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = start(...args);
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]!.on('data', (text: Buffer) => {
      output[stream] += text.toString();
    });
  }
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, ...output };
}

/** Lists namespaces, pins, files and processes that a benchmark of this checkout may have made. */
function traces(): string[] {
  const list = (directory: string, pattern: RegExp): string[] => {
    try {
      return readdirSync(directory)
        .filter((name) => pattern.test(name))
        .map((name) => join(directory, name));
    } catch {
      // The folder does not exist.
      return [];
    }
  };
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.includes(join(process.cwd(), 'dist/src/bench/')) || command.includes(' --instance bench ')
          ? [`${pid} ${command}`]
          : [];
      } catch {
        // The process has ended meanwhile.
        return [];
      }
    });
  return [
    ...list('/run/netns', /^beeline-bench-/),
    ...list('/run/beeline/labs', /^bench$/),
    ...list('/run/beeline', /^bench\./),
    ...list('/sys/fs/bpf/beeline', /^bench$/),
    ...list(tmpdir(), /^beeline-bench-/),
    ...processes,
  ];
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !holds(); i += 1) {
    await sleep(20);
  }
  assert.ok(holds());
}

async function assertNothingLeft(): Promise<void> {
  // The last processes of a namespace may be about to end.
  for (let i = 0; i < 50 && traces().length > 0; i += 1) {
    await sleep(20);
  }
  assert.deepEqual(traces(), []);
}

test('every director forwards, and those that balance send packets to both real servers', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-test-'));
  try {
    const page = join(folder, 'forward.html');
    const { status, stdout, stderr } = await bench(...FORWARD, '--json', '--html', page);
    assert.equal(status, 0, stderr);
    const { rows, goals, driver, machine } = JSON.parse(stdout) as ForwardReport & { machine: { kernel: string } };
    assert.deepEqual(
      goals.map(({ director, most }) => [director, most]),
      [
        ['beeline', 10],
        ['beeline-moved', 10],
      ],
    );
    assert.deepEqual(
      rows.map(({ director }) => director),
      ['drop', 'mac-rewrite', 'beeline', 'beeline-moved', 'beeline-generic', 'nftables', 'kernel'],
    );
    for (const row of rows) {
      const { director, mpps, min, max, ratioToMacRewrite, ownNs, lostPercent, realServers } = row;
      assert.ok(mpps > 0 && min <= mpps && mpps <= max, director);
      assert.ok(ratioToMacRewrite > 0 && Number.isFinite(ownNs), director);
      assert.ok(row.aboveMin <= row.aboveMacRewriteNs && row.aboveMacRewriteNs <= row.aboveMax, director);
      assert.ok(lostPercent < 50, `${director} lost ${lostPercent} %`);
      if (['beeline', 'beeline-moved', 'beeline-generic', 'nftables'].includes(director)) {
        assert.ok(realServers[0]! > 1000 && realServers[1]! > 1000, `${director}: ${realServers.join(', ')}`);
      }
    }
    assert.equal(driver, 'veth');
    assert.ok(machine.kernel.length > 0);
    assert.match(readFileSync(page, 'utf8'), /^<!doctype html>[^]*<\/html>\n$/);
    // No progress is shown, because standard error is not a terminal.
    assert.equal(stderr, '');
  } finally {
    rmSync(folder, { recursive: true });
  }
  await assertNothingLeft();
});

test('the latency benchmark measures requests with and without the director', async () => {
  const { status, stdout, stderr } = await bench('latency', '--rounds', '2', '--requests', '50', '--json');
  assert.equal(status, 0, stderr);
  const { rows, rounds, addedUs } = JSON.parse(stdout) as LatencyReport;
  assert.equal(rounds, 2);
  assert.ok(Number.isFinite(addedUs));
  assert.deepEqual(
    rows.map(({ path, requests }) => [path, requests]),
    [
      ['direct', 100],
      ['director', 100],
    ],
  );
  for (const { p50, p90, p99, p999, max } of rows) {
    assert.ok(p50 > 0 && p50 <= p90 && p90 <= p99 && p99 <= p999 && p999 <= max);
  }
  await assertNothingLeft();
});

test('a benchmark that is interrupted at any moment exits with 130 and leaves nothing behind', async () => {
  for (const [args, afterMs] of [
    [['forward', '--ipvs', 'none', '--rounds', '50'], 300],
    [['forward', '--ipvs', 'none', '--rounds', '50'], 1500],
    [['latency', '--rounds', '50'], 250],
    [['latency', '--rounds', '50'], 1500],
  ] as const) {
    const child = start(...args);
    let stderr = '';
    child.stderr!.on('data', (text: Buffer) => {
      stderr += text.toString();
    });
    setTimeout(() => child.kill('SIGINT'), afterMs);
    const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
    // On a slow machine the command may not listen for signals yet. Then it has made nothing either.
    if (signal !== 'SIGINT') {
      assert.equal(status, 130, stderr);
      assert.match(stderr, /interrupted/);
    }
    await assertNothingLeft();
  }
});

test('a forwarding benchmark that is killed leaves no packets, processes or network behind', async () => {
  const child = start('forward', '--ipvs', 'none', '--rounds', '50');
  await sleep(1500);
  child.kill('SIGKILL');
  await once(child, 'close');
  // Only its temporary folder is left. It is empty, except for programs that need files.
  for (const trace of traces().filter((path) => path.startsWith(tmpdir()))) {
    rmSync(trace, { recursive: true });
  }
  await assertNothingLeft();
});

test('the measuring process refuses a network with foreign interfaces', () => {
  const job = { directors: ['drop'], flows: 1, rounds: 1, durationMs: 1, cpu: 0, directory: tmpdir() };
  const script =
    `const child = require('node:child_process').fork('dist/src/bench/forward/worker.js', [process.argv[1]]);` +
    `child.on('message', (message) => { console.log(JSON.stringify(message)); });`;
  const { stdout } = spawnSync(
    'unshare',
    ['--net', 'sh', '-c', 'ip link add eth7 type veth peer name eth8 && exec "$@"', 'sh'].concat([
      process.execPath,
      '-e',
      script,
      JSON.stringify(job),
    ]),
    { encoding: 'utf8' },
  );
  assert.deepEqual((JSON.parse(stdout) as { code: string }).code, 'BENCH_DEVICE');
});

test('a second latency benchmark does not take down the lab of the first', async () => {
  const first = start('latency', '--rounds', '50');
  await until(() => existsSync('/run/beeline/labs/bench'));
  const { status, stderr } = await bench('latency', '--rounds', '1', '--requests', '10');
  assert.equal(status, 1);
  assert.match(stderr, /the lab "bench" is up already\n.*beeline lab down bench/);
  assert.equal(first.exitCode, null);
  first.kill('SIGTERM');
  const [ended] = (await once(first, 'close')) as [number | null];
  assert.equal(ended, 130);
  await assertNothingLeft();
});

test('a device that is named twice is accepted, and the director behind it is measured', () => {
  // The director behind the device is nftables, in the same network.
  const script = `
    ip link add eth7 address 02:62:65:65:00:07 type veth peer name eth8 address 02:62:65:65:00:00
    ip link set eth7 up && ip link set eth8 up && ethtool -K eth8 gro on
    nft 'table netdev t { chain c { type filter hook ingress device eth8 priority 0; ip daddr 10.9.0.100 ether daddr set 02:62:65:65:00:01 fwd to eth8; }; }'
    exec "$@" --director-mac 02:62:65:65:00:00 --vip 10.9.0.100 --rounds 1 --duration 20 --json --device eth7 --yes-flood eth7`;
  const command = ['--net', 'sh', '-ec', script, 'sh', process.execPath, BEELINE, 'bench', 'forward'];
  const { stdout, stderr } = spawnSync('unshare', command, { encoding: 'utf8' });
  assert.equal(stderr, '');
  const { rows, driver } = JSON.parse(stdout) as ForwardReport;
  assert.equal(driver, 'eth7');
  assert.deepEqual(
    rows.map(({ director, realServers }) => [director, realServers[0]! > 1000]),
    [['external', true]],
  );
});
