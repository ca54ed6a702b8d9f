/** The demo: run twice in a row, interrupted, and with --keep. */

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import test from 'node:test';

import { Lab } from '../../src/lab/index.js';

function startDemo(...args: string[]): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, ['dist/src/lab/demo.js', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (piece: Buffer) => {
      text += piece.toString();
    });
  }
  return { child, output: () => text };
}

async function demo(...args: string[]): Promise<{ status: number | null; output: string }> {
  const { child, output } = startDemo(...args);
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, output: output() };
}

function assertNothingLeft(): void {
  for (const path of ['/run/beeline/labs/demo', '/sys/fs/bpf/beeline/demo', '/run/netns/beeline-demo-director']) {
    assert.equal(existsSync(path), false, path);
  }
}

/** Returns the demo's output in the README, without the lines of scripts/setup. */
function readmeOutput(): string {
  const [, block] = /```\n\$ sudo scripts\/demo\n(?:setup: .*\n)*([^]*?)```/.exec(readFileSync('README.md', 'utf8'))!;
  return block!;
}

/** Masks times, which differ from run to run, and the width of columns that have them. */
function timeless(output: string): string {
  return output.replaceAll(/\d+(\.\d+)? (m?s)\b/g, 'N $2').replaceAll(/ {2,}/g, '  ');
}

test('the demo proves itself, twice in a row, as the README shows it', async () => {
  for (let i = 0; i < 2; i += 1) {
    const { status, output } = await demo();
    assert.equal(status, 0, output);
    assert.equal(timeless(output), timeless(readmeOutput()));
    assert.match(output, /Both real servers answered/);
    assert.match(output, /all 60 bytes from the IP header on are the same/);
    assert.match(
      output,
      /192\.168\.1\.31 +http +down .*\n.*\n.*answered by: real1 0, real2 8\n.*\n.*real1 4, real2 4\n/,
    );
    assertNothingLeft();
  }
});

test('interrupted at any moment, the demo cleans up', async () => {
  for (const afterMs of [100, 400, 900, 1400, 3000]) {
    const { child, output } = startDemo();
    setTimeout(() => child.kill('SIGINT'), afterMs);
    const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
    // On a fast machine the demo may have finished before the signal. On a slow one it may have no signal handler yet,
    // and the signal itself ends it.
    assert.ok(status === 130 || status === 0 || signal === 'SIGINT', `${String(status)}: ${output()}`);
    assertNothingLeft();
  }
});

test('--keep leaves the lab with the commands to look around, and the next demo replaces it', async () => {
  const kept = await demo('--keep');
  assert.equal(kept.status, 0, kept.output);
  assert.match(
    kept.output,
    /scripts\/beeline --instance demo status\n.*scripts\/beeline lab exec .*\n.*scripts\/beeline lab down demo/,
  );
  assert.match(await new Lab('demo').beeline(['list']), /tcp 192\.168\.1\.100:80/);
  const again = await demo();
  assert.equal(again.status, 0, again.output);
  assertNothingLeft();
});
