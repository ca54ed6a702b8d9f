/** The log goes to a full disk, a stalled pipe, or to nobody: the daemon neither waits nor ends, and what was lost is told. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { LogSink } from '../../../src/director/log-sink.js';
import { folderFor } from '../../support/store.js';

const { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;
/** Longer than a pipe takes at once. */
const KILOBYTE = 'x'.repeat(1000);

function fifoFor(context: TestContext): string {
  const path = join(folderFor(context), 'fifo');
  execFileSync('mkfifo', [path]);
  return path;
}

/** Reads what is there. */
function drain(fd: number): string {
  const pieces: Buffer[] = [];
  for (;;) {
    const piece = Buffer.alloc(1 << 16);
    try {
      const length = readSync(fd, piece);
      if (length === 0) {
        return Buffer.concat(pieces).toString();
      }
      pieces.push(piece.subarray(0, length));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
      return Buffer.concat(pieces).toString();
    }
  }
}

test('a full disk throws nothing, and the problem is known', () => {
  const fd = openSync('/dev/full', 'w');
  using sink = new LogSink(fd);
  sink.write('one\n');
  sink.write('two\n');
  assert.match(sink.problem!, /^the log cannot be written: ENOSPC.*; 2 lines wait, 0 are lost$/);
  closeSync(fd);
});

test('a pipe that nobody reads stops nobody; then the lines come whole and in order, and the number of the lost', async (context) => {
  const path = fifoFor(context);
  // The test has both ends: this one waits when the pipe is full, as the one that a daemon gets.
  const [reader, writer] = [openSync(path, O_RDONLY | O_NONBLOCK), openSync(path, O_WRONLY)];
  const lost: number[] = [];
  using sink = new LogSink(writer, {
    maxWaiting: 50_000,
    onLost: (lines) => {
      lost.push(lines);
      sink.write(`lost ${lines}\n`);
    },
  });
  const LINES = 300;
  for (let i = 0; i < LINES; i += 1) {
    sink.write(`${i} ${KILOBYTE}\n`);
  }
  assert.match(sink.problem!, /^the log cannot be written: nobody reads it; \d+ lines wait, \d+ are lost$/);
  let text = '';
  while (!text.includes('lost')) {
    text += drain(reader);
    await sleep(5);
  }
  const lines = text.trimEnd().split('\n');
  const kept = lines.length - 1;
  assert.deepEqual(lines, [...Array.from({ length: kept }, (_, i) => `${i} ${KILOBYTE}`), `lost ${LINES - kept}`]);
  assert.deepEqual(lost, [LINES - kept]);
  assert.equal(sink.problem, undefined);
  sink.write('more\n');
  assert.equal(drain(reader), 'more\n');
  closeSync(reader);
  closeSync(writer);
});

test('a reader that goes away ends nothing, and the next one gets what waited', async (context) => {
  const path = fifoFor(context);
  const [reader, writer] = [openSync(path, O_RDONLY | O_NONBLOCK), openSync(path, O_WRONLY)];
  using sink = new LogSink(writer);
  sink.write('one\n');
  assert.equal(drain(reader), 'one\n');
  closeSync(reader);
  sink.write('two\n');
  sink.write('three\n');
  assert.match(sink.problem!, /EPIPE.*; 2 lines wait/);
  const next = openSync(path, O_RDWR | O_NONBLOCK);
  while (sink.problem !== undefined) {
    await sleep(5);
  }
  assert.equal(drain(next), 'two\nthree\n');
  closeSync(next);
  closeSync(writer);
});

test("a socket whose other end does not read, as the journal's, stops nobody", async () => {
  const module = new URL('../../../src/director/log-sink.js', import.meta.url).href;
  const child = spawn(process.execPath, [
    '--input-type=module',
    '--eval',
    `import { LogSink } from '${module}';
     const sink = new LogSink(2, { onLost: (lines) => sink.write('lost ' + lines + '\\n') });
     for (let i = 0; i < 5000; i += 1) sink.write(i + ' ' + 'x'.repeat(1000) + '\\n');
     process.stdout.write(sink.problem);
     process.stdin.resume();`,
  ]);
  child.stderr.pause();
  const [problem] = (await once(child.stdout, 'data')) as [Buffer];
  assert.match(problem.toString(), /^the log cannot be written: nobody reads it; \d+ lines wait, [1-9]\d* are lost$/);
  let text = '';
  for await (const piece of child.stderr as AsyncIterable<Buffer>) {
    text += piece.toString();
    if (/^lost \d+\n/m.test(text)) {
      child.stdin.end();
    }
  }
  const lines = text.trimEnd().split('\n');
  const kept = lines.length - 1;
  assert.equal(lines.at(-1), `lost ${5000 - kept}`);
  assert.ok(lines.slice(0, -1).every((line, i) => line.startsWith(`${i} `)));
});
